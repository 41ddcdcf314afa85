/** The cookie transport: what a browser sees, and what is left in the database after it. */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { TEST_BINDINGS } from '../../support/bindings.ts'
import { createAccount, dumpTables } from '../../support/accounts.ts'
import { at, T0 } from '../../support/clock.ts'
import { decodeToken, testKeys } from '../../support/forge.ts'
import {
  type CallOptions,
  ELSEWHERE,
  HOME,
  ORIGIN,
  pairOf,
  setCookies,
  startWorker,
  type TestWorker,
} from '../../support/worker.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const DAY_SECONDS = 86_400

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

/** Everything about an answer that its caller may depend on. */
async function answer(response: Response) {
  const { status, headers } = response
  return {
    status,
    body: await response.text(),
    type: headers.get('Content-Type'),
    cache: headers.get('Cache-Control'),
    authenticate: headers.get('WWW-Authenticate'),
    allow: headers.get('Allow'),
    retryAfter: headers.get('Retry-After'),
    cookies: Object.keys(setCookies(response)),
  }
}

const NO_HEADERS = { authenticate: null, allow: null, retryAfter: null, cookies: [] }
const GRANTED = {
  ...NO_HEADERS,
  status: 200,
  body: '',
  type: null,
  cache: 'no-store',
  cookies: ['access_token', 'refresh_token'],
}

/** The bare detail, as `GET` answers it. */
function refusal(status: number, detail: string, headers: Partial<typeof NO_HEADERS | Record<string, string>> = {}) {
  return {
    ...NO_HEADERS,
    status,
    body: detail,
    type: 'text/plain; charset=UTF-8',
    cache: 'no-store',
    authenticate: status === 401 ? 'Bearer' : null,
    ...headers,
  }
}

const USED = refusal(401, 'Token used before')
const NOT_VALID = refusal(401, 'Not valid token')
const MALFORMED = refusal(400, 'Wrong data structure')
const BLOCKED = refusal(401, "You're location is blocked")
const INACTIVE = refusal(401, 'No active account found with the given credentials')
const FORBIDDEN = refusal(403, 'Forbidden')

interface OpenedSession {
  readonly guid: string
  readonly sid: string
  readonly cookies: { access_token: string; refresh_token: string }
}

/** As no local Worker is: whoever opens a session has the service key. */
const DEPLOYED = { ISSUE_ACCESS: 'service' }

async function open(
  guid: string = crypto.randomUUID(),
  options: CallOptions = {},
  by: TestWorker = worker,
): Promise<OpenedSession> {
  const cookies = pairOf(await by.call(`/${guid}`, options))
  return { guid, cookies, sid: String(decodeToken(cookies.access_token).payload['sid']) }
}

function refresh(cookies: Readonly<Record<string, string>>, options: CallOptions = {}, by: TestWorker = worker) {
  return by.call('/refresh', { ...options, cookies })
}

function bearer(key: string) {
  return { Authorization: `Bearer ${key}` }
}

function jtiOf(cookies: { refresh_token: string }): unknown {
  return decodeToken(cookies.refresh_token).payload['jti']
}

async function sessionRow(sid: string) {
  return env.DB.prepare('SELECT * FROM sessions WHERE sid = ?').bind(sid).first()
}

async function notificationsFor(sid: string) {
  const { notifications } = await dumpTables(env.DB)
  return notifications?.filter((row) => String(row['dedupe_key']).endsWith(sid))
}

