/**
 * Sessions over their life: opened by a browser, seen and ended by their owner, replayed inside the window, moved under
 * each location policy, and over. One rule runs through it: nobody who is honest loses a session, and nobody else has it.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createAccount, dumpTables, PASSWORD, type TestAccount } from '../../support/accounts.ts'
import { COMMON, problem } from '../../support/answers.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { at, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { decodeToken, encodePart, forge, strangerKeys } from '../../support/forge.ts'
import {
  type CallOptions,
  ELSEWHERE,
  HOME,
  ORIGIN,
  setCookies,
  startWorker,
  type TestWorker,
} from '../../support/worker.ts'

const DAY_SECONDS = 86_400
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const SERVICE = { Authorization: `Bearer ${TEST_BINDINGS.SERVICE_KEY}` }

const worker = startWorker()
const logged = vi.spyOn(console, 'warn')

beforeEach(async () => {
  // So that a look at all rows stays a short one.
  await env.DB.batch(['users', 'sessions', 'allowed_places'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
  vi.useFakeTimers({ toFake: ['Date'] })
  at(0)
  logged.mockReset().mockImplementation(() => {})
})

afterEach(() => {
  vi.useRealTimers()
})

/** An answer whole: its status, every header, and its body to the byte. Cookies are looked at by themselves. */
async function answer(response: Response) {
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== 'set-cookie'))
  return { status: response.status, headers, body: await response.text() }
}

const DONE = { status: 204, headers: COMMON, body: '' }

