/**
 * The cron's purge: what is over leaves, some time after it was, in statements that stay far below what D1 allows one;
 * what is alive stays, and neither the purge nor the sweep of the outbox suffers from the other's trouble.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createPurge } from '../../../src/db/purge.ts'
import { confirm, linkTo, mailsTo, register } from '../../support/account-life.ts'
import { createAccount } from '../../support/accounts.ts'
import { countRoundTrips, type CountingDatabase, type ObservedStatement } from '../../support/counting-database.ts'
import { at, T0, DAY_SECONDS } from '../../support/clock.ts'
import { IN_ORDER, purgeAll, PURGED } from '../../support/purge.ts'
import { openMailbox, readOutbox, refuseWrites } from '../../support/mailbox.ts'
import { ELSEWHERE, ORIGIN, pairOf, startWorker, type TestWorker } from '../../support/worker.ts'

const CHUNK_ROWS = 1000
const MAX_CHUNKS = 24
const TABLES = [...PURGED, 'users'] as const
type Table = (typeof TABLES)[number]

let logged = vi.spyOn(console, 'warn')

beforeEach(async () => {
  await env.DB.batch(TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
  vi.useFakeTimers({ toFake: ['Date'] })
  at(0)
  logged = vi.spyOn(console, 'warn').mockImplementation(() => {})
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** Rows that are all over, or created, at one time. */
const INSERTIONS = {
  sessions:
    'INSERT INTO sessions (rowid, sid, user_id, jti, issued_at, expires_at, created_at, ip) ' +
    "SELECT ?4 + i, ?1 || i, i % 5000, 'j' || ?1 || i, ?3 - 1, ?3, ?3 - 1, '192.0.2.1' FROM n",
  allowed_places:
    'INSERT INTO allowed_places (id, user_id, place, created_at, expires_at) SELECT ?4 + i, i, ?1, ?3 - 1, ?3 FROM n',
  notifications:
    'INSERT INTO notifications (rowid, id, kind, user_id, recipient, facts, dedupe_key, created_at, due_at, sent_at) ' +
    "SELECT ?4 + i, ?1 || i, 'token_reused', i, 'a@example.com', '{}', ?1 || i, ?3, ?3 + 300, ?3 + 1 FROM n",
  used_links: 'INSERT INTO used_links (rowid, notice_id, purpose, used_at) SELECT ?4 + i, ?1 || i, i, ?3 FROM n',
  registrations:
    'INSERT INTO registrations (rowid, id, email, password_hash, created_at) ' +
    "SELECT ?4 + i, ?1 || i, ?1 || '@example.com', '', ?3 FROM n",
  address_changes:
    'INSERT INTO address_changes (rowid, notice_id, user_id, former_email, changed_at) ' +
    "SELECT ?4 + i, ?1 || i, i, 'a@example.com', ?3 FROM n",
  seen_places: 'INSERT INTO seen_places (rowid, user_id, place, seen_at) SELECT ?4 + i, i, ?1, ?3 FROM n',
  attempts:
    'INSERT INTO attempts (rowid, subject, topic, count, since, at, waits_until) ' +
    "SELECT ?4 + i, ?1 || i, 'sign_in', 1, ?3 - 9, ?3, 0 FROM n",
  audit:
    'INSERT INTO audit (id, at, actor, action, facts, ip) ' +
    "SELECT ?4 + i, ?3, ?1, 'user_created', '{}', '192.0.2.1' FROM n",
  past_sessions:
    'INSERT INTO past_sessions (id, sid, user_id, opened_at, last_used_at, expired_at, kept_at) ' +
    'SELECT ?4 + i, ?1 || i, i, ?3 - 9, ?3 - 9, ?3 - 1, ?3 FROM n',
  events:
    "INSERT INTO events (id, user_id, type, at, facts) SELECT ?4 + i, i, 'sessions_ended', ?3, '{}' FROM n WHERE ?1 = ?1",
} as const satisfies Record<(typeof PURGED)[number], string>

