/** The JSON transport: sign-in with a password, refresh, verification, public keys, and what each costs in D1. */

import { env } from 'cloudflare:workers'
import { calculateJwkThumbprint, createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createAccount, dumpTables, HASHES, PASSWORD } from '../../support/accounts.ts'
import { COMMON, problem } from '../../support/answers.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { at, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { decodeToken, testKeys } from '../../support/forge.ts'
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
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const CURRENT_HASH = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/

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

interface Tokens {
  readonly access: string
  readonly refresh: string
}

/** An answer whole: its status, every header, and its body to the byte. */
async function answer(response: Response) {
  const { status, headers } = response
  return { status, headers: Object.fromEntries(headers), body: await response.text() }
}

const EMPTY_OK = { status: 200, headers: COMMON, body: '' }

const USED = problem(401, 'Unauthorized', 'Token used before', 'token_used')
const NOT_VALID = problem(401, 'Unauthorized', 'Not valid token', 'token_not_valid')
const BLOCKED = problem(401, 'Unauthorized', "You're location is blocked", 'location_blocked')
const NO_ACCOUNT = problem(
  401,
  'Unauthorized',
  'No active account found with the given credentials',
  'no_active_account',
)
const MALFORMED = problem(400, 'Bad Request', 'Wrong data structure', 'wrong_data_structure')
const UNAVAILABLE = problem(503, 'Service Unavailable', 'Service unavailable', 'unavailable', {
  headers: { 'retry-after': '1' },
})

function post(path: string, json: unknown, options: CallOptions = {}, by: TestWorker = worker) {
  return by.call(path, { ...options, method: 'POST', json })
}

function signIn(email: string | null, password: string = PASSWORD, by: TestWorker = worker) {
  return post('/auth/token', { primary_email: email, password }, {}, by)
}

function refresh(token: string, options: CallOptions = {}, by: TestWorker = worker) {
  return post('/auth/token/refresh', { refresh: token }, options, by)
}

function verify(token: string, by: TestWorker = worker) {
  return post('/auth/token/verify', { token }, {}, by)
}

/** A fresh session, without the 67 ms that a password takes. */
async function open(options: CallOptions = {}, guid: string = crypto.randomUUID(), by: TestWorker = worker) {
  const pair = pairOf(await by.call(`/${guid}`, options))
  return { guid, access: pair.access_token, refresh: pair.refresh_token }
}

/** The pair in an answer of 200, after a look at everything else in it. */
async function granted(response: Response, account: { email: string | null; user_id: unknown; group: string }) {
  const { status, headers, body } = await answer(response)
  expect({ status, headers }).toEqual({ status: 200, headers: { ...COMMON, 'content-type': 'application/json' } })
  const { access, refresh: next, ...rest } = JSON.parse(body) as Tokens & Record<string, unknown>
  expect(rest).toEqual(account)
  return { access, refresh: next }
}

function claimsOf(token: string): Record<string, unknown> {
  return decodeToken(token).payload
}

function describeAccount({ email, id, group }: { email: string | null; id: number; group: string }) {
  return { email, user_id: id, group }
}

async function storedHash(id: number): Promise<unknown> {
  return env.DB.prepare('SELECT password_hash FROM users WHERE id = ?').bind(id).first('password_hash')
}