function json(body: unknown) {
  return { status: 200, headers: { ...COMMON, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

const USED = problem(401, 'Unauthorized', 'Token used before', 'token_used')
const NOT_VALID = problem(401, 'Unauthorized', 'Not valid token', 'token_not_valid')
const BLOCKED = problem(401, 'Unauthorized', "You're location is blocked", 'location_blocked')
const NOT_AUTHENTICATED = problem(
  401,
  'Unauthorized',
  'Authentication credentials were not provided',
  'not_authenticated',
)
const NO_ACCOUNT = problem(
  401,
  'Unauthorized',
  'No active account found with the given credentials',
  'no_active_account',
)
const MALFORMED = problem(400, 'Bad Request', 'Wrong data structure', 'wrong_data_structure')
const FORBIDDEN = problem(403, 'Forbidden', 'Forbidden', 'forbidden')
const NOT_FOUND = problem(404, 'Not Found', 'Not found', 'not_found')
const WRONG_TYPE = problem(415, 'Unsupported Media Type', 'Unsupported media type', 'unsupported_media_type')
const INACTIVE = json({ active: false })

function malformed(errors: Readonly<Record<string, readonly string[]>>) {
  return problem(400, 'Bad Request', 'Wrong data structure', 'wrong_data_structure', { errors })
}

const UNDEFINED_STRING = 'Invalid input: expected string, received undefined'

interface Tokens {
  readonly access: string
  readonly refresh: string
}

interface Opened extends Tokens {
  readonly account: TestAccount
  readonly sid: string
  readonly jti: string
}

/** What a browser got, and as whom. */
async function open(account?: TestAccount, options: CallOptions = {}, by: TestWorker = worker): Promise<Opened> {
  const owner = account ?? (await createAccount(env.DB))
  const tokens = tokensIn(await by.call(`/${owner.guid}`, options))
  const { sid, jti } = claimsOf(tokens.refresh)
  return { account: owner, sid: String(sid), jti: String(jti), ...tokens }
}

function tokensIn(response: Response): Tokens {
  const { access_token: access, refresh_token: refresh } = setCookies(response)
  if (!access || !refresh) throw new Error(`no pair in a ${response.status}`)
  return { access: access.value, refresh: refresh.value }
}

function claimsOf(token: string): Record<string, unknown> {
  return decodeToken(token).payload
}

interface BodyOptions extends Omit<CallOptions, 'headers'> {
  readonly headers?: Readonly<Record<string, string>>
}

function form(fields: Readonly<Record<string, string>>): BodyOptions {
  return {
    body: new URLSearchParams(fields).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  }
}

/** A token whose signature is another deployment's, over these very claims. */
function forgedCopy(token: string): Promise<string> {
  const { header, payload } = decodeToken(token)
  const ring = header['alg'] === 'HS256' ? strangerKeys.refresh : strangerKeys.access
  return forge({ ...header, kid: ring.signing.kid }, payload, ring.signing)
}

/** How a pair is exchanged, by each transport: one answer, whatever carries the tokens. */
const EXCHANGES = {
  cookies: async (by: TestWorker, { access, refresh }: Tokens, options: CallOptions = {}) => {
    const headers = { Accept: 'application/json' }
    const cookies = { access_token: access, refresh_token: refresh }
    const response = await by.call('/refresh', { headers, ...options, cookies })
    const tokens = response.status === 200 ? tokensIn(response) : null
    return { ...(await answer(response)), tokens }
  },
  json: async (by: TestWorker, { refresh }: Tokens, options: CallOptions = {}) => {
    const response = await by.call('/auth/token/refresh', { ...options, method: 'POST', json: { refresh } })
    const got = await answer(response)
    return { ...got, tokens: got.status === 200 ? (JSON.parse(got.body) as Tokens) : null }
  },
} as const

function refused(problemAnswer: ReturnType<typeof problem>) {
  return { ...problemAnswer, tokens: null }
}

/** Exchanges a pair that has to be good. */
async function renew(tokens: Tokens, options: CallOptions = {}, by: TestWorker = worker): Promise<Tokens> {
  const { status, tokens: next } = await EXCHANGES.json(by, tokens, options)
  if (next === null) throw new Error(`no pair in a ${status}`)
  return next
}

async function introspect(token: string, by: TestWorker = worker) {
  return answer(await by.call('/auth/token/introspect', { method: 'POST', headers: SERVICE, json: { token } }))
}

async function me(token: string, by: TestWorker = worker) {
  return answer(await by.call('/auth/me', { headers: { Authorization: `Bearer ${token}` } }))
}

async function sessionRow(sid: string) {
  return env.DB.prepare('SELECT * FROM sessions WHERE sid = ?').bind(sid).first()
}

async function endOf(sid: string) {
  return env.DB.prepare('SELECT revoked_at, revoked_reason FROM sessions WHERE sid = ?').bind(sid).first()
}

const LIVE = { revoked_at: null, revoked_reason: null }

/** Calls, and sees that nothing was written. */
async function callWithoutTrace(path: string, options: CallOptions, by: TestWorker = worker) {
  const before = await dumpTables(env.DB)
  const response = await by.call(path, options)
  expect(await dumpTables(env.DB)).toEqual(before)
  return response
}

describe('POST /auth/session', () => {
  const path = '/auth/session'

  test('signs a browser in: who it is in the body, the pair in cookies', async () => {
    const account = await createAccount(env.DB, { group: 'editors' })
    const { email, id, guid, group } = account
    const response = await worker.call(path, { method: 'POST', json: { primary_email: email, password: PASSWORD } })
    const cookies = setCookies(response)
    const tokens = tokensIn(response)

    expect(await answer(response)).toEqual(json({ email, user_id: id, guid, group }))
    const attributes = ['HttpOnly', 'Secure', 'SameSite=Strict']
    expect(cookies).toEqual({
      access_token: { value: tokens.access, attributes: ['Max-Age=864000', 'Path=/', ...attributes] },
      refresh_token: { value: tokens.refresh, attributes: ['Max-Age=864000', 'Path=/refresh', ...attributes] },
    })
    const { sid } = claimsOf(tokens.access)
    expect(await sessionRow(String(sid))).toMatchObject({ user_id: id, created_at: T0, ip: HOME, ...LIVE })
    expect((await EXCHANGES.cookies(worker, tokens)).status).toBe(200)
  })

  test('says the same to the byte, sets no cookie and writes nothing, whatever is wrong', async () => {
    const good = await createAccount(env.DB)
    const inactive = await createAccount(env.DB, { isActive: false })
    const unconfirmed = await createAccount(env.DB, { confirmedAt: null })
    const without = await createAccount(env.DB, { passwordHash: null })
    const attempts = {
      'unknown e-mail': ['nobody@example.com', PASSWORD],
      'wrong password': [good.email, 'wrong'],
      inactive: [inactive.email, PASSWORD],
      unconfirmed: [unconfirmed.email, PASSWORD],
      'no password set': [without.email, PASSWORD],
    } as const

    for (const [name, [primary_email, password]] of Object.entries(attempts)) {
      const response = await callWithoutTrace(path, { method: 'POST', json: { primary_email, password } })
      expect({ name, cookies: setCookies(response), ...(await answer(response)) }).toEqual({
        name,
        cookies: {},
        ...NO_ACCOUNT,
      })
    }
  })

  test.each<[string, BodyOptions, unknown]>([
    ['no fields', { json: {} }, malformed({ primary_email: [UNDEFINED_STRING], password: [UNDEFINED_STRING] })],
    ['half of it', { json: { primary_email: 'a@example.com' } }, malformed({ password: [UNDEFINED_STRING] })],
    ['no JSON', { body: '{', headers: { 'Content-Type': 'application/json' } }, MALFORMED],
    ['a form', form({ primary_email: 'a@example.com', password: PASSWORD }), WRONG_TYPE],
    ['text that is JSON', { json: {}, headers: { 'Content-Type': 'text/plain' } }, WRONG_TYPE],
    ['no body', {}, WRONG_TYPE],
  ])('refuses %s', async (_name, options, expected) => {
    const response = await callWithoutTrace(path, { ...options, method: 'POST' })

    expect(setCookies(response)).toEqual({})
    expect(await answer(response)).toEqual(expected)
  })
})

describe('DELETE /auth/session', () => {
  const path = '/auth/session'
  const CLEARED = {
    access_token: { value: '', attributes: ['Max-Age=0', 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Strict'] },
    refresh_token: { value: '', attributes: ['Max-Age=0', 'Path=/refresh', 'HttpOnly', 'Secure', 'SameSite=Strict'] },
  }

  test('ends the session, takes both cookies back, and leaves every other session alone', async () => {
    const session = await open()
    const other = await open(session.account)
    at(60)
    const response = await worker.call(path, { method: 'DELETE', cookies: { access_token: session.access } })

    expect(setCookies(response)).toEqual(CLEARED)
    expect(await answer(response)).toEqual(DONE)
    expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + 60, revoked_reason: 'signed_out' })
    expect(await EXCHANGES.cookies(worker, session)).toEqual(refused(USED))
    expect((await EXCHANGES.cookies(worker, other)).status).toBe(200)
  })

  test.each([
    ['an expired access token', 9 * DAY_SECONDS],
    ['one that was rotated away', 200],
  ])('works with %s', async (_name, seconds) => {
    const session = await open()
    at(100)
    await renew(session)
    at(seconds)
    const response = await worker.call(path, { method: 'DELETE', cookies: { access_token: session.access } })

    expect(setCookies(response)).toEqual(CLEARED)
    expect(await answer(response)).toEqual(DONE)
    expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + seconds, revoked_reason: 'signed_out' })
  })

  test('answers the same a second time, and the first end stands', async () => {
    const session = await open()
    const options = { method: 'DELETE', cookies: { access_token: session.access } }
    await worker.call(path, options)
    at(60)

    expect(await answer(await callWithoutTrace(path, options))).toEqual(DONE)
  })

  test.each<[string, (session: Opened) => Promise<Record<string, string>>]>([
    ['no cookie', async () => ({})],
    ['an empty cookie', async () => ({ access_token: '' })],
    ['garbage', async () => ({ access_token: 'garbage' })],
    ['a forged copy', async ({ access }) => ({ access_token: await forgedCopy(access) })],
    ['the refresh cookie alone, which browsers do not send here', async ({ refresh }) => ({ refresh_token: refresh })],
  ])('with %s ends nothing, and takes the cookies back all the same', async (_name, cookiesOf) => {
    const session = await open()
    const response = await callWithoutTrace(path, { method: 'DELETE', cookies: await cookiesOf(session) })

    expect(setCookies(response)).toEqual(CLEARED)
    expect(await answer(response)).toEqual(DONE)
  })

  test('signs out even where a neighbouring site planted a second cookie of that name', async () => {
    const session = await open()
    const headers = { Cookie: `access_token=planted; access_token=${session.access}` }
    const response = await worker.call(path, { method: 'DELETE', headers })

    expect(setCookies(response)).toEqual(CLEARED)
    expect(await answer(response)).toEqual(DONE)
    expect(await endOf(session.sid)).toEqual({ revoked_at: T0, revoked_reason: 'signed_out' })
  })

  test('takes the cookies of a plain http loopback back under the attributes that they were set with', async () => {
    const response = await worker.call(path, { method: 'DELETE', origin: 'http://localhost:8787' })

    expect(setCookies(response)).toEqual({
      access_token: { value: '', attributes: ['Max-Age=0', 'Path=/', 'HttpOnly', 'SameSite=Strict'] },
      refresh_token: { value: '', attributes: ['Max-Age=0', 'Path=/refresh', 'HttpOnly', 'SameSite=Strict'] },
    })
  })
})

describe('POST /auth/token/revoke', () => {
  const path = '/auth/token/revoke'

  test.each<[string, (session: Opened) => CallOptions]>([
    ['{token}, a refresh token', ({ refresh }) => ({ json: { token: refresh } })],
    ['{token}, an access token', ({ access }) => ({ json: { token: access } })],
    ['{refresh}, a refresh token', ({ refresh }) => ({ json: { refresh } })],
    ['{refresh}, an access token', ({ access }) => ({ json: { refresh: access } })],
    ['a form with token', ({ refresh }) => form({ token: refresh, token_type_hint: 'refresh_token' })],
    ['a form with refresh', ({ refresh }) => form({ refresh })],
    ['{token} beside fields that it does not know', ({ access }) => ({ json: { token: access, client_id: 7 } })],
  ])('takes %s, and ends that session alone', async (_name, optionsFor) => {
    const session = await open()
    const other = await open(session.account)
    at(60)
    const response = await worker.call(path, { ...optionsFor(session), method: 'POST' })

    expect(setCookies(response)).toEqual({})
    expect(await answer(response)).toEqual(DONE)
    expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + 60, revoked_reason: 'revoked' })
    expect(await endOf(other.sid)).toEqual(LIVE)
  })

  test.each([
    ['used', 11],
    ['expired', 11 * DAY_SECONDS],
  ])('takes a token that is %s: whoever gives a session up may', async (_name, seconds) => {
    for (const type of ['access', 'refresh'] as const) {
      const session = await open()
      at(1)
      await renew(session)
      at(seconds)

      expect(await answer(await worker.call(path, { method: 'POST', json: { token: session[type] } }))).toEqual(DONE)
      expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + seconds, revoked_reason: 'revoked' })
      at(0)
    }
  })

  test('says the same, and writes nothing, for every token that ends nothing', async () => {
    const session = await open()
    const ended = await open(session.account)
    const purged = await open(session.account)
    await worker.call(path, { method: 'POST', json: { token: ended.refresh } })
    await env.DB.prepare('DELETE FROM sessions WHERE sid = ?').bind(purged.sid).run()
    at(60)
    const tokens = {
      'of a session that has ended': ended.refresh,
      'of a session that is gone': purged.refresh,
      'forged refresh': await forgedCopy(session.refresh),
      'forged access': await forgedCopy(session.access),
      'good to the last character': `${session.refresh.slice(0, -1)}${session.refresh.endsWith('A') ? 'E' : 'A'}`,
      'without a signature': session.refresh.split('.').slice(0, 2).join('.'),
      garbage: 'garbage',
      'an unsigned object': `${encodePart({ alg: 'none' })}.${encodePart({ sid: session.sid })}.`,
      empty: '',
    }

    for (const [name, token] of Object.entries(tokens)) {
      for (const options of [{ json: { token } }, { json: { refresh: token } }, form({ token })]) {
        const response = await callWithoutTrace(path, { ...options, method: 'POST' })
        expect({ name, ...(await answer(response)) }).toEqual({ name, ...DONE })
      }
    }
  })

  test.each<[string, BodyOptions, unknown]>([
    ['an empty object', { json: {} }, malformed({ token: ['Or refresh: one is needed'] })],
    [
      'a token that is a number',
      { json: { token: 7 } },
      malformed({ token: ['Invalid input: expected string, received number'] }),
    ],
    ['an empty form', form({}), malformed({ token: ['Or refresh: one is needed'] })],
    ['a form without the field', form({ code: 'x' }), malformed({ token: ['Or refresh: one is needed'] })],
    ['no JSON', { body: '{', headers: { 'Content-Type': 'application/json' } }, MALFORMED],
    ['plain text', { body: 'token=x', headers: { 'Content-Type': 'text/plain' } }, WRONG_TYPE],
    ['a multipart form', { body: 'x', headers: { 'Content-Type': 'multipart/form-data; boundary=x' } }, WRONG_TYPE],
    ['no body', {}, WRONG_TYPE],
  ])('refuses %s', async (_name, options, expected) => {
    expect(await answer(await callWithoutTrace(path, { ...options, method: 'POST' }))).toEqual(expected)
  })

  test('asks for no address of the client', async () => {
    const session = await open()

    expect(
      await answer(await worker.call(path, { method: 'POST', ip: null, json: { token: session.access } })),
    ).toEqual(DONE)
  })
})

