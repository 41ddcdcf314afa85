/** The ledger as operators read it: by account, by actor, by what was done and when, in pages that stay as they are while acts are added. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createAccount, emptyTables, GUID, type TestAccount } from '../../support/accounts.ts'
import { answer, malformed, okJson } from '../../support/answers.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { SERVICE } from '../../support/requests.ts'
import { startWorker, type TestWorker, worker } from '../../support/worker.ts'

const MINUTE = 60

stopClock()
beforeEach(() => emptyTables(env.DB))

interface Page {
  readonly entries: readonly Readonly<Record<string, unknown>>[]
  readonly next: string | null
}

function get(query: string, by: TestWorker = worker) {
  return by.call(`/admin/audit${query}`, { headers: SERVICE })
}

async function list(query: string, by?: TestWorker): Promise<Page> {
  const response = await get(query, by)
  expect(response.status).toBe(200)
  return response.json()
}

/** The pages of a list, from its beginning to its end. */
async function pages(query: string, between: () => Promise<unknown> = async () => {}): Promise<readonly Page[]> {
  const found: Page[] = []
  let cursor = ''
  for (;;) {
    const page = await list(`?${query}${cursor}`)
    found.push(page)
    if (page.next === null) return found
    if (found.length > 100) throw new Error('the pages have no end')
    cursor = `&cursor=${page.next}`
    await between()
  }
}

async function ids(query: string, between?: () => Promise<unknown>): Promise<readonly unknown[]> {
  return (await pages(query, between)).flatMap(({ entries }) => entries.map(({ id }) => id))
}

interface Acts {
  readonly actor?: string
  readonly action?: string
  readonly account?: TestAccount | null
  /** The first of them is one second after that. */
  readonly since?: number
}

