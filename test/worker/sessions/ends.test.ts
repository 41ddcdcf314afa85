/**
 * Ended means ended, wherever a session is judged; and an account that has very many rows, or very many sessions, is no
 * burden to anybody else.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import readme from '../../../README.md?raw'
import { createSessionStore } from '../../../src/db/sessions/store.ts'
import { createAccount, dumpTables, PASSWORD, type TestAccount } from '../../support/accounts.ts'
import { at, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { decodeToken } from '../../support/forge.ts'
import { type CallOptions, pairOf, startWorker, type TestWorker } from '../../support/worker.ts'

const worker = startWorker()

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
  at(0)
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

interface Opened {
  readonly account: TestAccount
  readonly sid: string
  readonly cookies: ReturnType<typeof pairOf>
}

async function open(account?: TestAccount, by: TestWorker = worker): Promise<Opened> {
  const owner = account ?? (await createAccount(env.DB))
  const cookies = pairOf(await by.call(`/${owner.guid}`))
  return { account: owner, cookies, sid: String(decodeToken(cookies.access_token).payload['sid']) }
}

async function status(path: string, { cookies }: Opened, options: CallOptions = {}, by: TestWorker = worker) {
  const response = await by.call(path, { headers: { Accept: 'application/json' }, cookies, ...options })
  const text = await response.text()
  return response.status < 400 ? response.status : (JSON.parse(text) as { code: string }).code
}

async function isActive(token: string): Promise<boolean> {
  const headers = { Authorization: `Bearer ${env.SERVICE_KEY}` }
  const response = await worker.call('/auth/token/introspect', { method: 'POST', headers, json: { token } })
  return (await response.json<{ active: boolean }>()).active
}

async function listedSids(session: Opened, by: TestWorker = worker): Promise<readonly string[]> {
  const response = await by.call('/auth/sessions', { cookies: session.cookies })
  return (await response.json<{ sid: string }[]>()).map(({ sid }) => sid)
}

/** A session as it is judged everywhere. The refresh comes last: a good one rotates. */
async function judged(session: Opened) {
  const { access_token: access, refresh_token: refresh } = session.cookies
  return {
    me: await status('/auth/me', session),
    list: await status('/auth/sessions', session),
    places: await status('/auth/places', session),
    endOthers: await status('/auth/sessions', { ...session, cookies: session.cookies }, { method: 'DELETE' }),
    introspected: [await isActive(access), await isActive(refresh)],
    refreshed: await status('/refresh', session),
  }
}

const OVER = {
  me: 'token_used',
  list: 'token_used',
  places: 'token_used',
  endOthers: 'token_used',
  introspected: [false, false],
  refreshed: 'token_used',
}
const LIVE = { me: 200, list: 200, places: 200, endOthers: 204, introspected: [true, true], refreshed: 200 }

function setEnded(account: TestAccount, before: number, except: string | null = null) {
  return env.DB.prepare('UPDATE users SET ended_before = ?, ended_except = ? WHERE id = ?')
    .bind(before, except, account.id)
    .run()
}

