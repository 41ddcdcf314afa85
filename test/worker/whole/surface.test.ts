/**
 * Everything else that a stranger may send, and what goes wrong on our side: wrong paths, methods and bodies, sizes,
 * odd characters, a bad configuration, a database that is down. Every row has an exact answer, none is a 500 that was
 * not meant to be one, none writes, and none tells what it should not.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createApp } from '../../../src/app.ts'
import { createAccount, dumpTables, HASHES, PASSWORD } from '../../support/accounts.ts'
import { COMMON, problem } from '../../support/answers.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { forge, strangerKeys } from '../../support/forge.ts'
import { type CallOptions, ELSEWHERE, pairOf, startWorker, type TestWorker } from '../../support/worker.ts'

const GUID = '6f9619ff-8b86-4011-b42d-00c04fc964ff'
const KIB = 1024

const { database, roundTrips, reset } = countRoundTrips(env.DB)
const worker = startWorker({ DB: database })
const logged = vi.spyOn(console, 'warn').mockImplementation(() => {})

beforeEach(() => {
  logged.mockClear()
})

/** An answer whole: its status, every header, and its body to the byte. */
async function answer(response: Response) {
  const { status, headers } = response
  return { status, headers: Object.fromEntries(headers), body: await response.text() }
}

/** The same on `GET` of one segment: the bare detail. */
function text({ status, headers, body }: ReturnType<typeof problem>) {
  const { detail } = JSON.parse(body) as { detail: string }
  return { status, headers: { ...headers, 'content-type': 'text/plain; charset=UTF-8' }, body: detail }
}

const NOT_FOUND = problem(404, 'Not Found', 'Not found', 'not_found')
const TOO_LARGE = problem(413, 'Content Too Large', 'Payload too large', 'payload_too_large')
const NOT_JSON = problem(415, 'Unsupported Media Type', 'Unsupported media type', 'unsupported_media_type')
const INTERNAL = problem(500, 'Internal Server Error', 'Internal server error', 'internal')
const UNAVAILABLE = problem(503, 'Service Unavailable', 'Service unavailable', 'unavailable', {
  headers: { 'retry-after': '1' },
})
const NO_ACCOUNT = problem(
  401,
  'Unauthorized',
  'No active account found with the given credentials',
  'no_active_account',
)
const ACCESS_MISSING = text(problem(401, 'Unauthorized', 'Access token is missing', 'token_missing'))

function malformed(errors?: Readonly<Record<string, readonly string[]>>) {
  return problem(400, 'Bad Request', 'Wrong data structure', 'wrong_data_structure', errors && { errors })
}

function notAllowed(allow: string) {
  return problem(405, 'Method Not Allowed', 'Method not allowed', 'method_not_allowed', { headers: { allow } })
}

/** Calls, and sees that the database was not even asked: nothing can have been written. */
async function callWithoutDatabase(path: string, options: CallOptions = {}, by: TestWorker = worker) {
  reset()
  const got = await answer(await by.call(path, options))
  expect(roundTrips()).toBe(0)
  return got
}

/** Calls, and sees that nothing was written. */
async function callWithoutTrace(path: string, options: CallOptions = {}, by: TestWorker = worker) {
  const before = await dumpTables(env.DB)
  const got = await answer(await by.call(path, options))
  expect(await dumpTables(env.DB)).toEqual(before)
  return got
}

describe('a path that is no route', () => {
  test.each([
    '/',
    '/auth/nothing',
    '/auth/token/nothing',
    '/auth/token/verify/more',
    '/auth/token/',
    '/auth//token',
    '/AUTH/TOKEN',
    '/refresh/',
    '/refresh/more',
    `/${GUID}/`,
    `/${GUID}/${GUID}`,
    '/.well-known/nothing',
    '/.well-known/jwks.json/',
    '//refresh',
    '/auth/token/%zz',
    '/auth%2Ftoken/x',
    `/${'a/'.repeat(2000)}`,
  ])('is 404: %s', async (path) => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      expect(await callWithoutDatabase(path, { method })).toEqual(NOT_FOUND)
    }
    expect(await callWithoutDatabase(path, { method: 'HEAD' })).toEqual({ ...NOT_FOUND, body: '' })
  })

  test.each([
    '/%',
    '/%zz',
    '/%ff',
    '/%00',
    '/%E0%A4%A',
    '/%2Frefresh',
    '/..%2fauth%2ftoken',
    '/refresh%20',
    '/REFRESH',
    '/auth',
    '/.env',
    '/\u{1f36a}',
    `/${'a'.repeat(8 * KIB)}`,
    `/${GUID}%00`,
    "/'%20OR%20'1'='1",
    '/__proto__',
  ])('of one segment is a malformed guid: %s', async (path) => {
    expect(await callWithoutDatabase(path)).toEqual(text(malformed()))
  })
})