function activeToken({ account, sid, jti }: Opened, type: 'access' | 'refresh', iat: number, exp: number) {
  const { id, guid, group, email } = account
  return json({
    active: true,
    token_type: type,
    iss: ORIGIN,
    sub: guid,
    exp,
    iat,
    jti,
    sid,
    user_id: id,
    group,
    username: email,
  })
}

describe('POST /auth/token/introspect', () => {
  const path = '/auth/token/introspect'

  test.each<[string, (token: string) => CallOptions]>([
    ['JSON', (token) => ({ json: { token }, headers: SERVICE })],
    ['a form', (token) => ({ ...form({ token }), headers: { ...form({}).headers, ...SERVICE } })],
  ])('describes a good token of either type, asked in %s', async (_name, optionsFor) => {
    const session = await open(await createAccount(env.DB, { group: 'editors' }))
    at(200)

    expect(
      await answer(await callWithoutTrace(path, { ...optionsFor(session.access), method: 'POST', ip: null })),
    ).toEqual(activeToken(session, 'access', T0, T0 + 300))
    expect(await answer(await callWithoutTrace(path, { ...optionsFor(session.refresh), method: 'POST' }))).toEqual(
      activeToken(session, 'refresh', T0, T0 + 10 * DAY_SECONDS),
    )
  })

  test('names the audience of an access token, and the account as it is by now', async () => {
    const audience = startWorker({ AUDIENCE: 'api' })
    const session = await open(undefined, {}, audience)
    await env.DB.prepare(`UPDATE users SET "group" = 'editors', primary_email = NULL WHERE id = ?`)
      .bind(session.account.id)
      .run()
    const { body } = await introspect(session.access, audience)

    expect(JSON.parse(body)).toMatchObject({ active: true, aud: 'api', group: 'editors', username: null })
    expect(JSON.parse((await introspect(session.refresh, audience)).body)).not.toHaveProperty('aud')
  })

  test('goes by the session, which an access token outlives only by its rotation', async () => {
    const session = await open()
    at(100)
    const next = await renew(session)

    expect(await introspect(session.access)).toEqual(activeToken(session, 'access', T0, T0 + 300))
    expect(await introspect(session.refresh)).toEqual(INACTIVE)
    expect(JSON.parse((await introspect(next.refresh)).body)).toMatchObject({ active: true, sid: session.sid })
  })

  test.each<[string, HeadersInit, unknown]>([
    ['no key', {}, NOT_AUTHENTICATED],
    ['another scheme', { Authorization: `Basic ${TEST_BINDINGS.SERVICE_KEY}` }, NOT_AUTHENTICATED],
    ['an empty key', { Authorization: 'Bearer ' }, NOT_AUTHENTICATED],
    ['a wrong key', { Authorization: 'Bearer wrong' }, FORBIDDEN],
    ['half of the key', { Authorization: `Bearer ${TEST_BINDINGS.SERVICE_KEY.slice(0, 20)}` }, FORBIDDEN],
  ])('tells nothing to a caller with %s', async (_name, headers, expected) => {
    const { access } = await open()

    expect(await answer(await worker.call(path, { method: 'POST', headers, json: { token: access } }))).toEqual(
      expected,
    )
  })

  test('takes no access token for the key, and no key where none is configured', async () => {
    const { access } = await open()
    const headers = { Authorization: `Bearer ${access}` }
    const without = startWorker({ SERVICE_KEY: '' })

    expect(await answer(await worker.call(path, { method: 'POST', headers, json: { token: access } }))).toEqual(
      FORBIDDEN,
    )
    expect(await introspect(access, without)).toEqual(FORBIDDEN)
  })

  test('says no more than inactive of every token that is not good', async () => {
    const session = await open()
    const gone = await open()
    await env.DB.prepare('DELETE FROM sessions WHERE sid = ?').bind(gone.sid).run()
    const tokens = {
      'of a session that is gone': gone.access,
      'forged access': await forgedCopy(session.access),
      'forged refresh': await forgedCopy(session.refresh),
      garbage: 'garbage',
      empty: '',
      'an unsigned object': `${encodePart({ alg: 'none' })}.${encodePart({ sid: session.sid })}.`,
    }

    for (const [name, token] of Object.entries(tokens)) {
      expect({ name, ...(await introspect(token)) }).toEqual({ name, ...INACTIVE })
    }
  })

  test.each([
    ['access', 300],
    ['refresh', 10 * DAY_SECONDS],
  ] as const)('an %s token is inactive from its expiry on, %i s', async (type, seconds) => {
    const session = await open()
    at(seconds - 1)
    expect(await introspect(session[type])).toEqual(activeToken(session, type, T0, T0 + seconds))
    at(seconds)

    expect(await introspect(session[type])).toEqual(INACTIVE)
  })

  test.each<[string, BodyOptions, unknown]>([
    ['no token', { json: {} }, malformed({ token: [UNDEFINED_STRING] })],
    ['a form without one', form({ refresh: 'x' }), malformed({ token: [UNDEFINED_STRING] })],
    ['plain text', { body: 'token=x', headers: { 'Content-Type': 'text/plain' } }, WRONG_TYPE],
  ])('refuses %s', async (_name, options, expected) => {
    const headers = { ...options.headers, ...SERVICE }

    expect(await answer(await worker.call(path, { ...options, method: 'POST', headers }))).toEqual(expected)
  })
})