describe('GET /{guid}', () => {
  test('hands out a pair in two cookies, with an empty body', async () => {
    const response = await worker.call('/6f9619ff-8b86-4011-b42d-00c04fc964ff')

    expect(await answer(response)).toEqual(GRANTED)
    const cookies = setCookies(response)
    const shared = ['HttpOnly', 'Secure', 'SameSite=Strict']
    expect(cookies['access_token']?.attributes).toEqual(['Max-Age=864000', 'Path=/', ...shared])
    expect(cookies['refresh_token']?.attributes).toEqual(['Max-Age=864000', 'Path=/refresh', ...shared])
  })

  test('signs the claims of both tokens, and no others', async () => {
    const { guid, cookies } = await open()
    const account = await env.DB.prepare('SELECT id FROM users WHERE guid = ?').bind(guid).first<{ id: number }>()
    const access = decodeToken(cookies.access_token)
    const shared = {
      iss: ORIGIN,
      sub: guid,
      id: account?.id,
      guid,
      sid: expect.stringMatching(UUID) as string,
      jti: expect.stringMatching(UUID) as string,
      iat: T0,
    }

    expect(access.header).toEqual({ alg: 'ES256', typ: 'JWT', kid: testKeys.jwks.keys[0]?.kid })
    expect(access.payload).toEqual({ ...shared, exp: T0 + 300, group: 'user', token_type: 'access' })
    expect(decodeToken(cookies.refresh_token)).toEqual({
      header: { alg: 'HS256', typ: 'JWT', kid: testKeys.refresh.signing.kid },
      payload: {
        ...shared,
        sid: access.payload['sid'],
        jti: access.payload['jti'],
        exp: T0 + 10 * DAY_SECONDS,
        ip: HOME,
        token_type: 'refresh',
      },
    })
  })

  test('names PUBLIC_URL as the issuer and AUDIENCE as the audience of the access token', async () => {
    const configured = startWorker({ ...DEPLOYED, PUBLIC_URL: 'https://id.example.org', AUDIENCE: 'api' })
    const own = { origin: 'https://id.example.org', headers: bearer(TEST_BINDINGS.SERVICE_KEY) }
    const { cookies } = await open(undefined, own, configured)

    expect(decodeToken(cookies.access_token).payload).toMatchObject({ iss: 'https://id.example.org', aud: 'api' })
    expect(decodeToken(cookies.refresh_token).payload).toMatchObject({ iss: 'https://id.example.org' })
    expect(decodeToken(cookies.refresh_token).payload).not.toHaveProperty('aud')
  })

  test('leaves one row for the session, and no token in it', async () => {
    const cf = { asn: 64_500, country: 'AT', city: 'Graz', asOrganization: 'Example Net' } as const
    const { guid, sid, cookies } = await open(undefined, { cf, headers: { 'User-Agent': 'Browser/1' } })
    const dump = await dumpTables(env.DB)
    const account = dump['users']?.find((row) => row['guid'] === guid)

    expect(account).toEqual({
      id: account?.['id'],
      guid,
      primary_email: null,
      password_hash: null,
      group: 'user',
      is_active: 1,
      confirmed_at: null,
      failed_sign_ins: 0,
      locked_until: null,
      ended_before: null,
      ended_except: null,
      created_at: T0,
      updated_at: T0,
    })
    expect(dump['sessions']?.filter((row) => row['user_id'] === account?.['id'])).toEqual([
      {
        sid,
        user_id: account?.['id'],
        jti: jtiOf(cookies),
        issued_at: T0,
        previous_jti: null,
        rotated_at: null,
        expires_at: T0 + 10 * DAY_SECONDS,
        created_at: T0,
        revoked_at: null,
        revoked_reason: null,
        ip: HOME,
        asn: 64_500,
        country: 'AT',
        city: 'Graz',
        network: 'Example Net',
        user_agent: 'Browser/1',
        visit_ip: null,
        visit_country: null,
        visit_city: null,
        visit_network: null,
        visit_user_agent: null,
      },
    ])
    const stored = JSON.stringify(dump)
    const parts = Object.values(cookies).flatMap((token) => [token, ...token.split('.')])
    expect(parts.filter((part) => stored.includes(part))).toEqual([])
  })

  test('opens a further session for a guid that it knows, in any spelling', async () => {
    const guid = 'abcdefab-0000-4000-8000-00000000cdef'
    const first = await open(guid)
    const second = await open(guid.toUpperCase())
    const { id } = decodeToken(first.cookies.access_token).payload

    expect(decodeToken(second.cookies.access_token).payload).toMatchObject({ id, sub: guid, guid })
    expect(second.sid).not.toBe(first.sid)
    expect(jtiOf(second.cookies)).not.toBe(jtiOf(first.cookies))
    expect(await answer(await refresh(first.cookies))).toEqual(GRANTED)
  })

  test('signs the group of the account', async () => {
    const { guid } = await createAccount(env.DB, { group: 'editors' })

    expect(decodeToken((await open(guid)).cookies.access_token).payload).toMatchObject({ guid, group: 'editors' })
  })

  test.each([
    '6f9619ff-8b86-d011-b42d-00c04fc964ff',
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    '12345678-1234-f234-0234-123456789012',
  ])('takes %s, which is hex of the right form though not RFC 9562', async (guid) => {
    expect(await answer(await worker.call(`/${guid}`))).toEqual(GRANTED)
  })

  test.each([
    'x',
    'favicon.ico',
    '6f9619ff8b864011b42d00c04fc964ff',
    '{6f9619ff-8b86-4011-b42d-00c04fc964ff}',
    '6f9619ff-8b86-4011-b42d-00c04fc964f',
    '6f9619ff-8b86-4011-b42d-00c04fc964fff',
    '6f9619ff-8b86-4011-b42d-00c04fc964fg',
    '%206f9619ff-8b86-4011-b42d-00c04fc964ff',
    '6f9619ff-8b86-4011-b42d-00c04fc964ff%0A',
    '6f9619ff-8b86-4011-b42d-00c04fc964ff%00',
    "6f9619ff-8b86-4011-b42d-00c04fc964ff'--",
  ])('refuses the malformed guid %j', async (guid) => {
    const before = await dumpTables(env.DB)

    expect(await answer(await worker.call(`/${guid}`))).toEqual(MALFORMED)
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('refuses an account that is not active', async () => {
    const { guid } = await createAccount(env.DB, { isActive: false })
    const before = await dumpTables(env.DB)

    expect(await answer(await worker.call(`/${guid}`))).toEqual(INACTIVE)
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

describe('ISSUE_ACCESS', () => {
  const { SERVICE_KEY } = TEST_BINDINGS
  const NOT_AUTHENTICATED = refusal(401, 'Authentication credentials were not provided')

  test.each([
    ['service', 'no key', {}, NOT_AUTHENTICATED],
    ['service', 'another scheme', { Authorization: `Basic ${SERVICE_KEY}` }, NOT_AUTHENTICATED],
    ['service', 'an empty key', bearer(''), NOT_AUTHENTICATED],
    ['service', 'a wrong key', bearer('wrong'), FORBIDDEN],
    ['service', 'the start of the key', bearer(SERVICE_KEY.slice(0, -1)), FORBIDDEN],
    ['service', 'the key and more', bearer(`${SERVICE_KEY}x`), FORBIDDEN],
    ['service', 'the key in other case', bearer(SERVICE_KEY.toLowerCase()), FORBIDDEN],
    ['off', 'no key', {}, FORBIDDEN],
    ['off', 'the key', bearer(SERVICE_KEY), FORBIDDEN],
  ])('%s refuses %s, and writes nothing', async (access, _name, headers, expected) => {
    const guarded = startWorker({ ISSUE_ACCESS: access })
    const before = await dumpTables(env.DB)

    expect(await answer(await guarded.call(`/${crypto.randomUUID()}`, { headers }))).toEqual(expected)
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test.each([
    ['service', 'the key', bearer(SERVICE_KEY)],
    ['service', 'the key, its scheme in lower case', { Authorization: `bearer ${SERVICE_KEY}` }],
    ['open', 'anyone', {}],
    ['open', 'a wrong key', bearer('wrong')],
  ])('%s lets %s through', async (access, _name, headers) => {
    const guarded = startWorker({ ISSUE_ACCESS: access })

    expect(await answer(await guarded.call(`/${crypto.randomUUID()}`, { headers }))).toEqual(GRANTED)
  })

  test.each([
    ['no key', {}, NOT_AUTHENTICATED],
    ['an empty key', bearer(''), NOT_AUTHENTICATED],
    ['any key', bearer(SERVICE_KEY), FORBIDDEN],
    ['the word undefined', bearer('undefined'), FORBIDDEN],
  ])('service without a configured SERVICE_KEY refuses %s', async (_name, headers, expected) => {
    const guarded = startWorker({ ISSUE_ACCESS: 'service', SERVICE_KEY: '' })

    expect(await answer(await guarded.call(`/${crypto.randomUUID()}`, { headers }))).toEqual(expected)
  })

  test.each(['service', 'off'])('%s says nothing about who may refresh', async (access) => {
    const { cookies } = await open()

    expect(await answer(await refresh(cookies, {}, startWorker({ ISSUE_ACCESS: access })))).toEqual(GRANTED)
  })
})

describe('a request that no person asked for', () => {
  test.each([
    ['cross-site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['of a sibling host', { 'Sec-Fetch-Site': 'same-site' }],
    ['a prefetch', { 'Sec-Purpose': 'prefetch' }],
    ['a prerender', { 'Sec-Purpose': 'prefetch;prerender' }],
    ['a prefetch of an older browser', { Purpose: 'prefetch' }],
  ])('is refused when it is %s, and nothing is written', async (_name, headers) => {
    const { cookies } = await open()
    const before = await dumpTables(env.DB)

    expect(await answer(await worker.call(`/${crypto.randomUUID()}`, { headers }))).toEqual(FORBIDDEN)
    expect(await answer(await refresh(cookies, { headers }))).toEqual(FORBIDDEN)
    const posted = await refresh(cookies, { headers, method: 'POST' })
    expect(posted.status).toBe(403)
    expect(await posted.json()).toEqual({
      type: 'about:blank',
      title: 'Forbidden',
      status: 403,
      detail: 'Forbidden',
      code: 'forbidden',
    })
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await answer(await refresh(cookies))).toEqual(GRANTED)
  })

  test.each(['same-origin', 'none'])('is not one that is %s', async (site) => {
    const { cookies } = await open(undefined, { headers: { 'Sec-Fetch-Site': site } })

    expect(await answer(await refresh(cookies, { headers: { 'Sec-Fetch-Site': site } }))).toEqual(GRANTED)
  })

  test('is not answered to HEAD, which would hand out a pair that nobody reads', async () => {
    const { cookies } = await open()
    const before = await dumpTables(env.DB)
    const head = { ...refusal(405, ''), type: 'application/problem+json' }

    expect(await answer(await worker.call(`/${crypto.randomUUID()}`, { method: 'HEAD' }))).toEqual({
      ...head,
      allow: 'GET',
    })
    expect(await answer(await refresh(cookies, { method: 'HEAD' }))).toEqual({ ...head, allow: 'GET, POST' })
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await answer(await refresh(cookies))).toEqual(GRANTED)
  })
})

describe('Secure', () => {
  test.each([
    ['http://localhost:8787', false],
    ['http://127.0.0.1:8787', false],
    ['http://[::1]:8787', false],
    ['https://localhost:8787', true],
    ['https://auth.example.com', true],
    ['http://auth.example.com', true],
    ['http://localhost.example.com', true],
    ['http://127.0.0.1.example.com', true],
    ['http://192.168.1.10:8787', true],
  ])('on %s: %s', async (origin, secure) => {
    const { host } = new URL(origin)
    const by = startWorker({ ...DEPLOYED, PUBLIC_URL: host })
    const headers = bearer(TEST_BINDINGS.SERVICE_KEY)
    const opened = await by.call(`/${crypto.randomUUID()}`, { origin, headers })
    const refreshed = await refresh(pairOf(opened), { origin }, by)

    for (const response of [opened, refreshed]) {
      const attributes = Object.values(setCookies(response)).map((cookie) => cookie.attributes)
      const flags = secure ? ['HttpOnly', 'Secure', 'SameSite=Strict'] : ['HttpOnly', 'SameSite=Strict']
      expect(attributes).toEqual([
        ['Max-Age=864000', 'Path=/', ...flags],
        ['Max-Age=864000', 'Path=/refresh', ...flags],
      ])
    }
  })
})

describe('/refresh', () => {
  test.each(['GET', 'POST'])('%s exchanges the pair for the next one of the same session', async (method) => {
    const { guid, sid, cookies } = await open()
    at(60)
    const response = await refresh(cookies, { method })

    expect(await answer(response)).toEqual(GRANTED)
    const shared = ['HttpOnly', 'Secure', 'SameSite=Strict']
    expect(setCookies(response)['access_token']?.attributes).toEqual(['Max-Age=864000', 'Path=/', ...shared])
    expect(setCookies(response)['refresh_token']?.attributes).toEqual(['Max-Age=864000', 'Path=/refresh', ...shared])
    const next = pairOf(response)
    const before = decodeToken(cookies.access_token).payload
    const jti = jtiOf(next)
    expect(jti).toMatch(UUID)
    expect(jti).not.toBe(jtiOf(cookies))
    const { exp, token_type, group, ...shares } = before
    expect(decodeToken(next.access_token).payload).toEqual({ ...before, jti, iat: T0 + 60, exp: T0 + 360 })
    expect(decodeToken(next.refresh_token).payload).toEqual({
      ...shares,
      jti,
      iat: T0 + 60,
      exp: T0 + 60 + 10 * DAY_SECONDS,
      ip: HOME,
      token_type: 'refresh',
    })
    expect([exp, token_type, group, before['guid']]).toEqual([T0 + 300, 'access', 'user', guid])
    expect(await sessionRow(sid)).toMatchObject({
      sid,
      jti,
      issued_at: T0 + 60,
      previous_jti: jtiOf(cookies),
      rotated_at: T0 + 60,
      expires_at: T0 + 60 + 10 * DAY_SECONDS,
      created_at: T0,
      revoked_at: null,
    })
  })

  test('refuses the pair that was exchanged, and the session lives on', async () => {
    const { cookies } = await open()
    const next = pairOf(await refresh(cookies))
    const before = await dumpTables(env.DB)

    expect(await answer(await refresh(cookies))).toEqual(USED)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await answer(await refresh(next))).toEqual(GRANTED)
  })

  test('takes an access token that expired, which is why browsers refresh', async () => {
    const { cookies } = await open()
    at(10 * DAY_SECONDS - 1)

    expect(await answer(await refresh(cookies))).toEqual(GRANTED)
  })

  test('refuses a refresh token at its expiry', async () => {
    const { cookies } = await open()
    const before = await dumpTables(env.DB)
    at(10 * DAY_SECONDS)

    expect(await answer(await refresh(cookies))).toEqual(NOT_VALID)
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test.each([
    ['no cookie', [], 'Access token is missing'],
    ['the refresh token alone', ['refresh_token'], 'Access token is missing'],
    ['the access token alone', ['access_token'], 'Refresh token is missing'],
  ] as const)('refuses %s', async (_name, names, detail) => {
    const { cookies } = await open()
    const before = await dumpTables(env.DB)

    expect(await answer(await refresh(Object.fromEntries(names.map((name) => [name, cookies[name]]))))).toEqual(
      refusal(401, detail),
    )
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('takes an empty cookie for none', async () => {
    const { cookies } = await open()

    expect(await answer(await refresh({ ...cookies, access_token: '' }))).toEqual(
      refusal(401, 'Access token is missing'),
    )
    expect(await answer(await refresh({ ...cookies, refresh_token: '' }))).toEqual(
      refusal(401, 'Refresh token is missing'),
    )
  })

  test('refuses tokens of two pairs, and both pairs stay alive', async () => {
    const guid = crypto.randomUUID()
    const [one, two] = [await open(guid), await open(guid)]
    const before = await dumpTables(env.DB)
    const mixed = { access_token: one.cookies.access_token, refresh_token: two.cookies.refresh_token }

    expect(await answer(await refresh(mixed))).toEqual(refusal(401, 'Not valid token pair'))
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await answer(await refresh(one.cookies))).toEqual(GRANTED)
    expect(await answer(await refresh(two.cookies))).toEqual(GRANTED)
  })

  test('refuses the next refresh token beside the previous access token', async () => {
    const { cookies } = await open()
    const next = pairOf(await refresh(cookies))

    expect(await answer(await refresh({ ...next, access_token: cookies.access_token }))).toEqual(
      refusal(401, 'Not valid token pair'),
    )
    expect(await answer(await refresh(next))).toEqual(GRANTED)
  })

  test.each(['access_token', 'refresh_token'] as const)('refuses a second %s cookie', async (name) => {
    const { cookies } = await open()
    const other = await open()
    const genuine = `access_token=${cookies.access_token}; refresh_token=${cookies.refresh_token}`
    const before = await dumpTables(env.DB)

    for (const Cookie of [
      `${genuine}; ${name}=${other.cookies[name]}`,
      `${name}=${other.cookies[name]}; ${genuine}`,
      `${genuine}; ${name}=${cookies[name]}`,
      `${name}="x"; ${genuine}`,
    ]) {
      expect(await answer(await worker.call('/refresh', { headers: { Cookie } }))).toEqual(MALFORMED)
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await answer(await refresh(cookies))).toEqual(GRANTED)
  })

  test('reads its cookies among others, with quotes, and by their whole names', async () => {
    const { cookies } = await open()
    const Cookie = `a=1;access_token="${cookies.access_token}";xrefresh_token=y;  refresh_token=${cookies.refresh_token} ; b`

    expect(await answer(await worker.call('/refresh', { headers: { Cookie } }))).toEqual(GRANTED)
  })
})

describe('a refusal', () => {
  const problem = {
    type: 'about:blank',
    title: 'Unauthorized',
    status: 401,
    detail: 'Access token is missing',
    code: 'token_missing',
  }

  test.each([
    ['GET', 'application/json'],
    ['GET', 'application/problem+json'],
    ['GET', 'text/html, APPLICATION/JSON;q=0.9'],
    ['POST', '*/*'],
    ['POST', 'text/plain'],
  ])('to %s with Accept: %s is problem details', async (method, Accept) => {
    const { body, ...rest } = await answer(await worker.call('/refresh', { method, headers: { Accept } }))

    expect(JSON.parse(body)).toEqual(problem)
    expect(rest).toEqual({
      ...NO_HEADERS,
      status: 401,
      type: 'application/problem+json',
      cache: 'no-store',
      authenticate: 'Bearer',
    })
  })

  test.each(['*/*', 'text/html', 'text/plain', 'application/jsonp', 'application/xml'])(
    'to GET with Accept: %s is the bare text',
    async (Accept) => {
      const headers = { Accept }

      expect(await answer(await worker.call('/refresh', { headers }))).toEqual(refusal(401, 'Access token is missing'))
      expect(await answer(await worker.call('/no-guid', { headers }))).toEqual(MALFORMED)
    },
  )

  test('of a guid is problem details where JSON is asked for', async () => {
    const response = await worker.call('/no-guid', { headers: { Accept: 'application/json' } })

    expect(response.headers.get('Content-Type')).toBe('application/problem+json')
    expect(await response.json()).toEqual({
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      detail: 'Wrong data structure',
      code: 'wrong_data_structure',
    })
  })
})

describe('location', () => {
  test('blocks a live pair from another address, ends its session and tells its owner', async () => {
    const { guid, id, email } = await createAccount(env.DB)
    const { sid, cookies } = await open(guid)
    const other = await open(guid)
    at(60)
    const cf = { asn: 64_501, country: 'NZ', city: 'Nelson', asOrganization: 'Far Net' } as const
    const headers = { 'User-Agent': 'Thief/1' }

    expect(await answer(await refresh(cookies, { ip: ELSEWHERE, cf, headers }))).toEqual(BLOCKED)
    expect(await sessionRow(sid)).toMatchObject({
      jti: jtiOf(cookies),
      revoked_at: T0 + 60,
      revoked_reason: 'location',
      ip: HOME,
    })
    const stored = await notificationsFor(sid)
    expect(stored).toEqual([
      {
        id: expect.stringMatching(UUID) as string,
        kind: 'location_blocked',
        user_id: id,
        recipient: email,
        facts: expect.any(String) as string,
        dedupe_key: `location_blocked:${sid}`,
        created_at: T0 + 60,
      },
    ])
    expect(JSON.parse(String(stored?.[0]?.['facts']))).toMatchObject({
      at: T0 + 60,
      client: {
        address: ELSEWHERE,
        asn: 64_501,
        country: 'NZ',
        city: 'Nelson',
        network: 'Far Net',
        userAgent: 'Thief/1',
      },
      origin: ORIGIN,
    })
    expect(await answer(await refresh(cookies))).toEqual(USED)
    expect(await answer(await refresh(cookies, { ip: ELSEWHERE }))).toEqual(USED)
    expect(await notificationsFor(sid)).toEqual(stored)
    expect(await answer(await refresh(other.cookies))).toEqual(GRANTED)
  })

  test('blocks without a mail where the account has no address', async () => {
    const { sid, cookies } = await open()

    expect(await answer(await refresh(cookies, { ip: ELSEWHERE }))).toEqual(BLOCKED)
    expect(await notificationsFor(sid)).toEqual([])
    expect(await answer(await refresh(cookies))).toEqual(USED)
  })

  test('is looked at after use: a used pair from elsewhere is used, and not blocked', async () => {
    const { sid, cookies } = await open()
    await refresh(cookies)

    expect(await answer(await refresh(cookies, { ip: ELSEWHERE }))).toEqual(USED)
    expect(await sessionRow(sid)).toMatchObject({ revoked_reason: 'reuse' })
  })

  test('is looked at after the pair: tokens of two pairs from elsewhere end nothing', async () => {
    const [one, two] = [await open(), await open()]
    const mixed = { access_token: one.cookies.access_token, refresh_token: two.cookies.refresh_token }
    const before = await dumpTables(env.DB)

    expect(await answer(await refresh(mixed, { ip: ELSEWHERE }))).toEqual(refusal(401, 'Not valid token pair'))
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  const [AT, NZ] = [
    { asn: 64_500, country: 'AT' },
    { asn: 64_501, country: 'NZ' },
  ] as const
  // As Cloudflare writes it in CF-IPCountry; the types of `cf` do not have it.
  const UNKNOWN = { country: 'XX' as 'AT' } as const
  test.each([
    ['address', '2001:db8:1:2::1', {}, '2001:DB8:1:2:ffff::9', {}, GRANTED],
    ['address', '2001:db8:1:2::1', {}, '2001:db8:1:3::1', {}, BLOCKED],
    ['address', '203.0.113.7', {}, '::ffff:203.0.113.7', {}, GRANTED],
    ['address', '203.0.113.7', {}, '203.0.113.8', {}, BLOCKED],
    ['address', '203.0.113.7', AT, '2001:db8:1:2::1', AT, BLOCKED],
    ['subnet', '203.0.113.7', {}, '203.0.113.200', {}, GRANTED],
    ['subnet', '203.0.113.7', {}, '203.0.114.7', {}, BLOCKED],
    ['subnet', '2001:db8:1:2::1', {}, '2001:db8:1:ffff::1', {}, GRANTED],
    ['subnet', '2001:db8:1:2::1', {}, '2001:db8:2:2::1', {}, BLOCKED],
    ['asn', '203.0.113.7', AT, ELSEWHERE, { ...NZ, asn: 64_500 }, GRANTED],
    ['asn', '203.0.113.7', AT, ELSEWHERE, { ...AT, asn: 64_501 }, BLOCKED],
    ['asn', '203.0.113.7', {}, ELSEWHERE, {}, BLOCKED],
    ['country', '203.0.113.7', AT, ELSEWHERE, { ...NZ, country: 'AT' }, GRANTED],
    ['country', '203.0.113.7', AT, ELSEWHERE, { ...AT, country: 'NZ' }, BLOCKED],
    ['country', '203.0.113.7', {}, ELSEWHERE, {}, BLOCKED],
    ['country', '203.0.113.7', UNKNOWN, ELSEWHERE, UNKNOWN, BLOCKED],
    ['off', '203.0.113.7', AT, '2001:db8::1', NZ, GRANTED],
  ] as const)('under %s, from %s %j to %s %j', async (policy, ip, cf, nextIp, nextCf, expected) => {
    const settled = startWorker({ LOCATION_POLICY: policy })
    const { cookies } = await open(undefined, { ip, cf }, settled)

    expect(await answer(await refresh(cookies, { ip: nextIp, cf: nextCf }, settled))).toEqual(expected)
  })

  test.each([
    'X-Forwarded-For',
    'X-Real-IP',
    'True-Client-IP',
    'Forwarded',
    'X-Client-IP',
    'CF-Connecting-IPv6',
    'CF-Pseudo-IPv4',
  ])('is never read from %s', async (header) => {
    const claim = (ip: string) => ({ [header]: header === 'Forwarded' ? `for=${ip}` : ip })
    const { sid, cookies } = await open(undefined, { headers: claim(ELSEWHERE) })
    expect(await sessionRow(sid)).toMatchObject({ ip: HOME })
    const response = await refresh(cookies, { headers: claim(ELSEWHERE) })

    expect(await answer(response)).toEqual(GRANTED)
    expect(await answer(await refresh(pairOf(response), { ip: ELSEWHERE, headers: claim(HOME) }))).toEqual(BLOCKED)
  })

  const UNAVAILABLE = refusal(503, 'Service unavailable', { retryAfter: '1' })
  test.each([
    ['none', null, UNAVAILABLE],
    ['words', 'somewhere', MALFORMED],
    ['two addresses', `${HOME}, ${ELSEWHERE}`, MALFORMED],
    ['an address with a port', `${HOME}:443`, MALFORMED],
    ['leading zeros', '203.0.113.007', MALFORMED],
    ['a number too large', '203.0.113.256', MALFORMED],
    ['an IPv6 zone', 'fe80::1%eth0', MALFORMED],
    ['two zero runs', '2001::db8::1', MALFORMED],
    ['an empty text', '', MALFORMED],
  ])('that is %s changes nothing and signs nobody out', async (_name, ip, expected) => {
    const { cookies } = await open()
    const before = await dumpTables(env.DB)

    expect(await answer(await worker.call(`/${crypto.randomUUID()}`, { ip }))).toEqual(expected)
    expect(await answer(await refresh(cookies, { ip }))).toEqual(expected)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await answer(await refresh(cookies))).toEqual(GRANTED)
  })
})

describe('reuse', () => {
  test('of the direct predecessor is a race for 10 seconds', async () => {
    const { cookies } = await open()
    const next = pairOf(await refresh(cookies))
    at(10)

    expect(await answer(await refresh(cookies))).toEqual(USED)
    expect(await answer(await refresh(next))).toEqual(GRANTED)
  })

  test('of the direct predecessor after that ends its session alone and tells its owner', async () => {
    const { guid, id, email } = await createAccount(env.DB)
    const { sid, cookies } = await open(guid)
    const other = await open(guid)
    const next = pairOf(await refresh(cookies))
    at(11)

    expect(await answer(await refresh(cookies))).toEqual(USED)
    expect(await sessionRow(sid)).toMatchObject({
      jti: jtiOf(next),
      revoked_at: T0 + 11,
      revoked_reason: 'reuse',
    })
    const stored = await notificationsFor(sid)
    expect(stored).toEqual([
      {
        id: expect.stringMatching(UUID) as string,
        kind: 'token_reused',
        user_id: id,
        recipient: email,
        facts: expect.any(String) as string,
        dedupe_key: `token_reused:${sid}`,
        created_at: T0 + 11,
      },
    ])
    expect(JSON.parse(String(stored?.[0]?.['facts']))).toMatchObject({
      at: T0 + 11,
      client: { address: HOME, asn: null, country: null, city: null, network: null, userAgent: null },
      origin: ORIGIN,
    })
    expect(await answer(await refresh(next))).toEqual(USED)
    expect(await answer(await refresh(cookies))).toEqual(USED)
    expect(await notificationsFor(sid)).toEqual(stored)
    expect(await answer(await refresh(other.cookies))).toEqual(GRANTED)
  })

  test('of an older token ends the session at once', async () => {
    const { sid, cookies } = await open()
    const next = pairOf(await refresh(cookies))
    const last = pairOf(await refresh(next))

    expect(await answer(await refresh(cookies))).toEqual(USED)
    expect(await sessionRow(sid)).toMatchObject({ revoked_at: T0, revoked_reason: 'reuse' })
    expect(await answer(await refresh(last))).toEqual(USED)
  })

  describe('within REFRESH_REUSE_SECONDS', () => {
    const lenient = startWorker({ REFRESH_REUSE_SECONDS: '5' })

    test('gets the same successor again: the refresh token byte for byte, the access token with the same claims', async () => {
      const { cookies } = await open(undefined, {}, lenient)
      at(60)
      const next = pairOf(await refresh(cookies, {}, lenient))
      at(65)
      const response = await refresh(cookies, {}, lenient)

      expect(await answer(response)).toEqual(GRANTED)
      const again = pairOf(response)
      expect(again.refresh_token).toBe(next.refresh_token)
      expect(decodeToken(again.access_token)).toEqual(decodeToken(next.access_token))
      expect(await answer(await refresh(again, {}, lenient))).toEqual(GRANTED)
    })

    test('gets nothing after the window', async () => {
      const { cookies } = await open(undefined, {}, lenient)
      const next = pairOf(await refresh(cookies, {}, lenient))
      at(6)

      expect(await answer(await refresh(cookies, {}, lenient))).toEqual(USED)
      expect(await answer(await refresh(next, {}, lenient))).toEqual(GRANTED)
    })
  })
})

describe('a session', () => {
  test('ends SESSION_MAX_SECONDS after sign-in, however often it was refreshed', async () => {
    const short = startWorker({ SESSION_MAX_SECONDS: '3600', REFRESH_TTL_SECONDS: '3000' })
    const { cookies } = await open(undefined, {}, short)
    at(2000)
    const second = await refresh(cookies, {}, short)
    at(3599)
    const third = await refresh(pairOf(second), {}, short)

    expect(setCookies(second)['refresh_token']?.attributes[0]).toBe('Max-Age=1600')
    expect(decodeToken(pairOf(second).refresh_token).payload).toMatchObject({ iat: T0 + 2000, exp: T0 + 3600 })
    expect(setCookies(third)['refresh_token']?.attributes[0]).toBe('Max-Age=1')
    expect(decodeToken(pairOf(third).access_token).payload).toMatchObject({ iat: T0 + 3599, exp: T0 + 3600 })
    at(3600)
    expect(await answer(await refresh(pairOf(third), {}, short))).toEqual(NOT_VALID)
  })

  test('ends by the SESSION_MAX_SECONDS of today, whatever its tokens say', async () => {
    const { cookies } = await open()
    at(3600)

    expect(await answer(await refresh(cookies, {}, startWorker({ SESSION_MAX_SECONDS: '3600' })))).toEqual(USED)
    expect(await answer(await refresh(cookies))).toEqual(GRANTED)
  })

  test.each([
    ['deactivated', 'UPDATE users SET is_active = 0 WHERE guid = ?'],
    ['deleted', 'DELETE FROM users WHERE guid = ?'],
  ])('ends at the next refresh when its account was %s', async (_name, change) => {
    const { guid, sid, cookies } = await open()
    await env.DB.prepare(change).bind(guid).run()
    at(60)

    expect(await answer(await refresh(cookies))).toEqual(INACTIVE)
    expect(await sessionRow(sid)).toMatchObject({ revoked_at: T0 + 60, revoked_reason: 'inactive' })
    await env.DB.prepare('UPDATE users SET is_active = 1 WHERE guid = ?').bind(guid).run()
    expect(await answer(await refresh(cookies))).toEqual(USED)
  })

  test.each([
    ['revoked', 'UPDATE sessions SET revoked_at = 1 WHERE sid = ?'],
    ['deleted', 'DELETE FROM sessions WHERE sid = ?'],
  ])('that was %s refuses its pair', async (_name, change) => {
    const { sid, cookies } = await open()
    await env.DB.prepare(change).bind(sid).run()
    const before = await dumpTables(env.DB)

    expect(await answer(await refresh(cookies))).toEqual(USED)
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

describe('fifty parallel refreshes of one pair', () => {
  const CALLERS = 50

  /** D1, where nobody's first batch runs before everybody's has arrived: no caller is too early to race. */
  function gatedDatabase(): D1Database {
    let arrived = 0
    const gate = Promise.withResolvers<void>()
    return new Proxy(env.DB, {
      get(target, name) {
        if (name === 'batch') {
          return async (statements: D1PreparedStatement[]) => {
            arrived += 1
            if (arrived === CALLERS) gate.resolve()
            await gate.promise
            return target.batch(statements)
          }
        }
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? (...args: unknown[]) => Reflect.apply(member, target, args) : member
      },
    })
  }

  test.each([1, 2, 3, 4, 5])('have exactly one winner, in session %i', async () => {
    const { guid, sid, cookies } = await open()
    const racing = startWorker({ DB: gatedDatabase() })

    const responses = await Promise.all(Array.from({ length: CALLERS }, () => refresh(cookies, {}, racing)))

    const winners = responses.filter((response) => response.status === 200)
    const losers = responses.filter((response) => response.status !== 200)
    expect(winners).toHaveLength(1)
    expect(await Promise.all(losers.map(answer))).toEqual(Array(CALLERS - 1).fill(USED))
    const won = winners.map(pairOf)
    const { results: rows } = await env.DB.prepare(
      'SELECT sid, jti, previous_jti, revoked_at FROM sessions JOIN users ON users.id = user_id WHERE guid = ?',
    )
      .bind(guid)
      .all()
    expect(rows).toEqual(won.map((pair) => ({ sid, jti: jtiOf(pair), previous_jti: jtiOf(cookies), revoked_at: null })))
    for (const pair of won) expect(await answer(await refresh(pair))).toEqual(GRANTED)
  })
})