describe('POST /auth/token', () => {
  test('hands out a pair, and whom it is for', async () => {
    const account = await createAccount(env.DB, { group: 'editors' })
    const tokens = await granted(await signIn(account.email), describeAccount(account))

    const shared = {
      iss: ORIGIN,
      sub: account.guid,
      id: account.id,
      guid: account.guid,
      sid: expect.stringMatching(UUID) as string,
      jti: expect.stringMatching(UUID) as string,
      iat: T0,
    }
    const { sid, jti } = claimsOf(tokens.access)
    expect(claimsOf(tokens.access)).toEqual({ ...shared, exp: T0 + 300, group: 'editors', token_type: 'access' })
    expect(claimsOf(tokens.refresh)).toEqual({
      ...shared,
      sid,
      jti,
      exp: T0 + 10 * DAY_SECONDS,
      ip: HOME,
      token_type: 'refresh',
    })
    const { results } = await env.DB.prepare('SELECT sid, jti, ip FROM sessions WHERE user_id = ?')
      .bind(account.id)
      .all()
    expect(results).toEqual([{ sid, jti, ip: HOME }])
    const stored = JSON.stringify(await dumpTables(env.DB))
    const secrets = [...tokens.access.split('.'), ...tokens.refresh.split('.'), PASSWORD]
    expect(secrets.filter((secret) => stored.includes(secret))).toEqual([])
  })

  test('says the same to the byte, and writes nothing, whatever is wrong', async () => {
    const good = await createAccount(env.DB)
    const inactive = await createAccount(env.DB, { isActive: false })
    const unconfirmed = await createAccount(env.DB, { confirmedAt: null })
    const without = await createAccount(env.DB, { passwordHash: null })
    const outdated = await createAccount(env.DB, { passwordHash: HASHES.scrypt })
    const unreadable = await createAccount(env.DB, { passwordHash: PASSWORD })
    const costly = await createAccount(env.DB, {
      passwordHash: HASHES.current.replace('m=19456', 'm=4194304'),
    })
    const before = await dumpTables(env.DB)

    const answers = {
      'unknown e-mail': await answer(await signIn('nobody@example.com')),
      'wrong password': await answer(await signIn(good.email, 'wrong')),
      'wrong password of an outdated hash': await answer(await signIn(outdated.email, 'wrong')),
      'no password set': await answer(await signIn(without.email)),
      'no password set, the word null': await answer(await signIn(without.email, 'null')),
      inactive: await answer(await signIn(inactive.email)),
      'inactive, wrong password': await answer(await signIn(inactive.email, 'wrong')),
      unconfirmed: await answer(await signIn(unconfirmed.email)),
      'a hash that cannot be read': await answer(await signIn(unreadable.email)),
      'a hash that costs too much': await answer(await signIn(costly.email)),
      'the hash for a password': await answer(await signIn(good.email, HASHES.current)),
    }

    for (const [name, got] of Object.entries(answers)) expect({ name, ...got }).toEqual({ name, ...NO_ACCOUNT })
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test.each([
    ['upper case', (email: string) => email.toUpperCase()],
    ['spaces around', (email: string) => `  ${email}\t`],
    ['a decomposed letter', (email: string) => email.normalize('NFD')],
  ])('finds an e-mail with %s', async (_name, spell) => {
    const account = await createAccount(env.DB, { email: `zo\u00eb-${crypto.randomUUID()}@example.com` })

    await granted(await signIn(spell(String(account.email))), describeAccount(account))
  })

  test('takes a password that arrives byte by byte', async () => {
    const account = await createAccount(env.DB)
    const bytes = new TextEncoder().encode(JSON.stringify({ primary_email: account.email, password: PASSWORD }))
    expect(bytes.length).toBeGreaterThan(String.fromCharCode(...bytes).replace(/[\x80-\xff]/g, '').length)
    const body = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    const headers = { 'Content-Type': 'application/json' }
    await granted(await worker.call('/auth/token', { method: 'POST', body, headers }), describeAccount(account))
  })

  test('takes a password whose letters were composed differently', async () => {
    const account = await createAccount(env.DB)

    expect(PASSWORD.normalize('NFD')).not.toBe(PASSWORD)
    await granted(await signIn(account.email, PASSWORD.normalize('NFD')), describeAccount(account))
  })

  test.each([
    ['a space before', ` ${PASSWORD}`],
    ['a space after', `${PASSWORD} `],
    ['a line break after', `${PASSWORD}\n`],
    ['a NUL and more after', `${PASSWORD}\u0000x`],
    ['upper case', PASSWORD.toUpperCase()],
    ['its last letter cut', PASSWORD.slice(0, -1)],
    ['no accent', PASSWORD.normalize('NFD').slice(0, -1)],
    ['a letter that only looks compatible', PASSWORD.replace('c', '\uff43')],
  ])('refuses a password with %s', async (_name, password) => {
    const account = await createAccount(env.DB)

    expect(await answer(await signIn(account.email, password))).toEqual(NO_ACCOUNT)
  })

  test.each(['weakArgon2id', 'strongArgon2id', 'scrypt', 'pbkdf2Sha256', 'pbkdf2Sha512'] as const)(
    'accepts a hash of the kind %s, and replaces it once',
    async (kind) => {
      const account = await createAccount(env.DB, { passwordHash: HASHES[kind] })
      await granted(await signIn(account.email), describeAccount(account))
      const replaced = await storedHash(account.id)

      expect(replaced).toMatch(CURRENT_HASH)
      await granted(await signIn(account.email), describeAccount(account))
      expect(await storedHash(account.id)).toBe(replaced)
    },
  )

  test('gives every replaced hash a salt of its own', async () => {
    const accounts = [
      await createAccount(env.DB, { passwordHash: HASHES.pbkdf2Sha256 }),
      await createAccount(env.DB, { passwordHash: HASHES.pbkdf2Sha256 }),
    ]
    for (const account of accounts) await granted(await signIn(account.email), describeAccount(account))
    const [one, two] = await Promise.all(accounts.map(({ id }) => storedHash(id)))

    expect(one).not.toBe(two)
  })

  test('leaves the account as it was when its hash is current', async () => {
    const account = await createAccount(env.DB)
    const before = await dumpTables(env.DB)
    await granted(await signIn(account.email), describeAccount(account))

    expect((await dumpTables(env.DB))['users']).toEqual(before['users'])
  })

  test('finds an account whose address was written by SQL in mixed case', async () => {
    const account = await createAccount(env.DB, { email: 'Ada.Lovelace@Example.COM' })

    for (const typed of ['ada.lovelace@example.com', 'ADA.LOVELACE@EXAMPLE.COM', 'Ada.Lovelace@Example.COM']) {
      await granted(await signIn(typed), describeAccount(account))
    }
  })

  test('finds one account for an address: SQL cannot write a second one in another case', async () => {
    await createAccount(env.DB, { email: 'grace@example.com' })

    await expect(createAccount(env.DB, { email: 'Grace@example.com' })).rejects.toThrow('UNIQUE constraint failed')
  })

  test.each([
    ['no address', null, UNAVAILABLE],
    ['an address that is none', 'somewhere', MALFORMED],
  ])('from %s opens nothing', async (_name, ip, expected) => {
    const account = await createAccount(env.DB)
    const before = await dumpTables(env.DB)
    const credentials = { primary_email: account.email, password: PASSWORD }

    expect(await answer(await post('/auth/token', credentials, { ip }))).toEqual(expected)
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

describe('POST /auth/token/refresh', () => {
  test('exchanges the token for the next pair of the same session', async () => {
    const account = await createAccount(env.DB, { group: 'editors' })
    const first = await open({}, account.guid)
    at(400)
    const next = await granted(await refresh(first.refresh), describeAccount(account))

    const { jti } = claimsOf(next.access)
    expect(jti).toMatch(UUID)
    expect(jti).not.toBe(claimsOf(first.access)['jti'])
    expect(claimsOf(next.access)).toEqual({ ...claimsOf(first.access), jti, iat: T0 + 400, exp: T0 + 700 })
    expect(claimsOf(next.refresh)).toEqual({
      ...claimsOf(first.refresh),
      jti,
      iat: T0 + 400,
      exp: T0 + 400 + 10 * DAY_SECONDS,
    })
  })

  test('describes an account without an e-mail', async () => {
    const { access, refresh: token } = await open()

    await granted(await refresh(token), { email: null, user_id: claimsOf(access)['id'], group: 'user' })
  })

  test('signs the group that the account has by now', async () => {
    const account = await createAccount(env.DB)
    const { refresh: token } = await open({}, account.guid)
    await env.DB.prepare(`UPDATE users SET "group" = 'editors' WHERE id = ?`).bind(account.id).run()
    const next = await granted(await refresh(token), { ...describeAccount(account), group: 'editors' })

    expect(claimsOf(next.access)).toMatchObject({ group: 'editors' })
  })

  test('refuses a used token, and the session lives on', async () => {
    const { refresh: token } = await open()
    const { refresh: next } = (await (await refresh(token)).json()) as Tokens
    const before = await dumpTables(env.DB)

    expect(await answer(await refresh(token))).toEqual(USED)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect((await refresh(next)).status).toBe(200)
  })

  test('ends the session of a token that comes back later', async () => {
    const { refresh: token } = await open()
    const { refresh: next } = (await (await refresh(token)).json()) as Tokens
    at(11)

    expect(await answer(await refresh(token))).toEqual(USED)
    expect(await answer(await refresh(next))).toEqual(USED)
  })

  test('refuses a token at its expiry, one second after it was good', async () => {
    const [one, two] = [await open(), await open()]
    at(10 * DAY_SECONDS - 1)
    expect((await refresh(one.refresh)).status).toBe(200)
    at(10 * DAY_SECONDS)

    expect(await answer(await refresh(two.refresh))).toEqual(NOT_VALID)
  })

  test('blocks a live token from another address, and ends its session', async () => {
    const { refresh: token } = await open()

    expect(await answer(await refresh(token, { ip: ELSEWHERE }))).toEqual(BLOCKED)
    expect(await answer(await refresh(token))).toEqual(USED)
  })

  test('refuses an account that was deactivated, and ends the session', async () => {
    const { guid, refresh: token } = await open()
    await env.DB.prepare('UPDATE users SET is_active = 0 WHERE guid = ?').bind(guid).run()

    expect(await answer(await refresh(token))).toEqual(NO_ACCOUNT)
    await env.DB.prepare('UPDATE users SET is_active = 1 WHERE guid = ?').bind(guid).run()
    expect(await answer(await refresh(token))).toEqual(USED)
  })

  test.each([
    ['no address', null, UNAVAILABLE],
    ['an address that is none', 'somewhere', MALFORMED],
  ])('from %s changes nothing', async (_name, ip, expected) => {
    const { refresh: token } = await open()
    const before = await dumpTables(env.DB)

    expect(await answer(await refresh(token, { ip }))).toEqual(expected)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect((await refresh(token)).status).toBe(200)
  })

  test('takes the refresh token of a browser, and gives no cookie for it', async () => {
    const { refresh: token } = await open()
    const response = await post('/auth/token/refresh', { refresh: token }, { cookies: { refresh_token: token } })

    expect(response.status).toBe(200)
    expect(response.headers.getSetCookie()).toEqual([])
  })

  test('reads no cookie', async () => {
    const { access, refresh: token } = await open()
    const cookies = { access_token: access, refresh_token: token }
    const response = await post('/auth/token/refresh', {}, { cookies })

    expect(response.status).toBe(400)
    expect((await refresh(token)).status).toBe(200)
  })
})

describe('POST /auth/token/verify', () => {
  test('says nothing but 200 to a good token of either type', async () => {
    const { access, refresh: token } = await open()

    expect(await answer(await verify(access))).toEqual(EMPTY_OK)
    expect(await answer(await verify(token))).toEqual(EMPTY_OK)
  })

  test('goes by the token alone: rotation and the end of its session do not show', async () => {
    const { guid, access, refresh: token } = await open()
    expect((await refresh(token)).status).toBe(200)
    await env.DB.prepare('DELETE FROM sessions').run()
    await env.DB.prepare('DELETE FROM users WHERE guid = ?').bind(guid).run()

    expect(await answer(await verify(access))).toEqual(EMPTY_OK)
    expect(await answer(await verify(token))).toEqual(EMPTY_OK)
  })

  test('asks for no address of the client', async () => {
    const { access } = await open()

    expect(await answer(await post('/auth/token/verify', { token: access }, { ip: null }))).toEqual(EMPTY_OK)
  })

  test.each([
    ['access', 300],
    ['refresh', 10 * DAY_SECONDS],
  ] as const)('refuses an %s token from its expiry on, %i s', async (type, seconds) => {
    const token = (await open())[type]
    at(seconds - 1)
    expect(await answer(await verify(token))).toEqual(EMPTY_OK)
    at(seconds)

    expect(await answer(await verify(token))).toEqual(NOT_VALID)
  })

  test.each([
    ['60 s ahead of ours', -60, EMPTY_OK],
    ['61 s ahead of ours', -61, NOT_VALID],
  ])('of a token from a clock %s', async (_name, seconds, expected) => {
    const { access, refresh: token } = await open()
    at(seconds)

    expect(await answer(await verify(access))).toEqual(expected)
    expect(await answer(await verify(token))).toEqual(expected)
  })
})

describe('GET /.well-known/jwks.json', () => {
  const JWK = { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' }
  const coordinate = expect.stringMatching(/^[\w-]{43}$/) as string

  test('lists the public keys, the current one first, and nothing private', async () => {
    const response = await worker.call('/.well-known/jwks.json', { ip: null })

    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toEqual({
      'cache-control': 'public, max-age=300',
      'content-type': 'application/json',
      'x-content-type-options': 'nosniff',
    })
    const { keys, ...rest } = await response.json<JSONWebKeySet>()
    expect(rest).toEqual({})
    expect(keys).toEqual([
      { ...JWK, x: coordinate, y: coordinate, kid: coordinate },
      { ...JWK, x: coordinate, y: coordinate, kid: coordinate },
    ])
    expect(keys.map((key) => key.kid)).toEqual(testKeys.jwks.keys.map((key) => key.kid))
    expect(await Promise.all(keys.map((key) => calculateJwkThumbprint(key)))).toEqual(keys.map((key) => key.kid))
  })

  test('is what another service verifies an access token with', async () => {
    const audience = startWorker({ AUDIENCE: 'api' })
    const { guid, access, refresh: token } = await open({}, undefined, audience)
    const keys = createLocalJWKSet(await jwksOf(audience))
    const options = { issuer: ORIGIN, audience: 'api', subject: guid, requiredClaims: ['exp', 'iat', 'jti'] }

    expect((await jwtVerify(access, keys, options)).payload).toEqual(claimsOf(access))
    await expect(jwtVerify(token, keys, options)).rejects.toMatchObject({ code: 'ERR_JOSE_NOT_SUPPORTED' })
  })
})

async function jwksOf(by: TestWorker): Promise<JSONWebKeySet> {
  return (await by.call('/.well-known/jwks.json')).json<JSONWebKeySet>()
}

describe('AUTH_SECRET_PREVIOUS', () => {
  const { AUTH_SECRET: NEW, AUTH_SECRET_PREVIOUS: OLD } = TEST_BINDINGS
  const OLDEST = 'Vt2w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q='
  const before = startWorker({ AUTH_SECRET: OLD, AUTH_SECRET_PREVIOUS: '' })

  test.each([
    ['alone', OLD],
    ['among others', `${OLDEST}, ${OLD}`],
  ])('keeps the tokens of an old secret good, %s', async (_name, previous) => {
    const after = startWorker({ AUTH_SECRET: NEW, AUTH_SECRET_PREVIOUS: previous })
    const [one, two] = [await open({}, undefined, before), await open({}, undefined, before)]

    expect(await answer(await verify(one.access, after))).toEqual(EMPTY_OK)
    expect(await answer(await verify(one.refresh, after))).toEqual(EMPTY_OK)
    const keys = createLocalJWKSet(await jwksOf(after))
    expect((await jwtVerify(one.access, keys)).payload).toEqual(claimsOf(one.access))
    const next = (await (await refresh(one.refresh, {}, after)).json()) as Tokens
    expect(decodeToken(next.access).header).toEqual({ alg: 'ES256', typ: 'JWT', kid: testKeys.access.signing.kid })
    expect(decodeToken(next.refresh).header).toEqual({ alg: 'HS256', typ: 'JWT', kid: testKeys.refresh.signing.kid })
    const cookies = { access_token: two.access, refresh_token: two.refresh }
    expect((await after.call('/refresh', { cookies })).status).toBe(200)
  })

  test('lists the public keys of both secrets', async () => {
    const [current, ...older] = (await jwksOf(startWorker())).keys

    expect((await jwksOf(before)).keys).toEqual(older)
    expect((await jwksOf(startWorker({ AUTH_SECRET_PREVIOUS: '' }))).keys).toEqual([current])
  })

  test('ends the tokens of an old secret when it is taken away', async () => {
    const { access, refresh: token } = await open({}, undefined, before)
    const after = startWorker({ AUTH_SECRET: NEW, AUTH_SECRET_PREVIOUS: '' })

    expect(await answer(await verify(access, after))).toEqual(NOT_VALID)
    expect(await answer(await verify(token, after))).toEqual(NOT_VALID)
    expect(await answer(await refresh(token, {}, after))).toEqual(NOT_VALID)
    expect((await refresh(token, {}, before)).status).toBe(200)
  })
})

describe('round trips to D1', () => {
  const { database, roundTrips, reset } = countRoundTrips(env.DB)
  const counted = startWorker({ DB: database })

  async function cost(request: () => Promise<Response>): Promise<{ status: number; roundTrips: number }> {
    reset()
    const { status } = await request()
    return { status, roundTrips: roundTrips() }
  }

  test('0 for a verification, good or not', async () => {
    const { access, refresh: token } = await open()

    expect(await cost(() => verify(access, counted))).toEqual({ status: 200, roundTrips: 0 })
    expect(await cost(() => verify(token, counted))).toEqual({ status: 200, roundTrips: 0 })
    expect(await cost(() => verify(`${access}x`, counted))).toEqual({ status: 401, roundTrips: 0 })
  })

  test('0 for the public keys', async () => {
    expect(await cost(() => counted.call('/.well-known/jwks.json'))).toEqual({ status: 200, roundTrips: 0 })
  })

  test('1 for GET /{guid}, known or new', async () => {
    const { guid } = await createAccount(env.DB)

    expect(await cost(() => counted.call(`/${guid}`))).toEqual({ status: 200, roundTrips: 1 })
    expect(await cost(() => counted.call(`/${crypto.randomUUID()}`))).toEqual({ status: 200, roundTrips: 1 })
  })

  test('1 for a refresh, in JSON and in cookies', async () => {
    const [one, two] = [await open(), await open()]
    const cookies = { access_token: two.access, refresh_token: two.refresh }

    expect(await cost(() => refresh(one.refresh, {}, counted))).toEqual({ status: 200, roundTrips: 1 })
    expect(await cost(() => counted.call('/refresh', { cookies }))).toEqual({ status: 200, roundTrips: 1 })
  })

  test('2 for a sign-in, also when it replaces the hash; 1 for one that fails', async () => {
    const current = await createAccount(env.DB)
    const outdated = await createAccount(env.DB, { passwordHash: HASHES.pbkdf2Sha256 })
    const inactive = await createAccount(env.DB, { isActive: false })

    expect(await cost(() => signIn(current.email, PASSWORD, counted))).toEqual({ status: 200, roundTrips: 2 })
    expect(await cost(() => signIn(outdated.email, PASSWORD, counted))).toEqual({ status: 200, roundTrips: 2 })
    expect(await cost(() => signIn(current.email, 'wrong', counted))).toEqual({ status: 401, roundTrips: 1 })
    expect(await cost(() => signIn('nobody@example.com', 'wrong', counted))).toEqual({ status: 401, roundTrips: 1 })
    expect(await cost(() => signIn(inactive.email, PASSWORD, counted))).toEqual({ status: 401, roundTrips: 1 })
  })

  test('at most 2 for a refresh that fails, and none for a token that is not ours', async () => {
    const { guid } = await createAccount(env.DB)
    const [raced, reused, moved, inactive] = [await open(), await open(), await open({}, guid), await open()]
    expect((await refresh(raced.refresh)).status).toBe(200)
    await env.DB.prepare('UPDATE users SET is_active = 0 WHERE guid = ?').bind(inactive.guid).run()

    expect(await cost(() => refresh(`${raced.refresh}x`, {}, counted))).toEqual({ status: 401, roundTrips: 0 })
    expect(await cost(() => refresh(raced.refresh, {}, counted))).toEqual({ status: 401, roundTrips: 1 })
    expect(await cost(() => refresh(moved.refresh, { ip: ELSEWHERE }, counted))).toEqual({ status: 401, roundTrips: 2 })
    expect(await cost(() => refresh(moved.refresh, {}, counted))).toEqual({ status: 401, roundTrips: 1 })
    expect(await cost(() => refresh(inactive.refresh, {}, counted))).toEqual({ status: 401, roundTrips: 2 })
    expect((await refresh(reused.refresh)).status).toBe(200)
    at(11)
    expect(await cost(() => refresh(reused.refresh, {}, counted))).toEqual({ status: 401, roundTrips: 2 })
    at(10 * DAY_SECONDS)
    expect(await cost(() => refresh(reused.refresh, {}, counted))).toEqual({ status: 401, roundTrips: 0 })
  })
})
