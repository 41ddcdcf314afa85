/**
 * Sessions that a sign-in ends: the one whose cookie comes along, and the oldest beyond `SESSIONS_MAX`. An account that has
 * very many rows, or very many sessions, is no burden to anybody else.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import {
  createAccount,
  insertSeenPlace,
  dumpBesideAttempts,
  PASSWORD,
  type TestAccount,
} from '../../support/accounts.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { decodeToken, forge, strangerKeys } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { open, type Opened, type OpenedByAccount } from '../../support/sessions.ts'
import { exchange, listedSids, OK, reasonOf, statusOrCode, USED_CODE } from '../../support/short-answers.ts'
import { type CallOptions, pairOf, startWorker, type TestWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

describe('a sign-in ends the session of the cookie that comes along', () => {
  type SignIn = (account: TestAccount, options: CallOptions, by?: TestWorker) => Promise<Response>
  const SIGN_INS: readonly [string, SignIn][] = [
    ['GET /{guid}', ({ guid }, options, by = worker) => by.call(`/${guid}`, options)],
    [
      'POST /auth/session',
      ({ email }, options, by = worker) =>
        by.call('/auth/session', { ...options, method: 'POST', json: { primary_email: email, password: PASSWORD } }),
    ],
  ]

  describe.each(SIGN_INS)('%s', (route, signIn) => {
    test('and so evicts a thief who won the race', async () => {
      const { account, sid, cookies } = await open()
      const other = await open(account)
      const { next: thiefs } = await exchange(cookies)
      expect((await exchange(cookies)).answer).toEqual(USED_CODE)
      const response = await signIn(account, { cookies: { access_token: cookies.access_token } })

      expect(response.status).toBe(200)
      expect(await reasonOf(sid)).toBe('replaced')
      expect((await exchange(thiefs)).answer).toEqual(USED_CODE)
      expect((await exchange(pairOf(response))).answer).toEqual(OK)
      expect((await exchange(other.cookies)).answer).toEqual(OK)
    })

    test('whoever it was, and however old its token: the browser has another one now', async () => {
      const stranger = await open()
      at(9 * DAY_SECONDS)

      expect((await signIn(await createAccount(env.DB), { cookies: stranger.cookies })).status).toBe(200)
      expect(await reasonOf(stranger.sid)).toBe('replaced')
    })

    test('each once, and no more than four of them', async () => {
      const account = await createAccount(env.DB)
      const sessions: OpenedByAccount[] = []
      for (let i = 0; i < 6; i += 1) sessions.push(await open(account))
      const tokens = sessions.flatMap(({ cookies }) => [cookies.access_token, cookies.access_token])
      const headers = { Cookie: ['garbage', ...tokens].map((token) => `access_token=${token}`).join('; ') }

      expect((await signIn(account, { headers })).status).toBe(200)
      const ends = await Promise.all(sessions.map(({ sid }) => reasonOf(sid)))
      expect(ends).toEqual(['replaced', 'replaced', 'replaced', 'replaced', null, null])
    })

    test('but not by a token that is not ours', async () => {
      const { account, sid, cookies } = await open()
      const { header, payload } = decodeToken(cookies.access_token)
      const { signing } = strangerKeys.access
      const forged = await forge({ ...header, kid: signing.kid }, payload, signing)

      expect((await signIn(account, { cookies: { access_token: forged } })).status).toBe(200)
      expect(await reasonOf(sid)).toBe(null)
    })

    test('and a sign-in that failed ends nothing', async () => {
      const { cookies } = await open()
      const inactive = await createAccount(env.DB, { isActive: false })
      const before = await dumpBesideAttempts(env.DB)

      expect((await signIn(inactive, { cookies })).status).toBe(401)
      expect(await dumpBesideAttempts(env.DB)).toEqual(before)
    })

    test('without a round trip of its own', async () => {
      const { account, cookies } = await open()
      const { database, roundTrips, reset } = countRoundTrips(env.DB)
      const counted = startWorker({ DB: database })
      reset()

      expect((await signIn(account, { cookies }, counted)).status).toBe(200)
      expect(roundTrips()).toBe(route === 'GET /{guid}' ? 1 : 2)
    })
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
      const foreign = await open(undefined, {}, by)
      const sessions: Opened[] = []
      for (let i = 0; i < 3; i += 1) {
        at(i)
        sessions.push(await open(account, {}, by))
      }
      at(10)
      // The oldest is not the one that was used longest ago.
      expect(await statusOrCode('/refresh', sessions[0] as OpenedByAccount, {}, by)).toBe(200)
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
      expect(await statusOrCode('/auth/me', foreign)).toBe(200)
    },
  )

  test('keeps a sign-in whose clock is behind those of all the others', async () => {
    const by = startWorker({ SESSIONS_MAX: '2' })
    const account = await createAccount(env.DB)
    at(60)
    const others = [await open(account, {}, by), await open(account, {}, by)]
    at(0)
    const late = await open(account, {}, by)

    expect(await statusOrCode('/auth/me', late, {}, by)).toBe(200)
    expect(await liveSids(account)).toEqual(expect.arrayContaining([late.sid, others[1]?.sid]))
    expect(await liveSids(account)).toHaveLength(2)
  })

  test('that ended all others has room for new ones, and the one that did it is the oldest', async () => {
    const by = startWorker({ SESSIONS_MAX: '3' })
    const account = await createAccount(env.DB)
    const current = await open(account, {}, by)
    for (let i = 1; i < 3; i += 1) {
      at(i)
      await open(account, {}, by)
    }
    expect(await statusOrCode('/auth/sessions', current, { method: 'DELETE' }, by)).toBe(204)
    at(10)
    const [one, two] = [await open(account, {}, by), await open(account, {}, by)]
    expect((await listedSids(current, by)).toSorted()).toEqual([current.sid, one.sid, two.sid].toSorted())
    const three = await open(account, {}, by)

    expect((await listedSids(three, by)).toSorted()).toEqual([one.sid, two.sid, three.sid].toSorted())
    expect(await statusOrCode('/auth/me', current, {}, by)).toBe('token_used')
  })

  test('that ended all others, and then itself, keeps why it ended, however many sessions follow', async () => {
    const by = startWorker({ SESSIONS_MAX: '1' })
    const account = await createAccount(env.DB)
    const current = await open(account, {}, by)
    expect(await statusOrCode('/auth/sessions', current, { method: 'DELETE' }, by)).toBe(204)
    expect(await statusOrCode('/auth/session', current, { method: 'DELETE' }, by)).toBe(204)
    at(10)
    for (let i = 0; i < 2; i += 1) await open(account, {}, by)

    expect(await reasonOf(current.sid)).toBe('signed_out')
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
      await insertSeenPlace(env.DB, account, '-/203.0.113.0/24', T0)
      await insertSeenPlace(env.DB, account, '-/203.0.113.0/24 203.0.113.7/32', T0)
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
      expect(costs['end others']).toEqual({ read: expect.any(Number) as number, written: 4 })
      expect(costs['end others']?.read).toBeLessThanOrEqual(20)
      expect(costs['refresh']).toEqual({ read: 4, written: 1 })
      expect(costs['sign-in']?.read).toBeLessThanOrEqual(ended ? 26 : 1000)
      // A hundred that were too many before leave with each sign-in: a row each, and its entry among those that ended.
      expect(costs['sign-in']?.written).toBeLessThanOrEqual(ended ? 3 : 203)
    },
    60_000,
  )
})