describe('GET /auth/me', () => {
  test.each([
    ['confirmed', 1_700_000_000, true],
    ['unconfirmed', null, false],
  ])('shows an account that is %s', async (_name, confirmedAt, confirmed) => {
    const account = await createAccount(env.DB, { confirmedAt, group: 'editors' })
    const { access } = await open(account)
    const { email, id, guid, group } = account
    const expected = json({ email, user_id: id, guid, group, confirmed })

    expect(await me(access)).toEqual(expected)
    expect(await answer(await worker.call('/auth/me', { cookies: { access_token: access } }))).toEqual(expected)
  })

  test('shows an account without an e-mail', async () => {
    const account = await createAccount(env.DB, { email: null, confirmedAt: null })
    const { access } = await open(account)

    expect(await me(access)).toEqual(
      json({ email: null, user_id: account.id, guid: account.guid, group: 'user', confirmed: false }),
    )
  })

  test('asks the header before the cookie, and does not fall back to it', async () => {
    const [one, two] = [await open(), await open()]
    const cookies = { access_token: two.access }
    const both = await worker.call('/auth/me', { headers: { Authorization: `Bearer ${one.access}` }, cookies })

    expect(await both.json()).toMatchObject({ guid: one.account.guid })
    const bad = await worker.call('/auth/me', { headers: { Authorization: 'Bearer garbage' }, cookies })
    expect(await answer(bad)).toEqual(MALFORMED)
  })

  test('takes a session whose token was rotated, for as long as that token lasts', async () => {
    const { access, refresh } = await open()
    at(299)
    await renew({ access, refresh })

    expect((await me(access)).status).toBe(200)
    at(300)
    expect(await me(access)).toEqual(NOT_VALID)
  })
})

describe('a protected route', () => {
  const ROUTES = [
    ['GET', '/auth/me'],
    ['GET', '/auth/sessions'],
    ['DELETE', '/auth/sessions'],
    ['DELETE', '/auth/sessions/6f9619ff-8b86-4011-b42d-00c04fc964ff'],
    ['GET', '/auth/places'],
    ['DELETE', '/auth/places/1'],
  ] as const

  test.each(ROUTES)('%s %s refuses whoever is not signed in', async (method, path) => {
    const session = await open()
    const ended = await open()
    await env.DB.prepare("UPDATE sessions SET revoked_at = ?, revoked_reason = 'revoked' WHERE sid = ?")
      .bind(T0, ended.sid)
      .run()
    const callers: readonly [string, CallOptions, unknown][] = [
      ['no token', {}, NOT_AUTHENTICATED],
      ['an empty cookie', { cookies: { access_token: '' } }, NOT_AUTHENTICATED],
      ['another scheme', { headers: { Authorization: 'Basic eDp5' } }, NOT_AUTHENTICATED],
      ['a refresh cookie', { cookies: { refresh_token: session.refresh } }, NOT_AUTHENTICATED],
      ['garbage', { headers: { Authorization: 'Bearer garbage' } }, MALFORMED],
      ['a refresh token', { headers: { Authorization: `Bearer ${session.refresh}` } }, NOT_VALID],
      ['the service key', { headers: SERVICE }, MALFORMED],
      ['a forged copy', { headers: { Authorization: `Bearer ${await forgedCopy(session.access)}` } }, NOT_VALID],
      ['a session that has ended', { cookies: { access_token: ended.access } }, USED],
    ]

    for (const [name, options, expected] of callers) {
      const response = await callWithoutTrace(path, { ...options, method })
      expect({ name, ...(await answer(response)) }).toEqual({ name, ...(expected as object) })
    }
    at(300)
    const expired = await callWithoutTrace(path, { method, cookies: { access_token: session.access } })
    expect(await answer(expired)).toEqual(NOT_VALID)
  })
})

interface Described {
  readonly place?: Readonly<Record<string, unknown>>
  readonly visit?: Readonly<Record<string, unknown>>
  readonly rest?: Readonly<Record<string, unknown>>
}

function describedSession(session: Opened, expected: Described) {
  const place = { ip: HOME, city: null, country: null, network: null, user_agent: null, ...expected.place }
  return {
    sid: session.sid,
    created_at: T0,
    last_used_at: T0,
    expires_at: T0 + 10 * DAY_SECONDS,
    ...place,
    last_seen: { ...place, ...expected.visit },
    current: false,
    ...expected.rest,
  }
}

