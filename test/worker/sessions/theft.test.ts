/**
 * A pair in two hands: which of them gives itself away, how the owner gets rid of the other, and what an access token alone
 * is good for to an API that was sent one.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createSessionStore } from '../../../src/db/sessions/store.ts'
import { createAccount, dumpTables, PASSWORD, type TestAccount } from '../../support/accounts.ts'
import { at, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { decodeToken, forge, strangerKeys, twinOf } from '../../support/forge.ts'
import { readOutbox } from '../../support/mailbox.ts'
import {
  type CallOptions,
  ELSEWHERE,
  HOME,
  ORIGIN,
  pairOf,
  startWorker,
  type TestWorker,
} from '../../support/worker.ts'

const DAY_SECONDS = 86_400
const USED = { status: 401, code: 'token_used' }
const BLOCKED = { status: 401, code: 'location_blocked' }
const GRANTED = { status: 200, code: null }
const DONE = { status: 204, code: null }

const worker = startWorker()
const logged = vi.spyOn(console, 'warn')

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
  at(0)
  logged.mockReset().mockImplementation(() => {})
})

afterEach(() => {
  vi.useRealTimers()
})

type Cookies = ReturnType<typeof pairOf>

interface Opened {
  readonly account: TestAccount
  readonly sid: string
  readonly cookies: Cookies
}

async function open(account?: TestAccount, options: CallOptions = {}, by: TestWorker = worker): Promise<Opened> {
  const owner = account ?? (await createAccount(env.DB))
  const cookies = pairOf(await by.call(`/${owner.guid}`, options))
  return { account: owner, cookies, sid: String(decodeToken(cookies.access_token).payload['sid']) }
}

async function call(path: string, options: CallOptions = {}, by: TestWorker = worker) {
  const response = await by.call(path, { headers: { Accept: 'application/json' }, ...options })
  const text = await response.clone().text()
  const code = response.status < 400 ? null : (JSON.parse(text) as { code: string }).code
  return { response, answer: { status: response.status, code } }
}

async function refresh(cookies: Cookies, options: CallOptions = {}, by: TestWorker = worker) {
  const { response, answer } = await call('/refresh', { ...options, cookies }, by)
  return { answer, next: response.status === 200 ? pairOf(response) : cookies }
}

async function endOf(sid: string) {
  const row = await env.DB.prepare('SELECT revoked_reason FROM sessions WHERE sid = ?')
    .bind(sid)
    .first<{ revoked_reason: string | null }>()
  return row?.revoked_reason ?? null
}

/** The mails about a session, and what the log says of it. */
async function traces(sid: string) {
  const mails = (await readOutbox()).filter((row) => String(row['dedupe_key']).endsWith(sid))
  const events = logged.mock.calls.map(([event]) => event as Readonly<Record<string, unknown>>)
  return {
    mails: mails.map((row) => row['kind']),
    causes: events.filter((event) => event['sid'] === sid).map((event) => event['cause']),
  }
}

