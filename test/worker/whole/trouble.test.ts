/**
 * What goes wrong on our side, as a caller sees it and as the log says it: a configuration that cannot be used, a D1 that is
 * down, an error that nobody expected.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createAccount, HASHES, PASSWORD } from '../../support/accounts.ts'
import { answer, asText, COMMON, problem, UNAVAILABLE } from '../../support/answers.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { keepLog } from '../../support/log.ts'
import { callWithoutDatabase, counted, countedDatabase } from '../../support/counted-worker.ts'
import { forge, strangerKeys } from '../../support/forge.ts'
import { callWithoutTrace } from '../../support/requests.ts'
import { ELSEWHERE, HOME, pairOf, startWorker, type TestWorker } from '../../support/worker.ts'

const GUID = '6f9619ff-8b86-4011-b42d-00c04fc964ff'

const logged = keepLog('warn')

const INTERNAL = problem(500, 'Internal Server Error', 'Internal server error', 'internal')

const ACCESS_MISSING = asText(problem(401, 'Unauthorized', 'Access token is missing', 'token_missing'))

describe('a configuration that cannot be used', () => {
  const SECRET = TEST_BINDINGS.AUTH_SECRET
  const SHORT = SECRET.slice(0, 42)
  const TOO_SHORT = 'needs at least 43 characters: 32 random bytes, base64 or hex'
  const WHOLE_SECONDS = 'must be a whole number of seconds'
  const HTTPS = 'must be an https URL'
  const ADDRESS = 'must be a host or an https URL'
  const errors = keepLog('error')

  async function expectUnusable(broken: TestWorker, line: string) {
    for (const path of ['/.well-known/jwks.json', `/${GUID}`, '/refresh', '/nothing/at/all']) {
      errors.mockClear()
      expect(await callWithoutDatabase(path, {}, broken)).toEqual({
        status: 500,
        headers: COMMON,
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
    await expectUnusable(startWorker({ DB: countedDatabase, [key]: value }), `Configuration: ${key} ${reason}`)
  })

  test('names the one of several previous secrets', async () => {
    const broken = startWorker({ DB: countedDatabase, AUTH_SECRET_PREVIOUS: `${SECRET}, ${SHORT}` })

    await expectUnusable(broken, `Configuration: AUTH_SECRET_PREVIOUS.1 ${TOO_SHORT}`)
    await expectUnusable(
      startWorker({ DB: countedDatabase, AUTH_SECRET_PREVIOUS: SHORT }),
      `Configuration: AUTH_SECRET_PREVIOUS.0 ${TOO_SHORT}`,
    )
  })

  test('says what to do where there is no AUTH_SECRET', async () => {
    const broken = startWorker({ DB: countedDatabase })
    Reflect.deleteProperty(broken.bindings, 'AUTH_SECRET')

    await expectUnusable(
      broken,
      'Configuration: AUTH_SECRET is missing. Locally, run `npm start` once: it writes .dev.vars; ' +
        'deployed, run `npx wrangler secret put AUTH_SECRET`',
    )
  })

  test('is told of whole, in one line', async () => {
    const broken = startWorker({ DB: countedDatabase, ISSUE_ACCESS: 'everybody', REFRESH_REUSE_SECONDS: '61' })

    await expectUnusable(
      broken,
      'Configuration: ISSUE_ACCESS Invalid option: expected one of "service"|"open"|"off"; ' +
        'REFRESH_REUSE_SECONDS must be at most 60',
    )
  })

  test('includes settings that contradict each other', async () => {
    await expectUnusable(
      startWorker({ DB: countedDatabase, ACCESS_TTL_SECONDS: '600', REFRESH_TTL_SECONDS: '599' }),
      'Configuration: ACCESS_TTL_SECONDS must not be longer than REFRESH_TTL_SECONDS',
    )
    await expectUnusable(
      startWorker({ DB: countedDatabase, SERVICE_KEY: TEST_BINDINGS.AUTH_SECRET_PREVIOUS }),
      'Configuration: SERVICE_KEY must not be AUTH_SECRET, AUTH_SECRET_NEXT, or one of AUTH_SECRET_PREVIOUS',
    )
    await expectUnusable(
      startWorker({ DB: countedDatabase, ISSUE_ACCESS: 'open', PUBLIC_URL: 'auth.example.com' }),
      'Configuration: ISSUE_ACCESS must not be open under a public PUBLIC_URL: anybody could be anybody. Locally, write `PUBLIC_URL=` into .dev.vars',
    )
    await expectUnusable(
      startWorker({ DB: countedDatabase, MAIL_TRANSPORT: 'api' }),
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
  const cookies = pairOf(await counted.call(`/${crypto.randomUUID()}`))
  const other = pairOf(await counted.call(`/${crypto.randomUUID()}`))
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
      expect(await answer(await callWithoutTrace(path, options, down))).toEqual(
        isText ? asText(UNAVAILABLE) : UNAVAILABLE,
      )
    }
  })

  test('a pair that was refused for it is good as soon as D1 is back', async () => {
    const cookies = pairOf(await counted.call(`/${crypto.randomUUID()}`))
    expect((await down.call('/refresh', { cookies })).status).toBe(503)

    expect((await counted.call('/refresh', { cookies })).status).toBe(200)
  })

  test('what needs no database is answered', async () => {
    const { access_token: token } = pairOf(await counted.call(`/${crypto.randomUUID()}`))

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
    const cookies = pairOf(await counted.call(`/${crypto.randomUUID()}`))
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
    expect((await counted.call('/refresh', { cookies: pairOf(response) })).status).toBe(200)
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
      expect(await answer(await callWithoutTrace(path, options, broken))).toEqual(isText ? asText(INTERNAL) : INTERNAL)
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

function signIn(json: object, by = counted) {
  return by.call('/auth/token', { method: 'POST', json })
}

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
      counted.call('/auth/token', {
        method: 'POST',
        body: '{"password":hunter2}',
        headers: { 'Content-Type': 'application/json' },
      }),
    )
    const key = TEST_BINDINGS.SERVICE_KEY
    await step(guarded.call(`/${guid}`, { headers: { Authorization: `Bearer ${key}`, 'Tessera-Client-IP': HOME } }))
    await step(guarded.call(`/${guid}`, { headers: { Authorization: 'Bearer wrong-service-key' } }))
    const first = await stepPair(counted.call(`/${guid}`))
    const second = await stepPair(counted.call('/refresh', { cookies: first }))
    await step(counted.call('/refresh', { cookies: first }))
    await step(counted.call('/refresh', { cookies: { ...second, access_token: first.access_token } }))
    await step(counted.call('/refresh', { cookies: { ...second, access_token: forged } }))
    await step(counted.call('/refresh', { cookies: { ...second, access_token: `${second.access_token}.x` } }))
    await step(counted.call('/refresh', { cookies: second }))
    await step(down.call('/refresh', { cookies: second }))
    for (const token of [access, forged, `${refresh}x`, 'not-a-token-at-all']) {
      await step(counted.call('/auth/token/verify', { method: 'POST', json: { token } }))
    }
    vi.setSystemTime(start + 11_000)
    await step(counted.call('/refresh', { cookies: first }))
    await step(counted.call('/auth/token/refresh', { method: 'POST', json: { refresh }, ip: ELSEWHERE }))

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