describe('GET /auth/sessions', () => {
  const path = '/auth/sessions'

  test("lists the account's own live sessions, the last used one first, and marks the current one", async () => {
    const cf = { asn: 64_496, country: 'IS', city: 'Reykjavík', asOrganization: 'Example Net' } as const
    const phone = await open(undefined, { cf, headers: { 'User-Agent': 'Phone/1' }, ip: '2001:DB8::7' })
    const { account } = phone
    at(10)
    const laptop = await open(account)
    at(20)
    const tablet = await open(account, { ip: ELSEWHERE, headers: { 'User-Agent': 'x'.repeat(300) } })
    const [ended, over] = [await open(account), await open(account)]
    await open() // somebody else's
    await worker.call('/auth/token/revoke', { method: 'POST', json: { token: ended.access } })
    await env.DB.prepare('UPDATE sessions SET expires_at = ? WHERE sid = ?')
      .bind(T0 + 20, over.sid)
      .run()
    at(30)
    await renew(laptop, { ip: HOME, cf: { country: 'NO', city: 'Oslo' } })
    const expected = [
      describedSession(laptop, {
        place: { city: 'Oslo', country: 'NO' },
        rest: { created_at: T0 + 10, last_used_at: T0 + 30, expires_at: T0 + 30 + 10 * DAY_SECONDS },
      }),
      describedSession(tablet, {
        place: { ip: ELSEWHERE, user_agent: 'x'.repeat(256) },
        rest: {
          created_at: T0 + 20,
          last_used_at: T0 + 20,
          expires_at: T0 + 20 + 10 * DAY_SECONDS,
          current: true,
        },
      }),
      describedSession(phone, {
        place: {
          ip: '2001:db8::7',
          city: 'Reykjavík',
          country: 'IS',
          network: 'Example Net',
          user_agent: 'Phone/1',
        },
      }),
    ]

    const headers = { Authorization: `Bearer ${tablet.access}` }
    expect(await answer(await callWithoutTrace(path, { headers, ip: ELSEWHERE }))).toEqual(json(expected))
    const home = { cookies: { access_token: phone.access }, ip: '2001:db8::7' }
    expect(await answer(await callWithoutTrace(path, home))).toEqual(
      json(expected.map((one) => ({ ...one, current: one.sid === phone.sid }))),
    )
  })

  test('leaves out what is over by the SESSION_MAX_SECONDS of today', async () => {
    const old = await open()
    at(200)
    const recent = await open(old.account)
    const stricter = startWorker({ SESSION_MAX_SECONDS: '250' })
    at(250)
    const listed = await stricter.call(path, { headers: { Authorization: `Bearer ${recent.access}` } })

    expect(await listed.json()).toEqual([
      describedSession(recent, {
        rest: {
          created_at: T0 + 200,
          last_used_at: T0 + 200,
          expires_at: T0 + 200 + 10 * DAY_SECONDS,
          current: true,
        },
      }),
    ])
  })

  test('shows a visit, from where and with which device, until the session is at home again', async () => {
    const cf = { asn: 64_511, country: 'NZ', city: 'Nelson', asOrganization: 'Far Net' } as const
    const session = await open(undefined, { headers: { 'User-Agent': 'Home/1' } })
    await insertPlace(session.account, `address:${ELSEWHERE}/32`, T0 + DAY_SECONDS)
    at(10)
    const visitor = await renew(session, { ip: ELSEWHERE, cf, headers: { 'User-Agent': 'Visitor/1' } })
    const rest = { last_used_at: T0 + 10, expires_at: T0 + 10 + 10 * DAY_SECONDS, current: true }

    expect(await listedFor(visitor)).toEqual([
      describedSession(session, {
        place: { user_agent: 'Home/1' },
        visit: { ip: ELSEWHERE, city: 'Nelson', country: 'NZ', network: 'Far Net', user_agent: 'Visitor/1' },
        rest,
      }),
    ])
    const back = await renew(visitor, { headers: { 'User-Agent': 'Home/2' } })
    expect(await listedFor(back)).toEqual([describedSession(session, { place: { user_agent: 'Home/2' }, rest })])
  })
})

async function listedFor({ access }: Tokens) {
  const response = await worker.call('/auth/sessions', { headers: { Authorization: `Bearer ${access}` } })
  return response.json()
}

function removeSession(by: Opened, sid: string, options: CallOptions = {}) {
  const cookies = { access_token: by.access }
  return worker.call(`/auth/sessions/${sid}`, { cookies, ...options, method: 'DELETE' })
}

describe('DELETE /auth/sessions/{sid}', () => {
  test('ends one of the account, and no other', async () => {
    const current = await open()
    const [lost, kept, foreign] = [await open(current.account), await open(current.account), await open()]
    at(60)
    const response = await removeSession(current, lost.sid)

    expect(setCookies(response)).toEqual({})
    expect(await answer(response)).toEqual(DONE)
    expect(await endOf(lost.sid)).toEqual({ revoked_at: T0 + 60, revoked_reason: 'revoked' })
    for (const { sid } of [current, kept, foreign]) expect(await endOf(sid)).toEqual(LIVE)
    expect(await EXCHANGES.json(worker, lost)).toEqual(refused(USED))
  })

  test('may end the current one', async () => {
    const current = await open()

    expect(await answer(await removeSession(current, current.sid))).toEqual(DONE)
    expect(await me(current.access)).toEqual(USED)
  })

  test('takes a bearer token as well as the cookie', async () => {
    const current = await open()
    const other = await open(current.account)
    const headers = { Authorization: `Bearer ${current.access}` }
    const path = `/auth/sessions/${other.sid}`

    expect(await answer(await worker.call(path, { method: 'DELETE', headers }))).toEqual(DONE)
    expect(await endOf(other.sid)).toEqual({ revoked_at: T0, revoked_reason: 'revoked' })
  })

  test('answers 404, and changes nothing, for a session that is not a live one of the account', async () => {
    const current = await open()
    const [foreign, ended, expired] = [await open(), await open(current.account), await open(current.account)]
    expect((await removeSession(current, ended.sid)).status).toBe(204)
    await env.DB.prepare('UPDATE sessions SET expires_at = ? WHERE sid = ?').bind(T0, expired.sid).run()
    const sids = {
      foreign: foreign.sid,
      ended: ended.sid,
      expired: expired.sid,
      unknown: crypto.randomUUID(),
      'no sid at all': 'x',
      'any of them': '%25',
      'not text': '%E0%A4%A',
    }

    for (const [name, sid] of Object.entries(sids)) {
      const path = `/auth/sessions/${sid}`
      const response = await callWithoutTrace(path, { method: 'DELETE', cookies: { access_token: current.access } })
      expect({ name, ...(await answer(response)) }).toEqual({ name, ...NOT_FOUND })
    }
  })
})

describe('DELETE /auth/sessions', () => {
  test.each<[string, (token: string) => CallOptions]>([
    ['the cookie', (token) => ({ cookies: { access_token: token } })],
    ['a bearer token', (token) => ({ headers: { Authorization: `Bearer ${token}` } })],
  ])('ends all of the account but the one that asks, by %s', async (_name, optionsFor) => {
    const current = await open()
    const others = [await open(current.account), await open(current.account), await open(current.account)]
    const foreign = await open()
    at(60)

    expect(
      await answer(await worker.call('/auth/sessions', { ...optionsFor(current.access), method: 'DELETE' })),
    ).toEqual(DONE)
    for (const other of others) {
      expect(await me(other.access)).toEqual(USED)
      expect(await EXCHANGES.json(worker, other)).toEqual(refused(USED))
    }
    expect((await EXCHANGES.cookies(worker, foreign)).status).toBe(200)
    expect((await EXCHANGES.cookies(worker, current)).status).toBe(200)
  })

  test('leaves alone what had ended before, and answers the same where there is nothing to end', async () => {
    const current = await open()
    const ended = await open(current.account)
    await worker.call('/auth/token/revoke', { method: 'POST', json: { token: ended.access } })
    at(60)

    const { sessions: before } = await dumpTables(env.DB)
    const options = { method: 'DELETE', cookies: { access_token: current.access } }
    for (let i = 0; i < 2; i += 1) expect(await answer(await worker.call('/auth/sessions', options))).toEqual(DONE)
    expect((await dumpTables(env.DB))['sessions']).toEqual(before)
    expect((await me(current.access)).status).toBe(200)
  })
})

async function insertPlace(account: TestAccount, place: string, expiresAt: number) {
  const row = await env.DB.prepare(
    `INSERT INTO allowed_places (user_id, place, country, city, network, created_at, expires_at)
     VALUES (?, ?, 'NZ', 'Nelson', 'Far Net', ?, ?) RETURNING id`,
  )
    .bind(account.id, place, T0, expiresAt)
    .first<{ id: number }>()
  return row?.id ?? 0
}

function listPlaces({ access }: Opened) {
  return callWithoutTrace('/auth/places', { cookies: { access_token: access } })
}