/**
 * Inserts rows whose deciding time is `time`. Their keys start with `prefix`, and their rowids are those behind `after`, or
 * else behind all that there are.
 */
async function insert(
  table: keyof typeof INSERTIONS,
  rows: number,
  time: number,
  prefix = 'x',
  after: number | null = null,
): Promise<void> {
  const numbers = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)'
  const [head, select] = INSERTIONS[table].split(/ (?=SELECT)/, 2)
  await env.DB.prepare(`${head} ${numbers} ${select}`).bind(prefix, rows, time, after).run()
}

/** So far behind the first row that the newest slice of a table has room for 27,000 rows that stand there. */
const FAR = 8_000_000

/** Rows that are over, all in one slice: the first row of their table, which is not over, stands far before them. */
async function insertIntoOneSlice(table: keyof typeof INSERTIONS, rows: number, time: number): Promise<void> {
  await insert(table, 1, T0 + 1, 'first', 0)
  await insert(table, rows, time, 'x', FAR)
}

/** When the first run of a day is due: that of the newest slice. */
const FIRST_RUN = T0 - (T0 % DAY_SECONDS)
const RUNS = Array.from({ length: DAY_SECONDS / 300 }, (_, i) => FIRST_RUN + 300 * i)

/** Every run of a day, one after the other. The clock stays where it is. */
async function runDay(d1: D1Database, before: (run: number) => Promise<void> = async () => {}): Promise<void> {
  const purge = createPurge(d1, () => {})
  for (const [i, scheduledAt] of RUNS.entries()) {
    await before(i)
    await purge(T0, scheduledAt)
  }
}

function deletions({ statements }: CountingDatabase): readonly ObservedStatement[] {
  return statements().filter(({ sql }) => /^delete/i.test(sql))
}

async function count(table: Table): Promise<number> {
  return Number(await env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first('n'))
}

async function isStored(sid: unknown): Promise<boolean> {
  return (await env.DB.prepare('SELECT 1 FROM sessions WHERE sid = ?').bind(sid).first()) !== null
}

async function openSession(worker: TestWorker, guid: string) {
  const cookies = pairOf(await worker.call(`/${guid}`))
  const row = await env.DB.prepare('SELECT sid FROM sessions ORDER BY rowid DESC LIMIT 1').first<{ sid: string }>()
  return { cookies, sid: row?.sid }
}

function isInOrder(table: Table): boolean {
  return IN_ORDER.some((one) => one === table)
}

/** How the purge of a table finds its rows, and those of accounts whose owners left. */
function planOf(table: Table): readonly string[] {
  if (isInOrder(table)) {
    return [
      `SEARCH ${table} USING INTEGER PRIMARY KEY (rowid=?)`,
      'LIST SUBQUERY 2',
      `CO-ROUTINE ${table}`,
      `SCAN ${table}`,
      `SCAN ${table}`,
    ]
  }
  const asksForUsers = table === 'sessions' || table === 'notifications' || table === 'events'
  const asked = [
    ...(table === 'events'
      ? [
          'SEARCH told USING INDEX past_sessions_user_id (user_id=?)',
          'SEARCH told USING INDEX sessions_user_id_created_at (user_id=? AND created_at<?)',
          'SEARCH told USING INDEX sessions_ended_user_id (user_id=?)',
        ]
      : []),
    ...(asksForUsers ? ['SEARCH users USING INTEGER PRIMARY KEY (rowid=?)'] : []),
    ...(table === 'notifications'
      ? ['SEARCH registrations USING COVERING INDEX sqlite_autoindex_registrations_1 (id=?)']
      : []),
  ]
  return [
    `SEARCH ${table} USING INTEGER PRIMARY KEY (rowid=?)`,
    `LIST SUBQUERY ${5 + asked.length}`,
    `SEARCH ${table} USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)`,
    ...[1, 2, 3, 4].flatMap((i) => [`SCALAR SUBQUERY ${i}`, `SEARCH ${table}`]),
    ...asked.flatMap((search, i) => [`CORRELATED SCALAR SUBQUERY ${5 + i}`, search]),
  ]
}