describe('a method that a route does not have', () => {
  const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']
  const ROUTES = [
    ['/.well-known/jwks.json', '/.well-known/jwks.json', 'GET, HEAD'],
    ['/healthz', '/healthz', 'GET, HEAD'],
    ['/auth/token', '/auth/token', 'POST'],
    ['/auth/token/refresh', '/auth/token/refresh', 'POST'],
    ['/auth/token/verify', '/auth/token/verify', 'POST'],
    ['/auth/token/revoke', '/auth/token/revoke', 'POST'],
    ['/auth/token/introspect', '/auth/token/introspect', 'POST'],
    ['/auth/session', '/auth/session', 'POST, DELETE'],
    ['/auth/me', '/auth/me', 'GET, HEAD'],
    ['/auth/sessions', '/auth/sessions', 'GET, HEAD, DELETE'],
    ['/auth/sessions/:sid', `/auth/sessions/${GUID}`, 'DELETE'],
    ['/auth/places', '/auth/places', 'GET, HEAD'],
    ['/auth/places/:id{[0-9]{1,15}}', '/auth/places/1', 'DELETE'],
    ['/links/end-sessions', '/links/end-sessions', 'GET, HEAD, POST'],
    ['/links/allow-place', '/links/allow-place', 'GET, HEAD, POST'],
    ['/refresh', '/refresh', 'GET, POST'],
    ['/:guid', `/${GUID}`, 'GET'],
  ] as const

  test('has a row here for every route that there is', () => {
    const routes = createApp().routes.filter(({ method }) => method !== 'ALL')
    const known = ROUTES.flatMap(([pattern, , allow]) =>
      allow
        .split(', ')
        .filter((method) => method !== 'HEAD')
        .map((method) => `${method} ${pattern}`),
    )

    expect(new Set(routes.map(({ method, path }) => `${method} ${path}`))).toEqual(new Set(known))
  })

  const rows = ROUTES.flatMap(([, path, allow]) =>
    METHODS.filter((method) => !allow.split(', ').includes(method)).map((method) => [method, path, allow] as const),
  )
  test.each(rows)('%s %s is 405, Allow: %s', async (method, path, allow) => {
    const { headers, ...got } = await callWithoutDatabase(path, { method })
    const { headers: expected, body, ...rest } = notAllowed(allow)

    expect(got).toEqual({ ...rest, body: method === 'HEAD' ? '' : body })
    // Pages have security headers of their own besides.
    expect(headers).toEqual(path.startsWith('/links/') ? expect.objectContaining(expected) : expected)
  })

  test('is told before anything about a body, a token or an address', async () => {
    const options = { method: 'PUT', body: 'x'.repeat(17 * KIB), ip: null, cookies: { access_token: 'x' } }

    expect(await callWithoutDatabase('/auth/token', options)).toEqual(notAllowed('POST'))
    expect(await callWithoutDatabase('/refresh', options)).toEqual(notAllowed('GET, POST'))
  })

  test('HEAD of the public keys says what GET says, without its body', async () => {
    const head = await callWithoutDatabase('/.well-known/jwks.json', { method: 'HEAD' })
    const get = await answer(await worker.call('/.well-known/jwks.json'))

    expect(head).toEqual({ ...get, body: '' })
  })
})

const STRING_MISSING = 'Invalid input: expected string, received undefined'
const received = (type: string) => [`Invalid input: expected string, received ${type}`]

/** A JSON object with a further field that makes it as long as asked for. */
function padded(json: string, bytes: number): string {
  return json.replace('}', `,"more":"${'y'.repeat(bytes - json.length - 10)}"}`)
}

/** A body that comes in pieces, its length not announced. */
function streamed(body: string): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(body)
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes.slice(0, KIB))
      controller.enqueue(bytes.slice(KIB))
      controller.close()
    },
  })
}

interface JsonRoute {
  readonly path: string
  /** Well-formed fields that mean nothing. */
  readonly fields: Readonly<Record<string, string>>
  /** What those are answered: the body was read. */
  readonly READ: Awaited<ReturnType<typeof answer>>
  readonly headers?: Readonly<Record<string, string>>
}