describe('/auth/places', () => {
  test("lists the account's own, until they expire", async () => {
    const session = await open()
    const first = await insertPlace(session.account, `address:${ELSEWHERE}/32`, T0 + 20)
    const second = await insertPlace(session.account, 'country:NZ', T0 + 21)
    await insertPlace((await open()).account, 'country:NZ', T0 + 99)
    const shared = { city: 'Nelson', country: 'NZ', network: 'Far Net', created_at: T0 }
    const [one, two] = [
      { id: first, place: `address:${ELSEWHERE}/32`, ...shared, expires_at: T0 + 20 },
      { id: second, place: 'country:NZ', ...shared, expires_at: T0 + 21 },
    ]

    at(19)
    expect(await answer(await listPlaces(session))).toEqual(json([one, two]))
    at(20)
    expect(await answer(await listPlaces(session))).toEqual(json([two]))
    at(21)
    expect(await answer(await listPlaces(session))).toEqual(json([]))
  })

  test('takes one back: a refresh from there is blocked again', async () => {
    const session = await open()
    const id = await insertPlace(session.account, `address:${ELSEWHERE}/32`, T0 + DAY_SECONDS)
    const kept = await insertPlace(session.account, 'address:192.0.2.1/32', T0 + DAY_SECONDS)
    const next = await renew(session, { ip: ELSEWHERE })
    const response = await worker.call(`/auth/places/${id}`, {
      method: 'DELETE',
      cookies: { access_token: next.access },
    })

    expect(await answer(response)).toEqual(DONE)
    expect(await EXCHANGES.json(worker, next, { ip: ELSEWHERE })).toEqual(refused(BLOCKED))
    const again = await open(session.account)
    expect(await (await listPlaces(again)).json()).toMatchObject([{ id: kept }])
  })

  test('answers 404, and changes nothing, for a place that is not one of the account', async () => {
    const session = await open()
    const foreign = await insertPlace((await open()).account, 'country:NZ', T0 + DAY_SECONDS)

    for (const id of [String(foreign), '999999', '0', '-1', 'x', '1e3', '9'.repeat(15), '9'.repeat(16)]) {
      const options = { method: 'DELETE', cookies: { access_token: session.access } }
      expect({ id, ...(await answer(await callWithoutTrace(`/auth/places/${id}`, options))) }).toEqual({
        id,
        ...NOT_FOUND,
      })
    }
  })
})

describe('a cross-site request with cookies', () => {
  test.each<[string, string, BodyOptions]>([
    ['GET', '/refresh', {}],
    ['POST', '/refresh', {}],
    ['POST', '/refresh', form({})],
    ['POST', '/auth/session', { json: { primary_email: 'a@example.com', password: PASSWORD } }],
    ['POST', '/auth/session', form({ primary_email: 'a@example.com', password: PASSWORD })],
    ['DELETE', '/auth/session', {}],
    ['DELETE', '/auth/sessions', {}],
    ['DELETE', '/auth/sessions/:other', {}],
    ['DELETE', '/auth/places/:place', {}],
  ])('%s %s is forbidden, changes nothing and sets nothing', async (method, path, options) => {
    const session = await open()
    const other = await open(session.account)
    const place = await insertPlace(session.account, 'country:NZ', T0 + DAY_SECONDS)
    const target = path.replace(':other', other.sid).replace(':place', String(place))
    const headers = { Accept: 'application/json', ...options.headers, 'Sec-Fetch-Site': 'cross-site' }
    const cookies = { access_token: session.access, refresh_token: session.refresh }
    const response = await callWithoutTrace(target, { ...options, method, headers, cookies })

    expect(setCookies(response)).toEqual({})
    expect(await answer(response)).toEqual(FORBIDDEN)
  })
})

/** The log of this test about a session. */
function causes(sid: string): readonly unknown[] {
  return logged.mock.calls
    .map(([event]) => event as Readonly<Record<string, unknown>>)
    .filter((event) => event['sid'] === sid)
    .map((event) => event['cause'])
}

function expectSame(got: Tokens | null, next: Tokens): void {
  expect(got?.refresh).toBe(next.refresh)
  expect(got && decodeToken(got.access)).toEqual(decodeToken(next.access))
}

describe('within REFRESH_REUSE_SECONDS', () => {
  const replaying = startWorker({ REFRESH_REUSE_SECONDS: '10' })

  describe.each(['cookies', 'json'] as const)('in %s, the token just rotated away', (transport) => {
    const refresh = EXCHANGES[transport]

    async function rotated(options: CallOptions = {}, by: TestWorker = replaying) {
      const session = await open(undefined, options, by)
      at(400)
      const { tokens } = await refresh(by, session, options)
      if (tokens === null) throw new Error('not rotated')
      return { session, next: tokens }
    }

    test('gets the same pair again, as often as it comes, and nothing is written', async () => {
      const { session, next } = await rotated()
      const before = await dumpTables(env.DB)

      for (const seconds of [400, 401, 405, 410]) {
        at(seconds)
        const again = await refresh(replaying, session)
        expect(again.status).toBe(200)
        expectSame(again.tokens, next)
      }
      expect(await dumpTables(env.DB)).toEqual(before)
      expect(causes(session.sid)).toEqual(['replayed', 'replayed', 'replayed', 'replayed'])
      expect(logged.mock.calls[0]).toEqual([{ event: 'refreshed', cause: 'replayed', sid: session.sid }])
      expect((await refresh(replaying, next)).status).toBe(200)
    })

    test('and eight parallel callers all get one pair, and again', async () => {
      const session = await open(undefined, {}, replaying)
      at(400)
      const first = await Promise.all(Array.from({ length: 8 }, () => refresh(replaying, session)))
      at(403)
      const second = await Promise.all(Array.from({ length: 8 }, () => refresh(replaying, session)))
      const next = first[0]?.tokens ?? session

      expect(next.refresh).not.toBe(session.refresh)
      for (const { status, tokens } of [...first, ...second]) {
        expect(status).toBe(200)
        expectSame(tokens, next)
      }
      expect(causes(session.sid)).toEqual(Array.from({ length: 15 }, () => 'replayed'))
      expect((await refresh(replaying, next)).status).toBe(200)
    })

    test('gets nothing once its successor was rotated: then it is reuse', async () => {
      const { session, next } = await rotated()
      const { tokens: third } = await refresh(replaying, next)

      expect(await refresh(replaying, session)).toEqual(refused(USED))
      expect(causes(session.sid)).toEqual(['reused'])
      expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + 400, revoked_reason: 'reuse' })
      expect(await refresh(replaying, third ?? next)).toEqual(refused(USED))
    })

    test('gets nothing after the window: then it is reuse', async () => {
      const { session, next } = await rotated()
      at(411)

      expect(await refresh(replaying, session)).toEqual(refused(USED))
      expect(causes(session.sid)).toEqual(['reused'])
      expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + 411, revoked_reason: 'reuse' })
      expect(await refresh(replaying, next)).toEqual(refused(USED))
    })

    test('gets nothing after a window of 5 s, where it is still a race', async () => {
      const short = startWorker({ REFRESH_REUSE_SECONDS: '5' })
      const { session, next } = await rotated({}, short)
      at(405)
      expectSame((await refresh(short, session)).tokens, next)
      at(406)

      expect(await refresh(short, session)).toEqual(refused(USED))
      expect(causes(session.sid)).toEqual(['replayed', 'race'])
      expect((await refresh(short, next)).status).toBe(200)
    })

    test('ends the session where it comes from elsewhere, however short or long ago', async () => {
      const long = startWorker({ REFRESH_REUSE_SECONDS: '60' })
      const { session, next } = await rotated({}, long)
      at(401)
      expectSame((await refresh(long, session)).tokens, next)

      expect(await refresh(long, session, { ip: ELSEWHERE })).toEqual(refused(USED))
      expect(causes(session.sid)).toEqual(['replayed', 'reused'])
      expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + 401, revoked_reason: 'reuse' })
      expect(await refresh(long, next)).toEqual(refused(USED))
    })

    test('gets nothing for a session that was ended, or an account that was deactivated', async () => {
      const [one, two] = [await rotated(), await rotated()]
      await replaying.call('/auth/token/revoke', { method: 'POST', json: { token: one.next.refresh } })
      await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(two.session.account.id).run()

      expect(await refresh(replaying, one.session)).toEqual(refused(USED))
      expect(await refresh(replaying, two.session)).toEqual(refused(NO_ACCOUNT))
    })

    test('is in the same place as the place policy has it', async () => {
      const { session, next } = await rotated({ ip: '2001:db8:1:2::7' })

      expectSame((await refresh(replaying, session, { ip: '2001:db8:1:2::8' })).tokens, next)
      expect(await refresh(replaying, session, { ip: '2001:db8:1:3::7' })).toEqual(refused(USED))
    })

    test('costs one round trip', async () => {
      const { session } = await rotated()
      const { database, roundTrips, reset } = countRoundTrips(env.DB)
      const counted = startWorker({ REFRESH_REUSE_SECONDS: '10', DB: database })
      reset()

      expect((await refresh(counted, session)).status).toBe(200)
      expect(roundTrips()).toBe(1)
    })
  })

  test('a pair that one transport rotated is replayed by the other', async () => {
    const session = await open(undefined, {}, replaying)
    at(400)
    const { tokens: next } = await EXCHANGES.cookies(replaying, session)
    const { tokens: again } = await EXCHANGES.json(replaying, session)

    expect(again?.refresh).toBe(next?.refresh)
  })

  test('nothing is stored but jti and times', async () => {
    const session = await open(undefined, {}, replaying)
    at(400)
    const next = await renew(session, {}, replaying)
    await renew(session, {}, replaying)
    const { jti } = claimsOf(next.refresh)

    expect(await sessionRow(session.sid)).toEqual({
      sid: session.sid,
      user_id: session.account.id,
      jti,
      issued_at: T0 + 400,
      previous_jti: session.jti,
      rotated_at: T0 + 400,
      expires_at: T0 + 400 + 10 * DAY_SECONDS,
      created_at: T0,
      ...LIVE,
      ip: HOME,
      asn: null,
      country: null,
      city: null,
      network: null,
      user_agent: null,
      visit_ip: null,
      visit_country: null,
      visit_city: null,
      visit_network: null,
      visit_user_agent: null,
    })
    expect(jti).toMatch(UUID)
  })
})