function expectBounded(counting: CountingDatabase): void {
  expect(deletions(counting).length).toBeLessThanOrEqual(MAX_CHUNKS)
  for (const { changes, values } of deletions(counting)) {
    expect(changes).toBeLessThanOrEqual(CHUNK_ROWS)
    expect(values.length).toBeLessThanOrEqual(16)
  }
}

describe('a day of runs', () => {
  test(
    'deletes all that was over before it, in at most 24 statements of 1,000 rows a run',
    { timeout: 120_000 },
    async () => {
      const counting = countRoundTrips(env.DB)
      const worker = startWorker({ DB: counting.database })
      const { guid } = await createAccount(env.DB)
      const { cookies } = await openSession(worker, guid)
      for (const chunk of [0, 1, 2, 3]) await insert('sessions', 50_000, T0 - DAY_SECONDS - chunk, `x${chunk}-`)
      await insert('sessions', 500, T0 - DAY_SECONDS + 1, 'recent')
      await runDay(counting.database, async () => {
        expectBounded(counting)
        counting.reset()
      })

      expect(await count('sessions')).toBe(501)
      expect((await worker.call('/refresh', { cookies })).status).toBe(200)
    },
  )

  test('leaves what a run may not delete any more to the next day, which finds it', { timeout: 120_000 }, async () => {
    const counting = countRoundTrips(env.DB)
    // Live ones at both ends, and between them more than two slices hold.
    await insertIntoOneSlice('sessions', 40_000, T0 - DAY_SECONDS)
    await insert('sessions', 1, T0 + 1, 'last')
    const left: number[] = []
    for (let day = 0; day < 2; day += 1) {
      await runDay(counting.database, async () => {
        expectBounded(counting)
        counting.reset()
      })
      left.push(await count('sessions'))
    }

    // 27,915 of them are in one slice, whose run has ten statements for other tables and 14 for these.
    expect(left).toEqual([2 + 27_915 - 14_000, 2])
  })

  test('misses no row while a table grows at one end and is purged at the other', { timeout: 120_000 }, async () => {
    await insert('sessions', 20_000, T0 - DAY_SECONDS)
    await runDay(env.DB, (run) => insert('sessions', 100, T0 + 1, `new${run}-`))

    expect(await count('sessions')).toBe(28_800)
  })

  test.each([1, 2, 3, 4, 5, 9])('finds each of %i rows, also where a day has four runs', async (rows) => {
    const purge = createPurge(env.DB, () => {}, { slices: 4 })
    await insert('sessions', rows, T0 - DAY_SECONDS)
    await insert('allowed_places', rows, T0)
    await insert('notifications', rows, T0 - 30 * DAY_SECONDS)
    await insert('used_links', rows, T0 - 30 * DAY_SECONDS)
    await insert('registrations', rows, T0 - 2 * DAY_SECONDS)
    await insert('address_changes', rows, T0 - 7 * DAY_SECONDS)
    await insert('seen_places', rows, T0 - 90 * DAY_SECONDS)
    await insert('attempts', rows, T0 - 2 * DAY_SECONDS)
    await insert('audit', rows, T0 - 400 * DAY_SECONDS)
    await insert('past_sessions', rows, T0 - 90 * DAY_SECONDS)
    await insert('events', rows, T0 - 90 * DAY_SECONDS)
    // Two days: when the newest row of all leaves, the slices of the others move to older rows.
    for (let run = 0; run < 8; run += 1) await purge(T0, 300 * run)

    expect(await Promise.all(TABLES.map(count))).toEqual(TABLES.map(() => 0))
  })

  test('with a run that failed leaves its slice to the next day', async () => {
    const purge = createPurge(env.DB, () => {}, { slices: 2 })
    await insert('sessions', 1, T0 + 1, 'first')
    await insert('sessions', 8, T0 - DAY_SECONDS)
    await insert('sessions', 1, T0 + 1, 'last')
    const allow = await refuseWrites('DELETE ON sessions')
    await expect(purge(T0, 0)).rejects.toThrow('Service unavailable')
    await allow()
    await purge(T0, 300)
    expect(await count('sessions')).toBe(6)
    await purge(T0, 600)
    expect(await count('sessions')).toBe(2)
  })
})