const JSON_ROUTES: readonly JsonRoute[] = [
  { path: '/auth/token', fields: { primary_email: 'nobody@example.com', password: 'x' }, READ: NO_ACCOUNT },
  { path: '/auth/session', fields: { primary_email: 'nobody@example.com', password: 'x' }, READ: NO_ACCOUNT },
  { path: '/auth/token/refresh', fields: { refresh: 'x' }, READ: malformed() },
  { path: '/auth/token/verify', fields: { token: 'x' }, READ: malformed() },
  {
    path: '/auth/token/introspect',
    fields: { token: 'x' },
    READ: { status: 200, headers: { ...COMMON, 'content-type': 'application/json' }, body: '{"active":false}' },
    headers: { Authorization: `Bearer ${TEST_BINDINGS.SERVICE_KEY}` },
  },
]

describe.each(JSON_ROUTES)('POST $path', ({ path, fields, READ, headers: own = {} }) => {
  const names = Object.keys(fields)
  const missing = Object.fromEntries(names.map((name) => [name, [STRING_MISSING]]))
  const json = { 'Content-Type': 'application/json' }
  const good = JSON.stringify(fields)
  function post(body: BodyInit, headers: Record<string, string> = json) {
    const call = READ === NO_ACCOUNT ? callWithoutTrace : callWithoutDatabase
    return call(path, { method: 'POST', body, headers: { ...own, ...headers } })
  }

  test.each([
    ['none', {}],
    ['a form with files', { 'Content-Type': 'multipart/form-data; boundary=x' }],
    ['text', { 'Content-Type': 'text/plain' }],
    ['text that names JSON', { 'Content-Type': 'text/plain; application/json' }],
    ['text/json', { 'Content-Type': 'text/json' }],
    ['JSON of another kind', { 'Content-Type': 'application/problem+json' }],
    ['JSON5', { 'Content-Type': 'application/json5' }],
    ['two types', { 'Content-Type': 'application/json, text/plain' }],
    ['junk', { 'Content-Type': ';' }],
  ])('refuses a body of the type: %s', async (_name, headers) => {
    // Bytes bring no type of their own, as text would.
    expect(await post(new TextEncoder().encode(good), headers)).toEqual(NOT_JSON)
  })

  test('refuses a request without a body, and with a type or without', async () => {
    expect(await callWithoutDatabase(path, { method: 'POST', headers: own })).toEqual(NOT_JSON)
    expect(await callWithoutDatabase(path, { method: 'POST', headers: { ...own, ...json } })).toEqual(malformed())
  })

  test.each(['application/json; charset=utf-8', 'Application/JSON', ' application/json ;x=y'])(
    'takes the type %s',
    async (type) => {
      expect(await post(good, { 'Content-Type': type })).toEqual(READ)
    },
  )

  test.each([
    ['nothing', ''],
    ['a space', ' '],
    ['an open brace', '{'],
    ['a word', 'undefined'],
    ['single quotes', good.replaceAll('"', "'")],
    ['a comma too much', good.replace('}', ',}')],
    ['a NUL after it', `${good}\0`],
    ['a bare control character in a text', good.replace('x', 'x\n')],
    ['two values', `${good}${good}`],
    ['ten thousand open brackets', '['.repeat(10_000)],
    ['NaN', good.replace('"x"', 'NaN')],
    ['a form', 'primary_email=a&password=b&refresh=c&token=d'],
  ])('refuses what is no JSON: %s', async (_name, body) => {
    expect(await post(body)).toEqual(malformed())
  })

  test.each([
    ['null', 'null', 'null'],
    ['an array', '[]', 'array'],
    ['an array of bodies', `[${good}]`, 'array'],
    ['a text', JSON.stringify(good), 'string'],
    ['a number', '1', 'number'],
    ['true', 'true', 'boolean'],
  ])('refuses JSON that is no object: %s', async (_name, body, type) => {
    expect(await post(body)).toEqual(malformed({ body: [`Invalid input: expected object, received ${type}`] }))
  })

  test.each([
    ['nothing', '{}'],
    ['other spellings', '{"Primary_email":"a","PASSWORD":"b","Refresh":"c"," token":"d"}'],
    ['its fields in __proto__', `{"__proto__":${good}}`],
    ['its fields in constructor.prototype', `{"constructor":{"prototype":${good}}}`],
  ])('names every field that is missing from an object with %s', async (_name, body) => {
    expect(await post(body)).toEqual(malformed(missing))
  })

  test.each([
    ['null', null, 'null'],
    ['a number', 1, 'number'],
    ['true', true, 'boolean'],
    ['an array', ['x'], 'array'],
    ['an object', { $ne: null }, 'object'],
    ['a thousand nested arrays', JSON.parse(`${'['.repeat(1000)}${']'.repeat(1000)}`) as unknown, 'array'],
  ])('names every field that is %s', async (_name, value, type) => {
    const body = JSON.stringify(Object.fromEntries(names.map((name) => [name, value])))

    expect(await post(body)).toEqual(malformed(Object.fromEntries(names.map((name) => [name, received(type)]))))
  })

  test.each([
    ['control characters', '\u0001\u001b[31m\u007f'],
    ['a NUL', 'a\0b'],
    ['a lone surrogate', 'a\ud800b'],
    ['the other half', '\udc00'],
    ['text from right to left', '\u202ea@b'],
    ['emoji', '\u{1f36a}'.repeat(20)],
    ['SQL', "' OR 1=1; DROP TABLE users; --"],
    ['line breaks', 'a\r\nSet-Cookie: x=y'],
    ['a name of a property', '__proto__'],
  ])('reads fields with %s, and finds nothing', async (_name, value) => {
    const body = JSON.stringify(Object.fromEntries(names.map((name) => [name, value])))

    expect(await post(body)).toEqual(READ)
  })

  test('reads bytes that are no UTF-8 as text that nothing matches', async () => {
    const body = new Uint8Array([...new TextEncoder().encode(good)].map((byte) => (byte === 0x78 ? 0xff : byte)))

    expect(await post(body)).toEqual(READ)
  })

  test('ignores fields that it does not know', async () => {
    expect(await post(JSON.stringify({ ...fields, remember: true, nested: [{ a: 1 }], body: null }))).toEqual(READ)
  })

  describe('with a body of', () => {
    test('16 KiB reads it', async () => {
      expect(padded(good, 16 * KIB)).toHaveLength(16 * KIB)
      expect(await post(padded(good, 16 * KIB))).toEqual(READ)
      expect(await post(streamed(padded(good, 16 * KIB)))).toEqual(READ)
    })

    test.each([
      ['one byte more', 16 * KIB + 1],
      ['17 KiB', 17 * KIB],
      ['1 MiB', KIB * KIB],
    ])('%s refuses it, announced or not', async (_name, size) => {
      const body = padded(good, size)

      expect(await post(body)).toEqual(TOO_LARGE)
      expect(await post(body, { ...json, 'Content-Length': String(size) })).toEqual(TOO_LARGE)
      expect(await post(streamed(body))).toEqual(TOO_LARGE)
      // A length beside chunks means nothing (RFC 9112 section 6.3), and one that is no number says nothing.
      const chunked = { ...json, 'Content-Length': '10', 'Transfer-Encoding': 'chunked' }
      expect(await post(streamed(body), chunked)).toEqual(TOO_LARGE)
      expect(await post(streamed(body), { ...json, 'Content-Length': 'short' })).toEqual(TOO_LARGE)
    })
  })
})