describe('LOCATION_POLICY', () => {
  const POLICIES = ['address', 'subnet', 'asn', 'country', 'off'] as const
  type Policy = (typeof POLICIES)[number]
  const workers = Object.fromEntries(POLICIES.map((policy) => [policy, startWorker({ LOCATION_POLICY: policy })])) as {
    readonly [Name in Policy]: TestWorker
  }
  const at4 = { ip: '203.0.113.7', cf: { asn: 64_496, country: 'IS' } } as const
  const at6 = { ip: '2001:db8:1:2::7', cf: { asn: 64_496, country: 'IS' } } as const
  const far = { asn: 64_511, country: 'NZ' } as const

  const MOVES: readonly [string, CallOptions, CallOptions, readonly Policy[]][] = [
    ['stays where it is', at4, at4, POLICIES],
    ['keeps its address, of which Cloudflare says something else', at4, { ...at4, cf: far }, POLICIES],
    ['keeps its address, of which nothing is known any more', at4, { ip: at4.ip }, POLICIES],
    ['keeps its address, written as IPv6', at4, { ...at4, ip: '::FFFF:203.0.113.7', cf: far }, POLICIES],
    ['moves within a /24', at4, { ip: '203.0.113.255', cf: far }, ['subnet', 'off']],
    ['moves to the next /24', at4, { ip: '203.0.114.7', cf: far }, ['off']],
    ['moves within a /64', at6, { ip: '2001:DB8:1:2:FFFF::1', cf: far }, POLICIES],
    ['moves within a /48', at6, { ip: '2001:db8:1:3::7', cf: far }, ['subnet', 'off']],
    ['moves to the next /48', at6, { ip: '2001:db8:2:2::7', cf: far }, ['off']],
    ['changes from IPv4 to IPv6', at4, { ...at6, cf: far }, ['off']],
    ['moves within its network', at4, { ip: ELSEWHERE, cf: { asn: 64_496, country: 'NZ' } }, ['asn', 'off']],
    ['moves within its country', at4, { ip: ELSEWHERE, cf: { asn: 64_511, country: 'IS' } }, ['country', 'off']],
    ['moves within both', at4, { ip: ELSEWHERE, cf: at4.cf }, ['asn', 'country', 'off']],
    ['moves to where nothing is known', at4, { ip: ELSEWHERE }, ['off']],
    ['moves out of where nothing was known', { ip: HOME }, { ip: ELSEWHERE, cf: at4.cf }, ['off']],
    ['moves from unknown to unknown', { ip: HOME }, { ip: ELSEWHERE }, ['off']],
  ]
  const rows = MOVES.flatMap(([name, from, to, allowing]) =>
    POLICIES.map((policy) => [name, policy, allowing.includes(policy) ? 'kept' : 'blocked', from, to] as const),
  )

  test.each(rows)('a client that %s is, under %s, %s', async (_name, policy, outcome, from, to) => {
    const by = workers[policy]
    const session = await open(undefined, from, by)
    const got = await EXCHANGES.json(by, session, to)

    if (outcome === 'kept') {
      expect(got.status).toBe(200)
      expect(await endOf(session.sid)).toEqual(LIVE)
      // It is at home there now.
      expect((await EXCHANGES.json(by, got.tokens ?? session, to)).status).toBe(200)
      return
    }
    expect(got).toEqual(refused(BLOCKED))
    expect(await endOf(session.sid)).toEqual({ revoked_at: T0, revoked_reason: 'location' })
    expect(await EXCHANGES.json(by, session, from)).toEqual(refused(USED))
  })

  const pairs = POLICIES.flatMap((before) => POLICIES.map((after) => [before, after] as const))

  test.each(pairs)('changed from %s to %s signs nobody out', async (before, after) => {
    const session = await open(undefined, at4, workers[before])
    const known = await renew(session, at4, workers[before])
    const unknown = await open(undefined, { ip: HOME }, workers[before])
    const old = await open(undefined, at4, workers[before])

    const later = await renew(known, at4, workers[after])
    await renew(later, at4, workers[after])
    await renew(unknown, at4, workers[after])
    // Cloudflare may not know today what it knew then.
    await renew(old, { ip: HOME }, workers[after])
  })

  test.each(pairs)('changed from %s to %s goes by where a client had moved to', async (before, after) => {
    const moves: Readonly<Record<Policy, CallOptions>> = {
      address: at4,
      subnet: { ip: '203.0.113.99', cf: far },
      asn: { ip: ELSEWHERE, cf: { asn: 64_496, country: 'NZ' } },
      country: { ip: ELSEWHERE, cf: { asn: 64_511, country: 'IS' } },
      off: { ip: ELSEWHERE, cf: far },
    }
    const session = await open(undefined, at4, workers[before])
    const moved = await renew(session, moves[before], workers[before])

    expect(claimsOf(moved.refresh)).toMatchObject({ ip: moves[before].ip })
    await renew(moved, moves[before], workers[after])
  })

  test('changed from country to address blocks the place that the client had left', async () => {
    const there = { ip: ELSEWHERE, cf: at4.cf }
    const session = await open(undefined, at4, workers.country)
    const moved = await renew(session, there, workers.country)

    expect(await EXCHANGES.json(workers.address, moved, at4)).toEqual(refused(BLOCKED))
  })

  test('changed to country learns the country of a session from its next refresh', async () => {
    const session = await open(undefined, { ip: HOME }, workers.address)
    const known = await renew(session, at4, workers.country)

    await renew(known, { ip: ELSEWHERE, cf: { country: 'IS' } }, workers.country)
  })

  test('does not forget a country or a network that Cloudflare does not know for once', async () => {
    const session = await open(undefined, at4, workers.asn)
    const next = await renew(session, { ip: HOME }, workers.asn)

    await renew(next, { ip: ELSEWHERE, cf: { asn: 64_496 } }, workers.asn)
  })
})