describe('a session that was opened until ended_before of its account', () => {
  test('is over everywhere, to the second, but for the one that is named; and nobody else is', async () => {
    const account = await createAccount(env.DB)
    const [first, kept] = [await open(account), await open(account)]
    at(1)
    const [second, foreign] = [await open(account), await open()]
    at(2)
    const third = await open(account)
    await setEnded(account, T0 + 1, kept.sid)

    expect(await judged(first)).toEqual(OVER)
    expect(await judged(second)).toEqual(OVER)
    expect((await listedSids(third)).toSorted()).toEqual([kept.sid, third.sid].toSorted())
    expect(await status(`/auth/sessions/${second.sid}`, third, { method: 'DELETE' })).toBe('not_found')
    for (const session of [foreign, kept]) expect(await judged(session)).toEqual(LIVE)
  })

  test('does not come back, whatever it asked for at the moment at which it ended', async () => {
    const account = await createAccount(env.DB)
    const thief = await open(account)
    at(1)
    await setEnded(account, T0 + 1)
    const before = await dumpTables(env.DB)

    // As when its token was looked at before, and its wish was carried out after.
    const store = createSessionStore(env.DB, () => crypto.randomUUID())
    expect(await store.endOthers(account.id, thief.sid, T0 + 1)).toBe(false)
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('a sign-in of that very second lives, and ends with the next end', async () => {
    const account = await createAccount(env.DB)
    const old = await open(account)
    await setEnded(account, T0)
    const young = await open(account)

    expect(await status('/refresh', old)).toBe('token_used')
    expect(await status('/auth/me', young)).toBe(200)
    const other = await open(account)
    expect(await status('/auth/sessions', other, { method: 'DELETE' })).toBe(204)
    expect(await status('/refresh', young)).toBe('token_used')
    expect(await status('/auth/me', await open(account))).toBe(200)
    expect(await status('/refresh', other)).toBe(200)
  })

  test('a sign-in by password lives, too, before ended_before is over', async () => {
    const account = await createAccount(env.DB)
    await setEnded(account, T0 + 5)
    const json = { primary_email: account.email, password: PASSWORD }
    const cookies = pairOf(await worker.call('/auth/session', { method: 'POST', json }))

    expect(await judged({ account, sid: '', cookies })).toEqual(LIVE)
  })

  test('ending all others reaches those that were opened by a clock ahead of ours', async () => {
    const account = await createAccount(env.DB)
    at(3)
    const ahead = await open(account)
    at(0)
    const current = await open(account)

    expect(await status('/auth/sessions', current, { method: 'DELETE' })).toBe(204)
    expect(await status('/refresh', ahead)).toBe('token_used')
    expect(await status('/refresh', current)).toBe(200)
  })
})

/** The statement of the README that begins with these words, for one address. */
function documented(start: string, email: string | null): string {
  const sql = readme.split('"').find((text) => text.startsWith(start))
  if (sql === undefined) throw new Error(`no «${start}» in the README`)
  expect(sql).toContain("'somebody@example.com'")
  return sql.replace('somebody@example.com', email ?? '')
}

describe('by the SQL of the README', () => {
  beforeEach(() => {
    vi.useRealTimers()
  })

  test("somebody's sessions end, the one that had ended all others included, and they may sign in again", async () => {
    const account = await createAccount(env.DB)
    const [one, thief, foreign] = [await open(account), await open(account), await open()]
    expect(await status('/auth/sessions', thief, { method: 'DELETE' })).toBe(204)
    await env.DB.prepare(documented('UPDATE users SET ended_before', account.email)).run()

    for (const session of [one, thief]) expect(await judged(session)).toEqual(OVER)
    for (const session of [await open(account), foreign]) expect(await judged(session)).toEqual(LIVE)
  })

  test('an account that was deactivated and activated again brings no session back', async () => {
    const account = await createAccount(env.DB)
    const session = await open(account)
    await env.DB.prepare(documented('UPDATE users SET is_active = 0', account.email)).run()
    expect(await status('/auth/me', session)).toBe('token_used')
    await env.DB.prepare('UPDATE users SET is_active = 1 WHERE id = ?').bind(account.id).run()

    expect(await judged(session)).toEqual(OVER)
    expect(await judged(await open(account))).toEqual(LIVE)
  })
})

const OLD_ROWS = 300_000

/** Sessions of an account, a second apart, the newest at `until`. */
async function insertSessions(account: TestAccount, count: number, until: number, ended: boolean): Promise<void> {
  await env.DB.prepare(
    `WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ?1)
     INSERT INTO sessions (sid, user_id, jti, issued_at, expires_at, created_at, revoked_at, revoked_reason, ip)
     SELECT printf('%d-%d-%d', ?2, ?3, n), ?2, printf('j%d-%d-%d', ?2, ?3, n), ?3 - n, ?3 + 864000, ?3 - n,
       CASE ?4 WHEN 1 THEN ?3 END, CASE ?4 WHEN 1 THEN 'revoked' END, '203.0.113.7' FROM counter`,
  )
    .bind(count, account.id, until, ended ? 1 : 0)
    .run()
}

async function liveSids(account: TestAccount): Promise<readonly string[]> {
  const { results } = await env.DB.prepare('SELECT sid FROM sessions WHERE user_id = ? AND revoked_at IS NULL')
    .bind(account.id)
    .all<{ sid: string }>()
  return results.map(({ sid }) => sid)
}

describe('an account', () => {
  test.each(['GET /{guid}', 'POST /auth/session', 'POST /auth/token'])(
    'has at most SESSIONS_MAX sessions: %s ends the oldest',
    async (route) => {
      const by = startWorker({ SESSIONS_MAX: '3' })
      const account = await createAccount(env.DB)
      const foreign = await open(undefined, by)
      const sessions: Opened[] = []
      for (let i = 0; i < 3; i += 1) {
        at(i)
        sessions.push(await open(account, by))
      }
      at(10)
      // The oldest is not the one that was used longest ago.
      expect(await status('/refresh', sessions[0] as Opened, {}, by)).toBe(200)
      at(20)
      const json = { primary_email: account.email, password: PASSWORD }
      const [method, path = ''] = route.split(' ')
      const response =
        method === 'GET' ? await by.call(`/${account.guid}`) : await by.call(path, { method: 'POST', json })
      expect(response.status).toBe(200)

      const [oldest, ...others] = sessions.map(({ sid }) => sid)
      const live = await liveSids(account)
      expect(live).toHaveLength(3)
      expect(live).toEqual(expect.arrayContaining(others))
      expect(
        await env.DB.prepare('SELECT revoked_at, revoked_reason, expires_at FROM sessions WHERE sid = ?')
          .bind(oldest)
          .first(),
      ).toEqual({
        revoked_at: T0 + 20,
        revoked_reason: 'crowded_out',
        // It was refreshed, and its used token is worth a mail as long as it would have been good.
        expires_at: T0 + 10 + 864_000,
      })
      expect(await status('/auth/me', foreign)).toBe(200)
    },
  )

  test('keeps a sign-in whose clock is behind those of all the others', async () => {
    const by = startWorker({ SESSIONS_MAX: '2' })
    const account = await createAccount(env.DB)
    at(60)
    const others = [await open(account, by), await open(account, by)]
    at(0)
    const late = await open(account, by)

    expect(await status('/auth/me', late, {}, by)).toBe(200)
    expect(await liveSids(account)).toEqual(expect.arrayContaining([late.sid, others[1]?.sid]))
    expect(await liveSids(account)).toHaveLength(2)
  })

  test('that ended all others has room for new ones, and the one that did it is the oldest', async () => {
    const by = startWorker({ SESSIONS_MAX: '3' })
    const account = await createAccount(env.DB)
    const current = await open(account, by)
    for (let i = 1; i < 3; i += 1) {
      at(i)
      await open(account, by)
    }
    expect(await status('/auth/sessions', current, { method: 'DELETE' }, by)).toBe(204)
    at(10)
    const [one, two] = [await open(account, by), await open(account, by)]
    expect((await listedSids(current, by)).toSorted()).toEqual([current.sid, one.sid, two.sid].toSorted())
    const three = await open(account, by)

    expect((await listedSids(three, by)).toSorted()).toEqual([one.sid, two.sid, three.sid].toSorted())
    expect(await status('/auth/me', current, {}, by)).toBe('token_used')
  })

  test.each([
    ['ended', true],
    ['live', false],
  ])(
    `with ${OLD_ROWS.toLocaleString('en')} old rows, %s, costs nobody more than it shows`,
    async (_name, ended) => {
      const counting = countRoundTrips(env.DB)
      const by = startWorker({ DB: counting.database })
      const account = await createAccount(env.DB)
      await insertSessions(account, OLD_ROWS, T0 - 10, ended)
      const current = await open(account)
      const costs: Record<string, { read: number; written: number }> = {}
      async function measure(name: string, operation: () => Promise<Response>) {
        counting.reset()
        const response = await operation()
        expect({ name, isRefused: response.status >= 400 }).toEqual({ name, isRefused: false })
        const sum = (of: 'rowsRead' | 'rowsWritten') =>
          counting.statements().reduce((total, statement) => total + statement[of], 0)
        costs[name] = { read: sum('rowsRead'), written: sum('rowsWritten') }
        return response
      }
      const json = { primary_email: account.email, password: PASSWORD }
      const { cookies } = current
      await measure('sign-in', () => by.call('/auth/token', { method: 'POST', json }))
      const listed = await measure('list', () => by.call('/auth/sessions', { cookies }))
      await measure('end others', () => by.call('/auth/sessions', { method: 'DELETE', cookies }))
      const after = await measure('list afterwards', () => by.call('/auth/sessions', { cookies }))
      await measure('refresh', () => by.call('/refresh', { cookies }))

      const shown = (await listed.json<unknown[]>()).length
      expect([shown, (await after.json<unknown[]>()).length]).toEqual([ended ? 2 : 100, 1])
      expect(costs['list']?.read).toBeLessThanOrEqual(shown + 10)
      expect(costs['list afterwards']?.read).toBeLessThanOrEqual(11)
      expect(costs['end others']).toEqual({ read: expect.any(Number) as number, written: 1 })
      expect(costs['end others']?.read).toBeLessThanOrEqual(12)
      expect(costs['refresh']).toEqual({ read: 4, written: 3 })
      expect(costs['sign-in']?.read).toBeLessThanOrEqual(ended ? 16 : 1000)
      // A hundred that were too many before leave with each sign-in.
      expect(costs['sign-in']?.written).toBeLessThanOrEqual(ended ? 5 : 205)
    },
    60_000,
  )
})