// Introspection takes one, as RFC 7662 asks; elsewhere a foreign page could send it without a preflight.
test.each(JSON_ROUTES.filter(({ path }) => path !== '/auth/token/introspect'))(
  'POST $path refuses a form',
  async ({ path, fields }) => {
    const body = new URLSearchParams(fields)

    expect(await callWithoutDatabase(path, { method: 'POST', body })).toEqual(NOT_JSON)
  },
)

describe('POST /auth/token', () => {
  test.each([
    [
      { primary_email: '', password: '' },
      {
        primary_email: ['Too small: expected string to have >=1 characters'],
        password: ['Too small: expected string to have >=1 characters'],
      },
    ],
    [
      { primary_email: `${'a'.repeat(243)}@example.com`, password: 'x' },
      {
        primary_email: ['Too big: expected string to have <=254 characters'],
      },
    ],
    [
      { primary_email: 'a@example.com', password: 'x'.repeat(1025) },
      { password: ['Too big: expected string to have <=1024 characters'] },
    ],
    [{ primary_email: 'a@example.com' }, { password: [STRING_MISSING] }],
    [{ password: 'x' }, { primary_email: [STRING_MISSING] }],
    [
      { primary_email: 5, password: null },
      { primary_email: received('number'), password: received('null') },
    ],
  ])('says what is wrong with %j', async (json, errors) => {
    expect(await callWithoutDatabase('/auth/token', { method: 'POST', json })).toEqual(malformed(errors))
  })

  test('takes a password of 1,024 characters', async () => {
    const json = { primary_email: 'nobody@example.com', password: 'x'.repeat(1024) }

    expect(await callWithoutTrace('/auth/token', { method: 'POST', json })).toEqual(NO_ACCOUNT)
  })
})