describe('the token just rotated away', () => {
  test.each([0, 10])('is reuse at once when it comes from elsewhere, with a window of %i s', async (seconds) => {
    const by = startWorker({ REFRESH_REUSE_SECONDS: String(seconds) })
    const { sid, cookies } = await open(undefined, {}, by)
    const { next } = await refresh(cookies, {}, by)
    at(1)

    expect((await refresh(cookies, { ip: ELSEWHERE }, by)).answer).toEqual(USED)
    expect(await endOf(sid)).toBe('reuse')
    expect(await traces(sid)).toEqual({ mails: ['token_reused'], causes: ['reused'] })
    expect((await refresh(next, {}, by)).answer).toEqual(USED)
  })

  test('is a race from the same place, and from a place that the owner allowed', async () => {
    const { account, sid, cookies } = await open()
    await env.DB.prepare('INSERT INTO allowed_places (user_id, place, created_at, expires_at) VALUES (?, ?, ?, ?)')
      .bind(account.id, `address:${ELSEWHERE}/32`, T0, T0 + DAY_SECONDS)
      .run()
    const { next } = await refresh(cookies)
    at(10)

    for (const ip of [HOME, ELSEWHERE]) expect((await refresh(cookies, { ip })).answer).toEqual(USED)
    expect(await traces(sid)).toEqual({ mails: [], causes: ['race', 'race'] })
    expect((await refresh(next)).answer).toEqual(GRANTED)
  })

  test('is reuse when its owner was faster between the two round trips of a blocked refresh', async () => {
    const { sid, cookies } = await open()
    let isFirst = true
    let owners = cookies
    const slow = new Proxy(env.DB, {
      get(target, name) {
        if (name !== 'batch') {
          const member: unknown = Reflect.get(target, name)
          return typeof member === 'function' ? member.bind(target) : member
        }
        return async (statements: D1PreparedStatement[]) => {
          const results = await target.batch(statements)
          if (isFirst) {
            isFirst = false
            owners = (await refresh(cookies)).next
          }
          return results
        }
      },
    })

    expect((await refresh(cookies, { ip: ELSEWHERE }, startWorker({ DB: slow }))).answer).toEqual(USED)
    expect(await endOf(sid)).toBe('reuse')
    expect(await traces(sid)).toEqual({ mails: ['token_reused'], causes: ['reused'] })
    expect((await refresh(owners)).answer).toEqual(USED)
  })
})