describe('one run', () => {
  test('logs how many rows went, and nothing where none did', async () => {
    const worker = startWorker()
    await insertIntoOneSlice('sessions', 3, T0 - DAY_SECONDS)
    await insertIntoOneSlice('allowed_places', 4, T0)
    await insertIntoOneSlice('notifications', 5, T0 - 30 * DAY_SECONDS)
    await worker.scheduled(FIRST_RUN)
    await worker.scheduled(FIRST_RUN)

    expect(logged.mock.calls).toEqual([[{ event: 'purged', rows: 12 }]])
  })

  test('goes by the time at which it was due, however late it is', async () => {
    const worker = startWorker()
    await insertIntoOneSlice('sessions', 3, T0 - DAY_SECONDS)
    const late = FIRST_RUN + 299
    await worker.scheduled(late + 1)
    expect(await count('sessions')).toBe(4)
    await worker.scheduled(late)
    expect(await count('sessions')).toBe(1)
  })

  test('goes on where a chunk was full, stops where one was not, and serves the tables in turn', async () => {
    const counting = countRoundTrips(env.DB)
    await insertIntoOneSlice('sessions', 2500, T0 - DAY_SECONDS)
    await insertIntoOneSlice('allowed_places', 1000, T0)
    await startWorker({ DB: counting.database }).scheduled(FIRST_RUN)

    expect(deletions(counting).map(({ sql, changes }) => [/from "(\w+)"/.exec(sql)?.[1], changes])).toEqual([
      ['sessions', 1000],
      ['allowed_places', 1000],
      ['notifications', 0],
      ['used_links', 0],
      ['registrations', 0],
      ['address_changes', 0],
      ['seen_places', 0],
      ['attempts', 0],
      ['audit', 0],
      ['past_sessions', 0],
      ['events', 0],
      ['sessions', 1000],
      ['allowed_places', 0],
      ['sessions', 500],
    ])
  })

  test('has its limit for all tables together, and none of them waits for the end of another', async () => {
    const counting = countRoundTrips(env.DB)
    const worker = startWorker({ DB: counting.database })
    await insertIntoOneSlice('sessions', 14_000, T0 - DAY_SECONDS)
    await insertIntoOneSlice('notifications', 14_000, T0 - 30 * DAY_SECONDS)
    await worker.scheduled(FIRST_RUN)

    expect(deletions(counting)).toHaveLength(MAX_CHUNKS)
    // Nine statements were for tables that have no rows.
    expect([await count('sessions'), await count('notifications')]).toEqual([6001, 7001])
    await worker.scheduled(FIRST_RUN)
    expect([await count('sessions'), await count('notifications')]).toEqual([1, 1])
  })

  test('reads its slice, and of the rest of a table its two ends', async () => {
    const counting = countRoundTrips(env.DB)
    await insert('sessions', 28_800, T0 + 1)
    await startWorker({ DB: counting.database }).scheduled()

    // A hundred, and six that say where these begin and end.
    expect(deletions(counting)[0]?.rowsRead).toBe(106)
  })

  test('finds every row by its rowid', async () => {
    const counting = countRoundTrips(env.DB)
    await startWorker({ DB: counting.database }).scheduled()
    const plans = await Promise.all(
      deletions(counting).map(async ({ sql, values }) => {
        const plan = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
          .bind(...values)
          .all<{ detail: string }>()
        return plan.results.map(({ detail }) => detail)
      }),
    )

    expect(plans).toEqual(PURGED.map(planOf))
  })
})

async function purgeAt(seconds: number): Promise<void> {
  at(seconds)
  await purgeAll()
}

