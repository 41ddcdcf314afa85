/**
 * The cron's purge: what is over leaves, some time after it was, in statements that stay far below what D1 allows one;
 * what is alive stays, and neither the purge nor the sweep of the outbox suffers from the other's trouble.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createAccount } from '../../support/accounts.ts'
import { at, T0 } from '../../support/clock.ts'
import { openMailbox, readOutbox, refuseWrites } from '../../support/mailbox.ts'
import { ELSEWHERE, ORIGIN, pairOf, startWorker, type TestWorker } from '../../support/worker.ts'

const DAY_SECONDS = 86_400
const CHUNK_ROWS = 1000
const MAX_CHUNKS = 20
const TABLES = ['sessions', 'allowed_places', 'notifications', 'users'] as const
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

interface Executed {
  readonly sql: string
  readonly values: readonly unknown[]
  readonly changes: number
}

/** A D1 binding that keeps what each statement was and how many rows it changed. */
function observeStatements(d1: D1Database) {
  const executed: Executed[] = []
  const wrap = (statement: D1PreparedStatement, sql: string, values: readonly unknown[]): D1PreparedStatement =>
    new Proxy(statement, {
      get(target, name) {
        if (name === 'bind') return (...bound: unknown[]) => wrap(target.bind(...bound), sql, bound)
        if (name !== 'run') return Reflect.get(target, name)
        return async () => {
          const result = await target.run()
          executed.push({ sql, values, changes: result.meta.changes })
          return result
        }
      },
    })
  const database = new Proxy(d1, {
    get(target, name) {
      if (name === 'prepare') return (sql: string) => wrap(target.prepare(sql), sql, [])
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  return {
    database,
    deletions: () => executed.filter(({ sql }) => /^delete/i.test(sql)),
    reset: () => executed.splice(0),
  }
}

/** Rows that only an index can tell apart, all over or created at one time. */
const INSERTIONS = {
  sessions:
    'INSERT INTO sessions (sid, user_id, jti, issued_at, expires_at, created_at, ip) ' +
    "SELECT ?1 || i, i % 5000, 'j' || ?1 || i, ?3 - 1, ?3, ?3 - 1, '192.0.2.1' FROM n",
  allowed_places: 'INSERT INTO allowed_places (user_id, place, created_at, expires_at) SELECT i, ?1, ?3 - 1, ?3 FROM n',
  notifications:
    'INSERT INTO notifications (id, kind, user_id, recipient, facts, dedupe_key, created_at, due_at, sent_at) ' +
    "SELECT ?1 || i, 'token_reused', i, 'a@example.com', '{}', ?1 || i, ?3, ?3 + 300, ?3 + 1 FROM n",
} as const satisfies Partial<Record<Table, string>>

/** Inserts rows whose deciding time is `time`. Their keys start with `prefix`. */
async function insert(table: keyof typeof INSERTIONS, rows: number, time: number, prefix = 'x'): Promise<void> {
  const numbers = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)'
  const [head, select] = INSERTIONS[table].split(/ (?=SELECT)/, 2)
  await env.DB.prepare(`${head} ${numbers} ${select}`).bind(prefix, rows, time).run()
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

describe('200,000 sessions that are over', () => {
  test('leave over runs, none of which does more than 20 statements of 1,000 rows', { timeout: 60_000 }, async () => {
    const { database, deletions, reset } = observeStatements(env.DB)
    const worker = startWorker({ DB: database })
    const { guid } = await createAccount(env.DB)
    const { cookies } = await openSession(worker, guid)
    for (const chunk of [0, 1, 2, 3]) await insert('sessions', 50_000, T0 - DAY_SECONDS - chunk, `x${chunk}-`)
    await insert('sessions', 500, T0 - DAY_SECONDS + 1, 'recent')
    const runs: number[] = []

    for (let left = Infinity; left > 0; runs.push(left)) {
      reset()
      await worker.scheduled()
      left = deletions().reduce((sum, { changes }) => sum + changes, 0)
      expect(deletions().length).toBeLessThanOrEqual(MAX_CHUNKS)
      for (const { changes, values } of deletions()) {
        expect(changes).toBeLessThanOrEqual(CHUNK_ROWS)
        expect(values.length).toBeLessThanOrEqual(2)
      }
    }

    expect(runs).toEqual([...Array.from({ length: 10 }, () => MAX_CHUNKS * CHUNK_ROWS), 0])
    expect(await count('sessions')).toBe(501)
    expect((await worker.call('/refresh', { cookies })).status).toBe(200)
  })
})

describe('one run', () => {
  test('logs how many rows went, and nothing where none did', async () => {
    const worker = startWorker()
    await insert('sessions', 3, T0 - DAY_SECONDS)
    await insert('allowed_places', 4, T0)
    await insert('notifications', 5, T0 - 30 * DAY_SECONDS)
    await worker.scheduled()
    await worker.scheduled()

    expect(logged.mock.calls).toEqual([[{ event: 'purged', rows: 12 }]])
  })

  test('goes on where a chunk was full, and stops where one was not', async () => {
    const { database, deletions } = observeStatements(env.DB)
    await insert('sessions', 2500, T0 - DAY_SECONDS)
    await insert('allowed_places', 1000, T0)
    await startWorker({ DB: database }).scheduled()

    expect(deletions().map(({ sql, changes }) => [/from "(\w+)"/.exec(sql)?.[1], changes])).toEqual([
      ['sessions', 1000],
      ['sessions', 1000],
      ['sessions', 500],
      ['allowed_places', 1000],
      ['allowed_places', 0],
      ['notifications', 0],
    ])
  })

  test('has its limit for all tables together; what is left is for the next one', async () => {
    const { database, deletions, reset } = observeStatements(env.DB)
    const worker = startWorker({ DB: database })
    await insert('sessions', 15_000, T0 - DAY_SECONDS)
    await insert('notifications', 15_000, T0 - 30 * DAY_SECONDS)
    await worker.scheduled()

    expect(deletions()).toHaveLength(MAX_CHUNKS)
    expect([await count('sessions'), (await count('notifications')) > 0]).toEqual([0, true])
    reset()
    await worker.scheduled()
    expect(await count('notifications')).toBe(0)
    expect(deletions().length).toBeLessThanOrEqual(MAX_CHUNKS)
  })

  test('reads no row that it does not delete: every statement goes by an index', async () => {
    const { database, deletions } = observeStatements(env.DB)
    await startWorker({ DB: database }).scheduled()
    const plans = await Promise.all(
      deletions().map(async ({ sql, values }) => {
        const plan = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
          .bind(...values)
          .all<{ detail: string }>()
        return plan.results.map(({ detail }) => detail)
      }),
    )

    expect(plans).toEqual([
      [
        'SEARCH sessions USING COVERING INDEX sqlite_autoindex_sessions_1 (sid=?)',
        'LIST SUBQUERY 1',
        'SEARCH sessions USING INDEX sessions_expires_at (expires_at<?)',
      ],
      [
        'SEARCH allowed_places USING INTEGER PRIMARY KEY (rowid=?)',
        'LIST SUBQUERY 1',
        'SEARCH allowed_places USING COVERING INDEX allowed_places_expires_at (expires_at<?)',
      ],
      [
        'SEARCH notifications USING COVERING INDEX sqlite_autoindex_notifications_1 (id=?)',
        'LIST SUBQUERY 1',
        'SEARCH notifications USING INDEX notifications_created_at (created_at<?)',
      ],
    ])
  })
})

describe('what leaves, and when', () => {
  const worker = startWorker()

  async function purgeAt(seconds: number): Promise<void> {
    at(seconds)
    await worker.scheduled()
  }

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

  test('an allowed place when it expires', async () => {
    await insert('allowed_places', 1, T0 + 60, 'first')
    await insert('allowed_places', 1, T0 + 61, 'second')

    await purgeAt(59)
    expect(await count('allowed_places')).toBe(2)
    await purgeAt(60)
    expect((await env.DB.prepare('SELECT place FROM allowed_places').all()).results).toEqual([{ place: 'second' }])
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
    await insert('sessions', 10, T0 - DAY_SECONDS)
    const allow = await refuseWrites('DELETE ON sessions')
    await expect(mailbox.scheduled()).rejects.toThrow('Service unavailable')
    await allow()

    expect(await mailbox.settled({ id: 'm1' }, 1)).toEqual(['ack'])
    expect(await count('sessions')).toBe(10)
    await mailbox.scheduled()
    expect(await count('sessions')).toBe(0)
  })

  test('of the sweep, the database refusing, does not keep the purge from its rows', async () => {
    const worker = startWorker()
    await insertOverdueMail('m')
    await insert('sessions', 5000, T0 - DAY_SECONDS)
    const allow = await refuseWrites('UPDATE ON notifications')
    await expect(worker.scheduled()).rejects.toThrow('Service unavailable')
    // Looked at as soon as the run is over: what it left running would be gone with it.
    const left = await count('sessions')
    await allow()

    expect(left).toBe(0)
    expect(logged.mock.calls).toContainEqual([{ event: 'purged', rows: 5000 }])
  })

  test('of the sweep, the queue being down, does not keep the purge from its rows', async () => {
    const worker = startWorker({ MAIL_QUEUE: { sendBatch: () => Promise.reject(new Error('queue down')) } })
    await insertOverdueMail('m')
    await insert('sessions', 5000, T0 - DAY_SECONDS)

    await expect(worker.scheduled()).rejects.toThrow('queue down')
    expect(await count('sessions')).toBe(0)
  })

  test('in one table leaves what went before it gone', async () => {
    const worker = startWorker()
    await insert('sessions', 10, T0 - DAY_SECONDS)
    await insert('notifications', 10, T0 - 30 * DAY_SECONDS)
    const allow = await refuseWrites('DELETE ON notifications')
    await expect(worker.scheduled()).rejects.toThrow('Service unavailable')
    await allow()

    expect([await count('sessions'), await count('notifications')]).toEqual([0, 10])
  })
})