/** Acts, one a second. */
async function insertActs(
  count: number,
  { actor = 'panel', action = 'user_changed', account = null, since = T0 }: Acts = {},
) {
  await env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
     INSERT INTO audit (at, actor, action, user_id, facts, ip, asn, country, city, user_agent)
     SELECT ? + i, ?, ?, ?, json_object('i', i), '203.0.113.7', 64500, 'DE', 'Bonn', 'curl/8.5.0' FROM n`,
  )
    .bind(count, since, actor, action, account?.id ?? null)
    .run()
}

/** The ids of all rows that a condition finds, the newest first. */
async function stored(where = 'true'): Promise<readonly unknown[]> {
  const { results } = await env.DB.prepare(`SELECT id FROM audit WHERE ${where} ORDER BY id DESC`).all()
  return results.map(({ id }) => id)
}

describe('the ledger', () => {
  test('says who did what to whom, when and from where', async () => {
    const account = await createAccount(env.DB, { guid: GUID })
    await insertActs(1, { account })
    await insertActs(1, { action: 'mails_requeued', since: T0 + 1 })
    const [second, first] = await stored()
    const from = { ip: '203.0.113.7', asn: 64_500, country: 'DE', city: 'Bonn', user_agent: 'curl/8.5.0' }
    const entries = [
      { id: second, at: T0 + 2, actor: 'panel', action: 'mails_requeued', facts: { i: 1 }, guid: null },
      { id: first, at: T0 + 1, actor: 'panel', action: 'user_changed', facts: { i: 1 }, guid: GUID },
    ].map((entry) => ({ ...entry, ...from }))
    const { body, ...head } = await answer(await get(''))
    const { body: _body, ...ok } = okJson({})
    expect([head, JSON.parse(body)]).toEqual([ok, { entries, next: null }])
  })

  test('is found by account, actor, action and time, and by any of these together', async () => {
    const [one, other] = [await createAccount(env.DB), await createAccount(env.DB)]
    for (const account of [one, other, null]) {
      for (const actor of ['panel', 'cli']) {
        for (const action of ['user_changed', 'sessions_ended']) await insertActs(3, { actor, action, account })
      }
    }
    const filters = {
      guid: [other.guid, `user_id = ${other.id}`],
      actor: ['cli', "actor = 'cli'"],
      action: ['sessions_ended', "action = 'sessions_ended'"],
      since: [T0 + 2, `at >= ${T0 + 2}`],
      until: [T0 + 2, `at <= ${T0 + 2}`],
    } as const
    const names = Object.keys(filters) as (keyof typeof filters)[]
    for (let chosen = 0; chosen < 2 ** names.length; chosen += 1) {
      const used = names.filter((_, i) => (chosen >> i) % 2 === 1)
      const query = used.map((name) => `${name}=${filters[name][0]}`).join('&')
      const expected = await stored(['true', ...used.map((name) => filters[name][1])].join(' and '))
      expect(expected.length, query).toBeGreaterThan(0)
      expect(await ids(`limit=100&${query}`), query).toEqual(expected)
      expect(await ids(`limit=2&${query}`), query).toEqual(expected)
    }
  })

  test('finds a time also where the clocks of two places were minutes apart', async () => {
    for (const since of [T0, T0 + 5 * MINUTE, T0 + MINUTE, T0 + 4 * MINUTE]) await insertActs(2, { since })
    for (const second of [1, 61, 62, 241, 301, 302]) {
      const at = T0 + second
      expect(await ids(`since=${at}&until=${at}`)).toEqual(await stored(`at = ${at}`))
    }
  })

  test('shows no act twice and leaves none out while acts are added', async () => {
    const account = await createAccount(env.DB)
    await insertActs(10, { account })
    const before = await stored()
    for (const query of [
      '',
      `guid=${account.guid}`,
      'actor=panel',
      'action=user_changed',
      `since=${T0 + 1}`,
      `until=${T0 + 99}`,
    ]) {
      expect(await ids(`limit=3&${query}`, () => insertActs(4, { account })), query).toEqual(
        (await stored()).filter((id) => before.includes(id)),
      )
      await env.DB.prepare(`DELETE FROM audit WHERE id > ${String(before[0])}`).run()
    }
  })

  test('says that there is no next page where there is none', async () => {
    await insertActs(6)
    expect((await pages('limit=3')).map(({ entries }) => entries.length)).toEqual([3, 3])
    expect((await pages('limit=6')).map(({ entries }) => entries.length)).toEqual([6])
    expect(await list('?actor=nobody')).toEqual({ entries: [], next: null })
    expect(await list(`?guid=${crypto.randomUUID()}`)).toEqual({ entries: [], next: null })
  })

  test('keeps the acts about an account whose owner left', async () => {
    const account = await createAccount(env.DB)
    await insertActs(1, { account })
    await env.DB.prepare('UPDATE users SET primary_email = NULL, left_at = 1 WHERE id = ?').bind(account.id).run()
    expect((await list(`?guid=${account.guid}`)).entries).toMatchObject([{ guid: account.guid, facts: { i: 1 } }])
  })

  test.each([
    ['?guid=x', { guid: ['Invalid GUID'] }],
    ['?action=nothing', { action: ['must be an action of the ledger'] }],
    ['?since=yesterday', { since: ['must be a whole number'] }],
    ['?until=-1', { until: ['must be a whole number'] }],
    ['?acter=panel', { acter: ['is not known'] }],
    ['?cursor=1.5', { cursor: ['must be a whole number'] }],
    ['?limit=1000', { limit: ['Too big: expected number to be <=100'] }],
    [`?actor=${'a'.repeat(257)}`, { actor: ['Too big: expected string to have <=256 characters'] }],
  ])('says which parameter is wrong: %s', async (query, errors) => {
    expect(await answer(await get(query))).toEqual(malformed(errors))
  })
})

describe('a long ledger', () => {
  const counting = countRoundTrips(env.DB)
  const counted = startWorker({ DB: counting.database })

  /** Reads a page, and what that took. */
  async function cost(query: string) {
    counting.reset()
    const { entries, next } = await list(query, counted)
    const read = counting.statements().reduce((sum, { rowsRead }) => sum + rowsRead, 0)
    return { trips: counting.roundTrips(), read, found: entries.length, next }
  }

  test('costs one round trip and at most 10,000 rows a page, whatever is asked for', async () => {
    const account = await createAccount(env.DB)
    await insertActs(20, { account })
    await insertActs(1, { action: 'user_deleted', actor: 'cli' })
    await insertActs(30_000, { actor: 'import', action: 'user_imported' })
    await insertActs(20, { account, since: T0 + 40_000 })

    for (const query of [
      '?action=user_deleted',
      '?actor=import&action=user_changed',
      `?since=${T0}&until=${T0 + 10_000}&action=user_changed`,
      `?until=${T0 + 15_000}&actor=panel`,
      '?limit=100',
    ]) {
      const { trips, read } = await cost(query)
      expect([trips, read <= 10_100], `${query}: ${read}`).toEqual([1, true])
    }
    // By an index, those that few rows are of.
    expect(await cost(`?guid=${account.guid}&limit=30`)).toMatchObject({ found: 30, trips: 1 })
    expect((await cost(`?guid=${account.guid}`)).read).toBeLessThan(300)
    expect(await cost('?actor=cli')).toMatchObject({ found: 1, next: null })
    expect((await cost('?actor=cli')).read).toBeLessThan(10)
    // What is far from both ends of the ledger is found by its time.
    expect(await cost(`?since=${T0 + 9000}&until=${T0 + 9003}`)).toMatchObject({ found: 4, next: null })
    expect((await cost(`?since=${T0 + 9000}&until=${T0 + 9003}`)).read).toBeLessThan(1500)
  })

  test('is found whole, also by what few acts are', async () => {
    await insertActs(1, { action: 'user_deleted' })
    await insertActs(4999, { action: 'user_imported' })
    await insertActs(1, { action: 'user_deleted' })
    await insertActs(12_000, { action: 'user_imported' })
    expect(await ids('action=user_deleted')).toEqual(await stored("action = 'user_deleted'"))
    expect(await ids('actor=panel&action=user_deleted')).toEqual(await stored("action = 'user_deleted'"))
  })

  test('leaves nothing out between a page that looked at as many rows as it may and the next one', async () => {
    await insertActs(5000, { action: 'user_imported' })
    await insertActs(1, { action: 'user_deleted' })
    await insertActs(5000, { action: 'user_imported' })
    expect(await ids('action=user_deleted')).toEqual(await stored("action = 'user_deleted'"))
  })
})