describe('cookies', () => {
  const many = Array.from({ length: 100 }, (_, i) => `junk${i}=${'x'.repeat(100)}`).join('; ')

  test.each([
    ['a hundred of others', many, ACCESS_MISSING],
    ['1 MB of another', `other=${'x'.repeat(1_000_000)}`, ACCESS_MISSING],
    ['1 MB of a token', `access_token=${'x'.repeat(1_000_000)}; refresh_token=x`, text(malformed())],
    ['a hundred thousand separators', ';'.repeat(100_000), ACCESS_MISSING],
    ['no value', 'access_token; refresh_token', ACCESS_MISSING],
    ['no name', '=access_token', ACCESS_MISSING],
    ['one quote', 'access_token="; refresh_token="', text(malformed())],
    ['percent-encoding', 'access_token=%zz; refresh_token=%00', text(malformed())],
    ['other names', 'Access_Token=x; REFRESH_TOKEN=x; __Host-access_token=x', ACCESS_MISSING],
  ])('of %s have an answer', async (_name, Cookie, expected) => {
    expect(await callWithoutDatabase('/refresh', { headers: { Cookie } })).toEqual(expected)
  })

  test('of a pair are found among a hundred others', async () => {
    const { access_token, refresh_token } = pairOf(await worker.call(`/${crypto.randomUUID()}`))
    const Cookie = `${many}; access_token=${access_token}; refresh_token=${refresh_token}; ${many}`

    expect((await worker.call('/refresh', { headers: { Cookie } })).status).toBe(200)
  })
})

describe('headers and queries that mean nothing', () => {
  test.each([
    ['a long user agent', { 'User-Agent': 'x'.repeat(10_000) }, 'x'.repeat(256)],
    ['no user agent', {}, null],
    ['a user agent of markup', { 'User-Agent': '<script>' }, '<script>'],
  ])('open a session as ever: %s', async (_name, headers, stored) => {
    const response = await worker.call(`/${crypto.randomUUID()}?a=%zz&b[]=1`, { headers })
    const newest = 'SELECT user_agent FROM sessions ORDER BY rowid DESC LIMIT 1'

    expect(response.status).toBe(200)
    expect(await env.DB.prepare(newest).first('user_agent')).toBe(stored)
  })

  test('do not sign anybody in', async () => {
    const headers = { Authorization: 'Bearer x', Accept: 'x/'.repeat(10_000), 'X-HTTP-Method-Override': 'DELETE' }

    expect(await callWithoutDatabase('/refresh?access_token=x&refresh_token=y', { headers })).toEqual(ACCESS_MISSING)
  })
})

