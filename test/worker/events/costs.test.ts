/** What events cost: rows that D1 writes, index entries and counters included, and round trips; before the answer and after it. */

import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'

import { createAccount, PASSWORD } from '../../support/accounts.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { startFollowed } from '../../support/followed-worker.ts'
import { post, refreshByCookies, refreshByJson, signInByJson } from '../../support/requests.ts'
import { openByGuid, tokensIn } from '../../support/sessions.ts'
import { pairOf, startWorker, type TestWorker } from '../../support/worker.ts'

const counting = countRoundTrips(env.DB)
const followed = startFollowed({ DB: counting.database })
const unfollowed = startWorker({ DB: counting.database })

interface Cost {
  readonly written: number
  readonly trips: number
}

/** What each operation of one account costs, once everything is loaded and the places are known. */
async function costsWith(worker: TestWorker): Promise<Readonly<Record<string, Cost>>> {
  const costs: Record<string, Cost> = {}
  async function measure<Result>(name: string, operation: () => Promise<Result>): Promise<Result> {
    counting.reset()
    const result = await operation()
    const written = counting.statements().reduce((sum, { rowsWritten }) => sum + rowsWritten, 0)
    costs[name] = { written, trips: counting.roundTrips() }
    return result
  }

  const { guid, email } = await createAccount(env.DB)
  await signInByJson(email, PASSWORD, worker)
  await measure('password', () => signInByJson(email, PASSWORD, worker))
  const { cookies } = await measure('guid', () => openByGuid(guid, {}, worker))
  const next = pairOf(await measure('refresh', () => refreshByCookies(cookies, {}, worker)))
  await measure('refresh by JSON', () => refreshByJson(tokensIn(next).refresh, {}, worker))
  await measure('verify', () => post('/auth/token/verify', { token: next.access_token }, {}, worker))
  await measure('revoke', () => post('/auth/token/revoke', { token: next.access_token }, {}, worker))
  await measure('cron', () => worker.scheduled(0))
  return costs
}

const REFRESHED = { written: 1, trips: 1 }

test('without a queue of events: what everything costs without them', async () => {
  expect(await costsWith(unfollowed)).toEqual({
    password: { written: 3, trips: 2 },
    guid: { written: 3, trips: 1 },
    refresh: REFRESHED,
    'refresh by JSON': REFRESHED,
    verify: { written: 0, trips: 0 },
    revoke: { written: 2, trips: 1 },
    cron: { written: 0, trips: expect.any(Number) as number },
  })
})

test('with one: a sign-in and an end write one row more, and a refresh none', async () => {
  // The row of the event, its entries in two indexes, and the counter of ids, in the transaction of the sign-in. After the answer a sender takes
  // that row, with its entry among those that wait, and marks it as sent: two round trips.
  const event = { written: 4 + 2 + 1, trips: 2 }
  expect(await costsWith(followed)).toEqual({
    password: { written: 3 + event.written, trips: 2 + event.trips },
    guid: { written: 3 + event.written, trips: 1 + event.trips },
    refresh: REFRESHED,
    'refresh by JSON': REFRESHED,
    verify: { written: 0, trips: 0 },
    revoke: { written: 2 + event.written, trips: 1 + event.trips },
    cron: { written: 0, trips: expect.any(Number) as number },
  })
})

test('a sign-in writes one row of events, in the transaction that opens the session', async () => {
  const { guid } = await createAccount(env.DB)
  counting.reset()
  await openByGuid(guid, {}, followed)
  const inserts = counting.statements().filter(({ sql, changes }) => sql.startsWith('insert') && changes > 0)
  expect(inserts.map(({ sql, rowsWritten }) => [/^insert into "(\w+)"/.exec(sql)?.[1], rowsWritten])).toEqual([
    ['sessions', 3],
    ['events', 4],
  ])
})

test('every query about events uses an index, and one that knows its account reads the rows of that alone', async () => {
  const [one, other] = [await createAccount(env.DB), await createAccount(env.DB)]
  // Events of two accounts that wait: thousands of the one, while the queue was away.
  const insert = env.DB.prepare(
    "INSERT INTO events (user_id, type, at, facts, due_at) VALUES (?, 'activated', unixepoch(), '{}', 0)",
  )
  for (let i = 0; i < 20; i += 1) await env.DB.batch(Array.from({ length: 100 }, () => insert.bind(one.id)))
  counting.reset()
  await openByGuid(other.guid, {}, followed)
  expect(counting.statements().reduce((sum, { rowsRead }) => sum + rowsRead, 0)).toBeLessThan(100)

  // Of those thousands, one batch reads no more than it takes.
  await followed.scheduled()
  const takes = counting.statements().filter(({ sql, changes }) => sql.startsWith('update "events"') && changes === 100)
  expect(takes.length).toBeGreaterThanOrEqual(40)
  for (const { rowsRead } of takes) expect(rowsRead).toBeLessThan(1200)

  // The purge, which runs beside it, reads a bounded piece of a table.
  const queries = counting.statements().filter(({ sql }) => sql.includes('"events"') && !sql.startsWith('delete'))
  for (const sql of new Set(queries.map((statement) => statement.sql))) {
    const plan = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...Array<null>(sql.split('?').length - 1).fill(null))
      .all<{ detail: string }>()
    const scans = plan.results.filter(({ detail }) => /^SCAN (?!CONSTANT|\(subquery|json_each VIRTUAL)/.test(detail))
    expect(scans, sql).toEqual([])
  }
})