describe('what leaves, and when', () => {
  const worker = startWorker()

  test('an act of the ledger, 400 days after it', async () => {
    await insert('audit', 1, T0)
    await purgeAt(400 * DAY_SECONDS - 1)
    expect(await count('audit')).toBe(1)
    await purgeAt(400 * DAY_SECONDS)
    expect(await count('audit')).toBe(0)
  })

  test('an expired session, a day after its refresh token', async () => {
    const { guid } = await createAccount(env.DB)
    const { sid } = await openSession(worker, guid)

    await purgeAt(11 * DAY_SECONDS - 1)
    expect(await isStored(sid)).toBe(true)
    await purgeAt(11 * DAY_SECONDS)
    expect(await isStored(sid)).toBe(false)
  })

  test('a session that was refreshed, a day after the last refresh token', async () => {
    const { guid } = await createAccount(env.DB)
    const { sid, cookies } = await openSession(worker, guid)
    at(5 * DAY_SECONDS)
    expect((await worker.call('/refresh', { cookies })).status).toBe(200)

    await purgeAt(16 * DAY_SECONDS - 1)
    expect(await isStored(sid)).toBe(true)
    await purgeAt(16 * DAY_SECONDS)
    expect(await isStored(sid)).toBe(false)
  })

  test.each(['signed out', 'revoked', 'blocked', 'reused', 'ended in the list'])(
    'a session that was %s, a day after',
    async (how) => {
      const { guid, id } = await createAccount(env.DB)
      const { sid, cookies } = await openSession(worker, guid)
      const { cookies: other } = await openSession(worker, guid)
      const token = { access_token: cookies.access_token }
      const end: Readonly<Record<string, () => Promise<unknown>>> = {
        'signed out': () => worker.call('/auth/session', { method: 'DELETE', cookies: token }),
        revoked: () => worker.call('/auth/token/revoke', { method: 'POST', json: { refresh: cookies.refresh_token } }),
        blocked: () => worker.call('/refresh', { cookies, ip: ELSEWHERE }),
        async reused() {
          await worker.call('/refresh', { cookies })
          at(100)
          await worker.call('/refresh', { cookies })
        },
        'ended in the list': () =>
          worker.call(`/auth/sessions/${sid}`, { method: 'DELETE', cookies: { access_token: other.access_token } }),
      }
      at(how === 'reused' ? 50 : 100)
      await end[how]?.()
      const row = await env.DB.prepare('SELECT user_id, revoked_at FROM sessions WHERE sid = ?').bind(sid).first()
      expect(row).toEqual({ user_id: id, revoked_at: T0 + 100 })

      await purgeAt(100 + DAY_SECONDS - 1)
      expect(await isStored(sid)).toBe(true)
      await purgeAt(100 + DAY_SECONDS)
      expect(await isStored(sid)).toBe(false)
      expect((await worker.call('/refresh', { cookies: other })).status).toBe(200)
    },
  )

  test('a session that was refreshed and then revoked, a day after its used tokens, which must not find it gone', async () => {
    const { guid } = await createAccount(env.DB)
    const { sid, cookies } = await openSession(worker, guid)
    at(50)
    const { refresh_token: refresh } = pairOf(await worker.call('/refresh', { cookies }))
    at(100)
    await worker.call('/auth/token/revoke', { method: 'POST', json: { refresh } })

    await purgeAt(50 + 11 * DAY_SECONDS - 1)
    expect(await isStored(sid)).toBe(true)
    await purgeAt(50 + 11 * DAY_SECONDS)
    expect(await isStored(sid)).toBe(false)
  })

  test('a session that ended with all the others, a day after it would have expired', async () => {
    const { guid } = await createAccount(env.DB)
    const { sid } = await openSession(worker, guid)
    const { cookies } = await openSession(worker, guid)
    await worker.call('/auth/sessions', { method: 'DELETE', cookies: { access_token: cookies.access_token } })

    await purgeAt(11 * DAY_SECONDS - 1)
    expect(await isStored(sid)).toBe(true)
    await purgeAt(11 * DAY_SECONDS)
    expect(await isStored(sid)).toBe(false)
  })

  test('a mail, sent or not, thirty days after it became due', async () => {
    await insert('notifications', 2, T0, 'sent')
    await insert('notifications', 1, T0, 'given up')
    await insert('notifications', 1, T0 + 1, 'later')
    await env.DB.prepare("UPDATE notifications SET sent_at = NULL, failed_at = ? WHERE id LIKE 'given up%'")
      .bind(T0)
      .run()

    await purgeAt(30 * DAY_SECONDS - 1)
    expect(await count('notifications')).toBe(4)
    await purgeAt(30 * DAY_SECONDS)
    expect((await readOutbox()).map(({ id }) => id)).toEqual(['later1'])
  })

  test('the use of a link, thirty days after', async () => {
    await insert('used_links', 1, T0, 'first')
    await insert('used_links', 1, T0 + 1, 'second')

    await purgeAt(30 * DAY_SECONDS - 1)
    expect(await count('used_links')).toBe(2)
    await purgeAt(30 * DAY_SECONDS)
    expect((await env.DB.prepare('SELECT notice_id FROM used_links').all()).results).toEqual([{ notice_id: 'second1' }])
  })

  test('an allowed place when it expires', async () => {
    await insert('allowed_places', 1, T0 + 60, 'first')
    await insert('allowed_places', 1, T0 + 61, 'second')

    await purgeAt(59)
    expect(await count('allowed_places')).toBe(2)
    await purgeAt(60)
    expect((await env.DB.prepare('SELECT place FROM allowed_places').all()).results).toEqual([{ place: 'second' }])
  })

  test.each([
    ['registrations', 2],
    ['address_changes', 7],
    ['seen_places', 90],
    ['attempts', 2],
    ['past_sessions', 90],
    ['events', 90],
  ] as const)('a row of %s, %i days after its time', async (table, days) => {
    await insert(table, 1, T0, 'first')
    await insert(table, 1, T0 + 1, 'second')

    await purgeAt(days * DAY_SECONDS - 1)
    expect(await count(table)).toBe(2)
    await purgeAt(days * DAY_SECONDS)
    expect(await count(table)).toBe(1)
    await purgeAt(days * DAY_SECONDS + 1)
    expect(await count(table)).toBe(0)
  })

  test('what was tried, two days after the wait that it made', async () => {
    await insert('attempts', 1, T0)
    await env.DB.prepare('UPDATE attempts SET waits_until = ?')
      .bind(T0 + 500)
      .run()
    await purgeAt(2 * DAY_SECONDS + 499)
    expect(await count('attempts')).toBe(1)
    await purgeAt(2 * DAY_SECONDS + 500)
    expect(await count('attempts')).toBe(0)
  })

  test('the mails that asked to confirm an address, once it has an account or its registration is forgotten', async () => {
    const asked = [crypto.randomUUID(), crypto.randomUUID()].map((name) => `${name}@example.com`)
    const [email = '', stranger = ''] = asked
    const mails = async () => (await Promise.all(asked.map(mailsTo))).map(({ length }) => length)
    await register(email)
    await register(email)
    await register(stranger)
    await env.DB.prepare('UPDATE notifications SET sent_at = ?').bind(T0).run()
    await purgeAll()
    expect(await mails()).toEqual([2, 1])
    await confirm(await linkTo(email, 'confirm_address', 'confirm'))
    await purgeAll()
    expect(await mails()).toEqual([0, 1])

    await purgeAt(2 * DAY_SECONDS - 1)
    expect(await mails()).toEqual([0, 1])
    // A run finds the registration gone that an earlier one deleted.
    await purgeAt(2 * DAY_SECONDS)
    await purgeAll()
    expect(await mails()).toEqual([0, 0])
  })

  test('at once the ended sessions of an account whose owner left, and its mails once they are sent or given up', async () => {
    const [gone, here] = [await createAccount(env.DB), await createAccount(env.DB)]
    const [ended, live] = [await openSession(worker, gone.guid), await openSession(worker, here.guid)]
    await insert('notifications', 4, T0)
    await env.DB.batch([
      env.DB.prepare('UPDATE users SET left_at = ? WHERE id = ?').bind(T0, gone.id),
      env.DB.prepare('UPDATE sessions SET revoked_at = ?').bind(T0),
      env.DB.prepare('UPDATE notifications SET user_id = ?').bind(gone.id),
      env.DB.prepare("UPDATE notifications SET sent_at = NULL, failed_at = ? WHERE id = 'x2'").bind(T0),
      env.DB.prepare("UPDATE notifications SET sent_at = NULL WHERE id = 'x3'"),
      env.DB.prepare("UPDATE notifications SET user_id = ? WHERE id = 'x4'").bind(here.id),
    ])
    await purgeAt(1)

    expect([await isStored(ended.sid), await isStored(live.sid)]).toEqual([false, true])
    expect((await readOutbox()).map(({ id }) => id)).toEqual(['x3', 'x4'])
  })

  test('never an account', async () => {
    const { guid } = await createAccount(env.DB)
    await openSession(worker, guid)
    await purgeAt(1000 * DAY_SECONDS)

    expect([await count('sessions'), await count('users')]).toEqual([0, 1])
  })
})