describe('a token that is not the last one of a session', () => {
  const ENDS: readonly [string, (session: Opened, last: Cookies) => Promise<unknown>][] = [
    ['that was signed out', (_, { access_token }) => remove('/auth/session', access_token)],
    [
      'that was revoked',
      (_, { refresh_token: token }) => worker.call('/auth/token/revoke', { method: 'POST', json: { token } }),
    ],
    ['that was ended in the list', ({ sid }, { access_token }) => remove(`/auth/sessions/${sid}`, access_token)],
    [
      'that ended with all the others',
      async ({ account }) => remove('/auth/sessions', (await open(account)).cookies.access_token),
    ],
    ['that was replaced by a sign-in', ({ account }, cookies) => worker.call(`/${account.guid}`, { cookies })],
  ]

  test.each(ENDS)('%s is reuse: its owner gets one mail, and the last one is none', async (_name, end) => {
    const session = await open()
    const { next: last } = await refresh(session.cookies)
    at(60)
    await end(session, last)
    at(120)
    const before = await dumpTables(env.DB)

    expect((await refresh(last)).answer).toEqual(USED)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await traces(session.sid)).toEqual({ mails: [], causes: ['ended'] })
    for (const ip of [ELSEWHERE, HOME, ELSEWHERE]) {
      expect((await refresh(session.cookies, { ip })).answer).toEqual(USED)
    }
    expect(await traces(session.sid)).toEqual({
      mails: ['token_reused'],
      causes: ['ended', 'reused', 'reused', 'reused'],
    })
    expect((await refresh(last)).answer).toEqual(USED)
  })

  test('that was revoked by the thief who rotated it shows by the next try of its owner', async () => {
    const { sid, cookies } = await open()
    const { next: stolen } = await refresh(cookies)
    await worker.call('/auth/token/revoke', { method: 'POST', json: { refresh: stolen.refresh_token } })

    expect((await refresh(cookies)).answer).toEqual(USED)
    expect(await traces(sid)).toEqual({ mails: ['token_reused'], causes: ['reused'] })
  })

  test.each(['/auth/token/revoke', 'DELETE /auth/session', 'another sign-in'])(
    'shows for as long as it would have been good, by %s as by any end, whatever was purged meanwhile',
    async (how) => {
      const { account, sid, cookies } = await open()
      const { next: stolen } = await refresh(cookies)
      const { access_token, refresh_token } = stolen
      if (how === '/auth/token/revoke') {
        await worker.call(how, { method: 'POST', json: { refresh: refresh_token } })
      } else if (how === 'another sign-in') {
        await worker.call(`/${account.guid}`, { cookies: stolen })
      } else {
        await remove('/auth/session', access_token)
      }
      for (let day = 1; day < 10; day += 1) {
        at(day * DAY_SECONDS)
        await worker.scheduled()
      }
      at(10 * DAY_SECONDS - 1)

      expect((await refresh(cookies)).answer).toEqual(USED)
      expect(await traces(sid)).toEqual({ mails: ['token_reused'], causes: ['reused'] })
    },
  )

  test('is what ends a session for reuse: nothing happens where it is the last one after all', async () => {
    const { sid, cookies } = await open()
    const usedJti = String(decodeToken(cookies.refresh_token).payload['jti'])
    const client = { address: ELSEWHERE, asn: null, country: null, city: null, provider: null, userAgent: null }
    const facts = { at: T0, client, origin: ORIGIN, usual: null }
    const before = await dumpTables(env.DB)

    const store = createSessionStore(env.DB, () => crypto.randomUUID())
    const end = await store.endReused({ sid, usedJti, now: T0, notice: { kind: 'token_reused', facts } })
    expect(end).toEqual({ ended: false, notificationId: null })
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('of an account without an address, or not active, leaves no mail', async () => {
    const [without, inactive] = [await open(await createAccount(env.DB, { email: null })), await open()]
    for (const { cookies, sid, account } of [without, inactive]) {
      const { next } = await refresh(cookies)
      await remove('/auth/session', next.access_token)
      if (account === inactive.account) {
        await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(account.id).run()
      }
      expect((await refresh(cookies)).answer).toEqual(USED)
      expect((await traces(sid)).mails).toEqual([])
    }
  })
})

async function remove(path: string, token: string) {
  const response = await worker.call(path, { method: 'DELETE', cookies: { access_token: token } })
  expect(response.status).toBe(204)
}

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
      const { next: thiefs } = await refresh(cookies)
      expect((await refresh(cookies)).answer).toEqual(USED)
      const response = await signIn(account, { cookies: { access_token: cookies.access_token } })

      expect(response.status).toBe(200)
      expect(await endOf(sid)).toBe('replaced')
      expect((await refresh(thiefs)).answer).toEqual(USED)
      expect((await refresh(pairOf(response))).answer).toEqual(GRANTED)
      expect((await refresh(other.cookies)).answer).toEqual(GRANTED)
    })

    test('whoever it was, and however old its token: the browser has another one now', async () => {
      const stranger = await open()
      at(9 * DAY_SECONDS)

      expect((await signIn(await createAccount(env.DB), { cookies: stranger.cookies })).status).toBe(200)
      expect(await endOf(stranger.sid)).toBe('replaced')
    })

    test('each once, and no more than four of them', async () => {
      const account = await createAccount(env.DB)
      const sessions: Opened[] = []
      for (let i = 0; i < 6; i += 1) sessions.push(await open(account))
      const tokens = sessions.flatMap(({ cookies }) => [cookies.access_token, cookies.access_token])
      const headers = { Cookie: ['garbage', ...tokens].map((token) => `access_token=${token}`).join('; ') }

      expect((await signIn(account, { headers })).status).toBe(200)
      const ends = await Promise.all(sessions.map(({ sid }) => endOf(sid)))
      expect(ends).toEqual(['replaced', 'replaced', 'replaced', 'replaced', null, null])
    })

    test('but not by a token that is not ours', async () => {
      const { account, sid, cookies } = await open()
      const { header, payload } = decodeToken(cookies.access_token)
      const { signing } = strangerKeys.access
      const forged = await forge({ ...header, kid: signing.kid }, payload, signing)

      expect((await signIn(account, { cookies: { access_token: forged } })).status).toBe(200)
      expect(await endOf(sid)).toBe(null)
    })

    test('and a sign-in that failed ends nothing', async () => {
      const { cookies } = await open()
      const inactive = await createAccount(env.DB, { isActive: false })
      const before = await dumpTables(env.DB)

      expect((await signIn(inactive, { cookies })).status).toBe(401)
      expect(await dumpTables(env.DB)).toEqual(before)
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

test('DELETE /auth/session acts once on a session of which it gets an old and a new token', async () => {
  const { sid, cookies } = await open()
  const { next } = await refresh(cookies)
  const { database, roundTrips, reset } = countRoundTrips(env.DB)
  const counted = startWorker({ DB: database })
  const Cookie = [cookies, next].map(({ access_token }) => `access_token=${access_token}`).join('; ')
  reset()

  expect((await counted.call('/auth/session', { method: 'DELETE', headers: { Cookie } })).status).toBe(204)
  expect([roundTrips(), await endOf(sid)]).toEqual([1, 'signed_out'])
})

test('the other signature that anybody can make of a token, (r, n − s), is the same token: nothing goes by its text', async () => {
  const { sid, cookies } = await open()
  const twin = twinOf(cookies.access_token)
  const { database, roundTrips, reset } = countRoundTrips(env.DB)
  const counted = startWorker({ DB: database })
  const verified = await worker.call('/auth/token/verify', { method: 'POST', json: { token: twin } })
  expect([twin === cookies.access_token, verified.status]).toEqual([false, 200])
  reset()
  const headers = { Cookie: `access_token=${cookies.access_token}; access_token=${twin}` }

  expect((await counted.call('/auth/session', { method: 'DELETE', headers })).status).toBe(204)
  expect([roundTrips(), await endOf(sid)]).toEqual([1, 'signed_out'])
  expect((await call('/auth/me', { cookies: { access_token: twin } })).answer).toEqual(USED)
})

test('DELETE /auth/session acts once a session, and on four at most', async () => {
  const account = await createAccount(env.DB)
  const sessions: Opened[] = []
  for (let i = 0; i < 6; i += 1) sessions.push(await open(account))
  const tokens = sessions.flatMap(({ cookies }) => [cookies.access_token, cookies.access_token])
  const { database, roundTrips, reset } = countRoundTrips(env.DB)
  const counted = startWorker({ DB: database })
  const Cookie = [...Array<string>(8).fill('x.y.z'), ...tokens].map((token) => `access_token=${token}`).join('; ')
  reset()

  expect((await counted.call('/auth/session', { method: 'DELETE', headers: { Cookie } })).status).toBe(204)
  expect(roundTrips()).toBe(4)
  const ends = await Promise.all(sessions.map(({ sid }) => endOf(sid)))
  expect(ends).toEqual(['signed_out', 'signed_out', 'signed_out', 'signed_out', null, null])
})

/** A session, what an access token of it could govern, and the token. */
async function governed(options: CallOptions = {}, by: TestWorker = worker) {
  const session = await open(undefined, options, by)
  const other = await open(session.account, options, by)
  const place = await env.DB.prepare(
    'INSERT INTO allowed_places (user_id, place, created_at, expires_at) VALUES (?, ?, ?, ?) RETURNING id',
  )
    .bind(session.account.id, 'address:192.0.2.9/32', T0, T0 + DAY_SECONDS)
    .first<{ id: number }>()
  const fill = (path: string) => path.replace(':sid', other.sid).replace(':id', String(place?.id))
  const headers = { Authorization: `Bearer ${session.cookies.access_token}` }
  return { session, fill, headers }
}

describe('an access token that an API was sent', () => {
  const GOVERNING = [
    ['GET', '/auth/sessions'],
    ['DELETE', '/auth/sessions'],
    ['DELETE', '/auth/sessions/:sid'],
    ['GET', '/auth/places'],
    ['DELETE', '/auth/places/:id'],
  ] as const

  test.each(GOVERNING)('does not govern its account from elsewhere: %s %s', async (method, path) => {
    const { session, fill: target, headers } = await governed()
    const before = await dumpTables(env.DB)
    const { answer } = await call(target(path), { method, headers, ip: ELSEWHERE })

    expect(answer).toEqual(BLOCKED)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await traces(session.sid)).toEqual({ mails: [], causes: ['moved'] })
    const expected = method === 'GET' ? GRANTED : DONE
    expect((await call(target(path), { method, headers })).answer).toEqual(expected)
    const visit = await governed()
    expect((await call(visit.fill(path), { method, headers: visit.headers, ip: '192.0.2.9' })).answer).toEqual(expected)
  })

  test.each([
    ['address', '203.0.113.8', {}, false],
    ['subnet', '203.0.113.8', {}, true],
    ['subnet', '203.0.114.7', {}, false],
    ['asn', ELSEWHERE, { asn: 64_496, country: 'NZ' }, true],
    ['asn', ELSEWHERE, { asn: 64_511, country: 'IS' }, false],
    ['asn', ELSEWHERE, {}, false],
    ['country', ELSEWHERE, { asn: 64_511, country: 'IS' }, true],
    ['country', ELSEWHERE, { asn: 64_496, country: 'NZ' }, false],
    ['country', HOME, {}, true],
    ['off', '2001:db8::1', {}, true],
  ] as const)('goes by the policy %s, from %s %j', async (policy, ip, cf, isIn) => {
    const by = startWorker({ LOCATION_POLICY: policy })
    const { headers } = await governed({ ip: HOME, cf: { asn: 64_496, country: 'IS' } }, by)

    expect((await call('/auth/sessions', { headers, ip, cf }, by)).answer).toEqual(isIn ? GRANTED : BLOCKED)
  })

  test.each([
    ['address', BLOCKED],
    ['country', GRANTED],
  ])('goes by the places that count under %s today, not by a wider one that was allowed', async (policy, expected) => {
    const by = startWorker({ LOCATION_POLICY: policy })
    const { session, headers } = await governed({}, by)
    await env.DB.prepare('INSERT INTO allowed_places (user_id, place, created_at, expires_at) VALUES (?, ?, ?, ?)')
      .bind(session.account.id, 'country:NZ', T0, T0 + DAY_SECONDS)
      .run()

    const options = { headers, ip: ELSEWHERE, cf: { country: 'NZ' } } as const
    expect((await call('/auth/sessions', options, by)).answer).toEqual(expected)
  })

  test('is told first whatever else is wrong with it', async () => {
    const { session, headers } = await governed()
    await remove('/auth/session', session.cookies.access_token)

    expect((await call('/auth/sessions', { headers, ip: ELSEWHERE })).answer).toEqual(USED)
    expect((await call('/auth/sessions', { ip: ELSEWHERE })).answer.code).toBe('not_authenticated')
  })

  test('still says whose it is, may be checked, and may be given up, from anywhere', async () => {
    const { session, headers } = await governed()
    const token = session.cookies.access_token
    const service = { Authorization: `Bearer ${env.SERVICE_KEY}` }

    expect((await call('/auth/me', { headers, ip: ELSEWHERE })).answer).toEqual(GRANTED)
    const introspected = await worker.call('/auth/token/introspect', {
      method: 'POST',
      headers: service,
      json: { token },
      ip: ELSEWHERE,
    })
    expect(await introspected.json()).toMatchObject({ active: true })
    expect((await call('/auth/token/revoke', { method: 'POST', json: { token }, ip: ELSEWHERE })).answer).toEqual(DONE)
  })

  test('asks D1 once more than before for nothing', async () => {
    const { headers } = await governed()
    const { database, roundTrips, reset } = countRoundTrips(env.DB)
    const counted = startWorker({ DB: database })
    reset()
    await call('/auth/sessions', { headers, ip: ELSEWHERE }, counted)

    expect(roundTrips()).toBe(1)
  })
})