async function deactivate({ account }: Opened) {
  await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(account.id).run()
}

describe('a session that is over', () => {
  const stricter = startWorker({ SESSION_MAX_SECONDS: '200' })

  const ENDS: readonly [string, ReturnType<typeof problem>, (session: Opened) => Promise<TestWorker>][] = [
    [
      'its absolute lifetime, as it is today, is over',
      USED,
      async () => {
        at(200)
        return stricter
      },
    ],
    ['its account was deactivated', NO_ACCOUNT, (session) => deactivate(session).then(() => worker)],
    [
      'its account was deleted',
      NO_ACCOUNT,
      async ({ account }) => {
        await env.DB.prepare('DELETE FROM users WHERE id = ?').bind(account.id).run()
        return worker
      },
    ],
    [
      'it was revoked',
      USED,
      async ({ access }) => {
        await worker.call('/auth/token/revoke', { method: 'POST', json: { token: access } })
        return worker
      },
    ],
    [
      'it was purged',
      USED,
      async ({ sid }) => {
        await env.DB.prepare('DELETE FROM sessions WHERE sid = ?').bind(sid).run()
        return worker
      },
    ],
  ]

  test.each(ENDS)('because %s shows at me, introspection and both refreshes', async (_name, expected, end) => {
    const session = await open()
    at(199)
    expect((await me(session.access, stricter)).status).toBe(200)
    expect(JSON.parse((await introspect(session.refresh, stricter)).body)).toMatchObject({ active: true })
    const by = await end(session)

    expect(await me(session.access, by)).toEqual(expected)
    expect(await introspect(session.access, by)).toEqual(INACTIVE)
    expect(await introspect(session.refresh, by)).toEqual(INACTIVE)
    expect(await EXCHANGES.cookies(by, session)).toEqual(refused(expected))
    // The refusal of an inactive account ended the session.
    expect(await EXCHANGES.json(by, session)).toEqual(refused(await afterRefusal(session, expected)))
  })

  async function afterRefusal({ sid }: Opened, expected: ReturnType<typeof problem>) {
    if (expected !== NO_ACCOUNT) return expected
    expect(await endOf(sid)).toMatchObject({ revoked_reason: 'inactive' })
    return USED
  }

  test('an account that comes back does not bring its refused sessions back', async () => {
    const [refreshed, asleep] = [await open(), await open()]
    for (const session of [refreshed, asleep]) await deactivate(session)
    await EXCHANGES.json(worker, refreshed)
    await env.DB.prepare('UPDATE users SET is_active = 1').run()

    expect(await EXCHANGES.json(worker, refreshed)).toEqual(refused(USED))
    expect((await EXCHANGES.json(worker, asleep)).status).toBe(200)
  })

  test('SESSION_MAX_SECONDS after its sign-in, whatever was refreshed: no token outlives it', async () => {
    const short = startWorker({ SESSION_MAX_SECONDS: '600' })
    const session = await open(undefined, {}, short)
    at(599)
    const last = await renew(session, {}, short)

    expect(claimsOf(last.access)).toMatchObject({ iat: T0 + 599, exp: T0 + 600 })
    expect(claimsOf(last.refresh)).toMatchObject({ iat: T0 + 599, exp: T0 + 600 })
    expect((await me(last.access, short)).status).toBe(200)
    at(600)
    expect(await me(last.access, short)).toEqual(NOT_VALID)
    expect(await introspect(last.refresh, short)).toEqual(INACTIVE)
    expect(await EXCHANGES.json(short, last)).toEqual(refused(NOT_VALID))
    expect(await EXCHANGES.cookies(short, last)).toEqual(refused(NOT_VALID))
  })
})

describe('round trips to D1', () => {
  const { database, roundTrips, reset } = countRoundTrips(env.DB)
  const counted = startWorker({ DB: database })

  async function cost(path: string, options: CallOptions): Promise<{ status: number; roundTrips: number }> {
    reset()
    const { status } = await counted.call(path, options)
    return { status, roundTrips: roundTrips() }
  }

  test.each<[string, string, (session: Opened) => CallOptions, { status: number; roundTrips: number }]>([
    ['POST', '/auth/token/revoke', ({ refresh }) => ({ json: { refresh } }), { status: 204, roundTrips: 1 }],
    ['POST', '/auth/token/revoke', () => ({ json: { token: 'garbage' } }), { status: 204, roundTrips: 0 }],
    [
      'POST',
      '/auth/token/introspect',
      ({ access }) => ({ json: { token: access }, headers: SERVICE }),
      { status: 200, roundTrips: 1 },
    ],
    [
      'POST',
      '/auth/token/introspect',
      () => ({ json: { token: 'garbage' }, headers: SERVICE }),
      { status: 200, roundTrips: 0 },
    ],
    ['GET', '/auth/me', ({ access }) => ({ cookies: { access_token: access } }), { status: 200, roundTrips: 1 }],
    ['GET', '/auth/me', () => ({ cookies: { access_token: 'x.y.z' } }), { status: 400, roundTrips: 0 }],
    [
      'DELETE',
      '/auth/session',
      ({ access }) => ({ cookies: { access_token: access } }),
      { status: 204, roundTrips: 1 },
    ],
    ['GET', '/auth/sessions', ({ access }) => ({ cookies: { access_token: access } }), { status: 200, roundTrips: 2 }],
    [
      'DELETE',
      '/auth/sessions',
      ({ access }) => ({ cookies: { access_token: access } }),
      { status: 204, roundTrips: 2 },
    ],
    ['GET', '/auth/places', ({ access }) => ({ cookies: { access_token: access } }), { status: 200, roundTrips: 2 }],
  ])('%s %s', async (method, path, optionsFor, expected) => {
    const session = await open()

    expect(await cost(path, { ...optionsFor(session), method })).toEqual(expected)
  })

  test('2 for POST /auth/session', async () => {
    const { email } = await createAccount(env.DB)
    const options = { method: 'POST', json: { primary_email: email, password: PASSWORD } }

    expect(await cost('/auth/session', options)).toEqual({ status: 200, roundTrips: 2 })
  })
})