describe('a configuration that cannot be used', () => {
  const SECRET = TEST_BINDINGS.AUTH_SECRET
  const SHORT = SECRET.slice(0, 42)
  const TOO_SHORT = 'needs at least 43 characters: 32 random bytes, base64 or hex'
  const WHOLE_SECONDS = 'must be a whole number of seconds'
  const HTTPS = 'must be an https URL'
  const ADDRESS = 'must be a host or an https URL'
  const errors = vi.spyOn(console, 'error').mockImplementation(() => {})

  beforeEach(() => {
    errors.mockClear()
  })

  async function expectUnusable(broken: TestWorker, line: string) {
    for (const path of ['/.well-known/jwks.json', `/${GUID}`, '/refresh', '/nothing/at/all']) {
      errors.mockClear()
      expect(await callWithoutDatabase(path, {}, broken)).toEqual({
        status: 500,
        headers: { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
        body: '',
      })
      expect(errors.mock.calls).toEqual([[line]])
    }
  }

  const rows: readonly (readonly [keyof typeof TEST_BINDINGS, string, string])[] = [
    [
      'AUTH_SECRET',
      '',
      'is missing. Locally, run `npm start` once: it writes .dev.vars; deployed, run `npx wrangler secret put AUTH_SECRET`',
    ],
    ['AUTH_SECRET', SHORT, TOO_SHORT],
    ['AUTH_SECRET', `replace-me-${SECRET}`, 'is still the sample'],
    ['AUTH_SECRET', 'abcdefghijk'.repeat(5), 'is not random'],
    ['SERVICE_KEY', SHORT, TOO_SHORT],
    ['SERVICE_KEY', `replace-me-${SECRET}`, 'is still the sample'],
    ['ISSUE_ACCESS', 'everybody', 'Invalid option: expected one of "service"|"open"|"off"'],
    ['PUBLIC_URL', 'http://auth.example.com', ADDRESS],
    ['PUBLIC_URL', 'http://localhost.example.com', ADDRESS],
    ['PUBLIC_URL', 'javascript:alert(1)', ADDRESS],
    ['SESSION_MAX_SECONDS', 'soon', WHOLE_SECONDS],
    ['ACCESS_TTL_SECONDS', '-300', WHOLE_SECONDS],
    ['ACCESS_TTL_SECONDS', '300.5', WHOLE_SECONDS],
    ['ACCESS_TTL_SECONDS', '3e2', WHOLE_SECONDS],
    ['ACCESS_TTL_SECONDS', '9', 'must be at least 10'],
    ['ACCESS_TTL_SECONDS', '86401', 'must be at most 86400'],
    ['REFRESH_TTL_SECONDS', '34560001', 'must be at most 34560000'],
    ['SESSION_MAX_SECONDS', '59', 'must be at least 60'],
    ['SESSION_MAX_SECONDS', '99999999999', WHOLE_SECONDS],
    ['REFRESH_REUSE_SECONDS', '61', 'must be at most 60'],
    ['LOCATION_POLICY', 'planet', 'Invalid option: expected one of "address"|"subnet"|"asn"|"country"|"off"'],
    ['MAIL_TRANSPORT', 'pigeon', 'Invalid option: expected one of "cloudflare"|"api"'],
    ['MAIL_FROM', 'Tessera', 'must be an address'],
    ['MAIL_FROM', 'a@example.com\r\nBcc: b@example.com', 'must be an address'],
    ['MAIL_API_URL', 'http://mail.example.com', HTTPS],
  ]
  test.each(rows)('%s = %j answers nothing but 500, and logs the key and the reason', async (key, value, reason) => {
    await expectUnusable(startWorker({ DB: database, [key]: value }), `Configuration: ${key} ${reason}`)
  })

  test('names the one of several previous secrets', async () => {
    const broken = startWorker({ DB: database, AUTH_SECRET_PREVIOUS: `${SECRET}, ${SHORT}` })

    await expectUnusable(broken, `Configuration: AUTH_SECRET_PREVIOUS.1 ${TOO_SHORT}`)
    await expectUnusable(
      startWorker({ DB: database, AUTH_SECRET_PREVIOUS: SHORT }),
      `Configuration: AUTH_SECRET_PREVIOUS.0 ${TOO_SHORT}`,
    )
  })

  test('says what to do where there is no AUTH_SECRET', async () => {
    const broken = startWorker({ DB: database })
    Reflect.deleteProperty(broken.bindings, 'AUTH_SECRET')

    await expectUnusable(
      broken,
      'Configuration: AUTH_SECRET is missing. Locally, run `npm start` once: it writes .dev.vars; ' +
        'deployed, run `npx wrangler secret put AUTH_SECRET`',
    )
  })

  test('is told of whole, in one line', async () => {
    const broken = startWorker({ DB: database, ISSUE_ACCESS: 'everybody', REFRESH_REUSE_SECONDS: '61' })

    await expectUnusable(
      broken,
      'Configuration: ISSUE_ACCESS Invalid option: expected one of "service"|"open"|"off"; ' +
        'REFRESH_REUSE_SECONDS must be at most 60',
    )
  })

  test('includes settings that contradict each other', async () => {
    await expectUnusable(
      startWorker({ DB: database, ACCESS_TTL_SECONDS: '600', REFRESH_TTL_SECONDS: '599' }),
      'Configuration: ACCESS_TTL_SECONDS must not be longer than REFRESH_TTL_SECONDS',
    )
    await expectUnusable(
      startWorker({ DB: database, SERVICE_KEY: TEST_BINDINGS.AUTH_SECRET_PREVIOUS }),
      'Configuration: SERVICE_KEY must not be AUTH_SECRET, or one of AUTH_SECRET_PREVIOUS',
    )
    await expectUnusable(
      startWorker({ DB: database, ISSUE_ACCESS: 'open', PUBLIC_URL: 'auth.example.com' }),
      'Configuration: ISSUE_ACCESS must not be open under a public PUBLIC_URL: anybody could be anybody. Locally, write `PUBLIC_URL=` into .dev.vars',
    )
    await expectUnusable(
      startWorker({ DB: database, MAIL_TRANSPORT: 'api' }),
      'Configuration: MAIL_API_URL is needed by MAIL_TRANSPORT=api',
    )
  })
})

const D1_MESSAGE = 'D1_ERROR: Network connection lost at db-7.internal.example'

/** A D1 binding that is there, of which every call, and `bind` too if given, ends as the test says. */
function brokenDatabase(outcome: () => Promise<never>, bind?: () => never): D1Database {
  const statement = new Proxy(env.DB.prepare('SELECT 1'), {
    get: (_target, name) => (name === 'bind' ? (bind ?? (() => statement)) : outcome),
  })
  return new Proxy(env.DB, { get: (_target, name) => (name === 'prepare' ? () => statement : outcome) })
}

function loseConnection(): Promise<never> {
  return Promise.reject(new Error(D1_MESSAGE))
}

/** Every request that needs the database, for a pair that a healthy Worker opened. */
async function requestsThatNeedD1() {
  const cookies = pairOf(await worker.call(`/${crypto.randomUUID()}`))
  const other = pairOf(await worker.call(`/${crypto.randomUUID()}`))
  const { email } = await createAccount(env.DB)
  const method = 'POST'
  const json = { primary_email: email, password: PASSWORD }
  return [
    { path: `/${GUID}`, options: {}, isText: true },
    { path: '/refresh', options: { cookies }, isText: true },
    { path: '/refresh', options: { cookies, headers: { Accept: 'application/json' } }, isText: false },
    { path: '/refresh', options: { method, cookies }, isText: false },
    { path: '/refresh', options: { cookies: other, ip: ELSEWHERE }, isText: true },
    { path: '/auth/token', options: { method, json }, isText: false },
    { path: '/auth/token', options: { method, json: { ...json, password: 'wrong' } }, isText: false },
    { path: '/auth/token/refresh', options: { method, json: { refresh: cookies.refresh_token } }, isText: false },
  ]
}

describe('when D1 is down', () => {
  const down = startWorker({ DB: brokenDatabase(loseConnection) })

  test('every answer that needs it is 503, never 401, and says no more', async () => {
    for (const { path, options, isText } of await requestsThatNeedD1()) {
      expect(await callWithoutTrace(path, options, down)).toEqual(isText ? text(UNAVAILABLE) : UNAVAILABLE)
    }
  })

  test('a pair that was refused for it is good as soon as D1 is back', async () => {
    const cookies = pairOf(await worker.call(`/${crypto.randomUUID()}`))
    expect((await down.call('/refresh', { cookies })).status).toBe(503)

    expect((await worker.call('/refresh', { cookies })).status).toBe(200)
  })

  test('what needs no database is answered', async () => {
    const { access_token: token } = pairOf(await worker.call(`/${crypto.randomUUID()}`))

    expect((await down.call('/auth/token/verify', { method: 'POST', json: { token } })).status).toBe(200)
    expect((await down.call('/.well-known/jwks.json')).status).toBe(200)
    expect(await answer(await down.call('/refresh'))).toEqual(ACCESS_MISSING)
  })

  test('the log says why', async () => {
    await down.call(`/${GUID}`)

    expect(JSON.stringify(logged.mock.calls)).toContain('Network connection lost')
  })
})

describe('when the answer of D1 to a rotation is lost', () => {
  test('the pair is handed out all the same: the write is looked up, not repeated', async () => {
    const cookies = pairOf(await worker.call(`/${crypto.randomUUID()}`))
    let losses = 0
    const lossy = new Proxy(env.DB, {
      get(target, name) {
        if (name === 'batch') {
          return async (statements: D1PreparedStatement[]) => {
            const results = await target.batch(statements)
            losses += 1
            if (losses === 1) throw new Error(D1_MESSAGE)
            return results
          }
        }
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? (...args: unknown[]) => Reflect.apply(member, target, args) : member
      },
    })
    const response = await startWorker({ DB: lossy }).call('/refresh', { cookies })

    expect(response.status).toBe(200)
    expect((await worker.call('/refresh', { cookies: pairOf(response) })).status).toBe(200)
  })
})

describe('when something fails that should not', () => {
  const CAUSE = 'the secret cause'
  /** As D1 throws for a value that it cannot bind: not its outage, but our mistake. */
  const throwing = () => {
    throw new TypeError(CAUSE)
  }
  const broken = startWorker({ DB: brokenDatabase(loseConnection, throwing) })

  test('every answer is 500 and explains nothing', async () => {
    for (const { path, options, isText } of await requestsThatNeedD1()) {
      expect(await callWithoutTrace(path, options, broken)).toEqual(isText ? text(INTERNAL) : INTERNAL)
    }
  })

  test('the log says what', async () => {
    await broken.call(`/${GUID}`, { headers: { 'CF-Ray': '8a1b2c3d4e5f-VIE' } })

    expect(logged.mock.calls).toEqual([
      [
        {
          event: 'refused',
          code: 'internal',
          status: 500,
          cause: `TypeError: ${CAUSE}`,
          route: '/:guid',
          ray: '8a1b2c3d4e5f-VIE',
        },
      ],
    ])
  })
})

describe('the log', () => {
  const METHODS = ['debug', 'info', 'log', 'warn', 'error'] as const
  const calls: unknown[] = []

  beforeEach(() => {
    calls.length = 0
    for (const method of METHODS) vi.spyOn(console, method).mockImplementation((...args) => void calls.push(args))
  })

  afterEach(() => {
    vi.useRealTimers()
  })

  test('holds no token, no password, no e-mail and no key, whatever happens', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const start = 1_800_000_000_000
    vi.setSystemTime(start)
    const { guid, email } = await createAccount(env.DB, { passwordHash: HASHES.pbkdf2Sha256 })
    const guarded = startWorker({ ISSUE_ACCESS: 'service' })
    const down = startWorker({ DB: brokenDatabase(loseConnection) })
    const signIn = (json: object, by = worker) => by.call('/auth/token', { method: 'POST', json })
    const statuses: number[] = []
    const tokens: string[] = []

    async function step(response: Promise<Response>): Promise<Response> {
      const got = await response
      statuses.push(got.status)
      return got
    }

    async function stepPair(response: Promise<Response>) {
      const pair = pairOf(await step(response))
      tokens.push(pair.access_token, pair.refresh_token)
      return pair
    }

    const signedIn = await step(signIn({ primary_email: email, password: PASSWORD }))
    const { access, refresh } = await signedIn.json<{ access: string; refresh: string }>()
    const forged = await forge(
      { alg: 'ES256', typ: 'JWT', kid: 'x', jku: email },
      { email },
      strangerKeys.access.signing,
    )
    tokens.push(access, refresh, forged)
    await step(signIn({ primary_email: email, password: 'wrong-password' }))
    await step(signIn({ primary_email: 'stranger@example.com', password: PASSWORD }))
    await step(signIn({ primary_email: email, password: PASSWORD }, down))
    await step(
      worker.call('/auth/token', {
        method: 'POST',
        body: '{"password":hunter2}',
        headers: { 'Content-Type': 'application/json' },
      }),
    )
    const key = TEST_BINDINGS.SERVICE_KEY
    await step(guarded.call(`/${guid}`, { headers: { Authorization: `Bearer ${key}` } }))
    await step(guarded.call(`/${guid}`, { headers: { Authorization: 'Bearer wrong-service-key' } }))
    const first = await stepPair(worker.call(`/${guid}`))
    const second = await stepPair(worker.call('/refresh', { cookies: first }))
    await step(worker.call('/refresh', { cookies: first }))
    await step(worker.call('/refresh', { cookies: { ...second, access_token: first.access_token } }))
    await step(worker.call('/refresh', { cookies: { ...second, access_token: forged } }))
    await step(worker.call('/refresh', { cookies: { ...second, access_token: `${second.access_token}.x` } }))
    await step(worker.call('/refresh', { cookies: second }))
    await step(down.call('/refresh', { cookies: second }))
    for (const token of [access, forged, `${refresh}x`, 'not-a-token-at-all']) {
      await step(worker.call('/auth/token/verify', { method: 'POST', json: { token } }))
    }
    vi.setSystemTime(start + 11_000)
    await step(worker.call('/refresh', { cookies: first }))
    await step(worker.call('/auth/token/refresh', { method: 'POST', json: { refresh }, ip: ELSEWHERE }))

    expect(statuses).toEqual([
      200, 401, 401, 503, 400, 200, 403, 200, 200, 401, 401, 401, 400, 200, 503, 200, 401, 401, 400, 401, 401,
    ])
    const log = JSON.stringify(calls)
    expect(log).toContain('location_blocked')
    expect(log).toContain('wrong password')
    const secrets = [
      ...tokens.flatMap((token) => token.split('.')),
      PASSWORD,
      'wrong-password',
      'wrong-service-key',
      'hunter2',
      'not-a-token-at-all',
      'stranger@example.com',
      String(email),
      key,
      HASHES.pbkdf2Sha256,
      TEST_BINDINGS.AUTH_SECRET,
      '$argon2id$',
    ]
    expect(secrets.filter((secret) => log.includes(secret))).toEqual([])
  })
})