/** A mail that the queue lost: its row is overdue. */
async function insertOverdueMail(id: string): Promise<void> {
  await insert('notifications', 1, T0, id)
  const client = { address: ELSEWHERE, asn: null, country: null, city: null, provider: null, userAgent: null }
  const facts = JSON.stringify({ at: T0, client, usual: null, origin: ORIGIN })
  await env.DB.prepare('UPDATE notifications SET sent_at = NULL, due_at = created_at, facts = ?').bind(facts).run()
}

describe('trouble', () => {
  test('of the purge does not keep the sweep from its mails, and the run fails', async () => {
    const mailbox = openMailbox()
    await insertOverdueMail('m')
    await insertIntoOneSlice('sessions', 10, T0 - DAY_SECONDS)
    const allow = await refuseWrites('DELETE ON sessions')
    await expect(mailbox.scheduled(FIRST_RUN)).rejects.toThrow('Service unavailable')
    await allow()

    expect(await mailbox.settled({ id: 'm1' }, 1)).toEqual(['ack'])
    expect(await count('sessions')).toBe(11)
    await mailbox.scheduled(FIRST_RUN)
    expect(await count('sessions')).toBe(1)
  })

  test('of the sweep, the database refusing, does not keep the purge from its rows', async () => {
    const worker = startWorker()
    await insertOverdueMail('m')
    await insertIntoOneSlice('sessions', 5000, T0 - DAY_SECONDS)
    const allow = await refuseWrites('UPDATE ON notifications')
    await expect(worker.scheduled(FIRST_RUN)).rejects.toThrow('Service unavailable')
    // Looked at as soon as the run is over: what it left running would be gone with it.
    const left = await count('sessions')
    await allow()

    expect(left).toBe(1)
    expect(logged.mock.calls).toContainEqual([{ event: 'purged', rows: 5000 }])
  })

  test('of the sweep, the queue being down, does not keep the purge from its rows', async () => {
    const worker = startWorker({ MAIL_QUEUE: { sendBatch: () => Promise.reject(new Error('queue down')) } })
    await insertOverdueMail('m')
    await insertIntoOneSlice('sessions', 5000, T0 - DAY_SECONDS)

    await expect(worker.scheduled(FIRST_RUN)).rejects.toThrow('queue down')
    expect(await count('sessions')).toBe(1)
  })

  test('in one table leaves what went before it gone', async () => {
    const worker = startWorker()
    await insertIntoOneSlice('sessions', 10, T0 - DAY_SECONDS)
    await insertIntoOneSlice('notifications', 10, T0 - 30 * DAY_SECONDS)
    const allow = await refuseWrites('DELETE ON notifications')
    await expect(worker.scheduled(FIRST_RUN)).rejects.toThrow('Service unavailable')
    await allow()

    expect([await count('sessions'), await count('notifications')]).toEqual([1, 11])
  })
})
