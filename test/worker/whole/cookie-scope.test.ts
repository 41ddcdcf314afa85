/**
 * Where the cookies of a pair live: by themselves on Tessera's own host for requests of its own site, wider where an operator
 * said so. Whatever was said, the refresh token stays on its host and its path.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { createAccount, PASSWORD } from '../../support/accounts.ts'
import { stopClock } from '../../support/clock.ts'
import { keepLog } from '../../support/log.ts'
import { form, post, refreshByCookies, refreshByJson, signInByJson } from '../../support/requests.ts'
import type { Cookies, Tokens } from '../../support/sessions.ts'
import { HOME, type Overrides, pairOf, startWorker, type TestWorker } from '../../support/worker.ts'

const DAYS = 'Max-Age=864000'
const GONE = 'Max-Age=0'
const KEY = { Authorization: `Bearer ${env.SERVICE_KEY}`, 'Tessera-Client-IP': HOME }

keepLog('warn')

// Seconds that pass in between would be missing in `Max-Age`.
stopClock()

/** A Worker that is asked under its own address. */
function at(host: string, overrides: Overrides = {}): TestWorker {
  const PUBLIC_URL = `https://${host}`
  const started = startWorker({ ISSUE_ACCESS: 'service', PUBLIC_URL, ...overrides })
  return { ...started, call: (path, options) => started.call(path, { origin: PUBLIC_URL, ...options }) }
}

/** The lines of `Set-Cookie`, in their order, without the tokens. */
function linesOf(response: Response): readonly string[] {
  return response.headers.getSetCookie().map((line) => line.replace(/=eyJ[\w.-]+/, '=TOKEN'))
}

async function open(by: TestWorker): Promise<Response> {
  const response = await by.call(`/${crypto.randomUUID()}`, { headers: KEY })
  expect(response.status).toBe(200)
  return response
}

/** Each way to come by a pair in cookies, and the one to give it back. */
const WAYS: readonly (readonly [name: string, ask: (by: TestWorker) => Promise<Response>])[] = [
  ['GET /{guid}', open],
  ['GET /refresh', async (by) => refreshByCookies(pairOf(await open(by)), {}, by)],
  ['POST /refresh', async (by) => refreshByCookies(pairOf(await open(by)), { method: 'POST' }, by)],
  [
    'POST /auth/session',
    async (by) =>
      post('/auth/session', { primary_email: (await createAccount(env.DB)).email, password: PASSWORD }, {}, by),
  ],
]

function signOut(by: TestWorker, cookies: Cookies): Promise<Response> {
  return by.call('/auth/session', { method: 'DELETE', cookies: { access_token: cookies.access_token } })
}

const alone = at('auth.example.com')
const shared = at('auth.example.com', { COOKIE_DOMAIN: 'example.com' })
const own = at('auth.example.com', { COOKIE_DOMAIN: 'auth.example.com' })
const deep = at('auth.eu.example.com', { COOKIE_DOMAIN: '.EU.example.com' })
const lax = at('auth.example.com', { COOKIE_SAMESITE: 'lax' })
const NONE = { COOKIE_SAMESITE: 'none', CORS_ORIGINS: 'https://app.example.org' }
const none = at('auth.example.com', NONE)

const STRICT = 'HttpOnly; Secure; SameSite=Strict'

describe('without a word about it', () => {
  test.each(WAYS)('both cookies are of the host alone: %s', async (_name, ask) => {
    expect(linesOf(await ask(alone))).toEqual([
      `access_token=TOKEN; ${DAYS}; Path=/; ${STRICT}`,
      `refresh_token=TOKEN; ${DAYS}; Path=/refresh; ${STRICT}`,
    ])
  })

  test('they go as they came', async () => {
    expect(linesOf(await signOut(alone, pairOf(await open(alone))))).toEqual([
      `access_token=; ${GONE}; Path=/; ${STRICT}`,
      `refresh_token=; ${GONE}; Path=/refresh; ${STRICT}`,
    ])
  })

  test('two access tokens are refused, and neither is deleted: nobody knows whose they are', async () => {
    const { access_token, refresh_token } = pairOf(await open(alone))
    const Cookie = `access_token=${access_token}; access_token=x; refresh_token=${refresh_token}`
    const refusal = await alone.call('/refresh', { headers: { Cookie } })

    expect([refusal.status, linesOf(refusal)]).toEqual([400, []])
  })
})

describe('COOKIE_DOMAIN', () => {
  const TWINS = [
    `access_token=; ${GONE}; Path=/; ${STRICT}`,
    `access_token=; ${GONE}; Domain=auth.example.com; Path=/; ${STRICT}`,
  ]

  test.each(WAYS)('is of the access token alone, and deletes what stood narrower before: %s', async (_name, ask) => {
    expect(linesOf(await ask(shared))).toEqual([
      ...TWINS,
      `access_token=TOKEN; ${DAYS}; Domain=example.com; Path=/; ${STRICT}`,
      `refresh_token=TOKEN; ${DAYS}; Path=/refresh; ${STRICT}`,
    ])
  })

  test('is where a sign-out deletes it', async () => {
    expect(linesOf(await signOut(shared, pairOf(await open(shared))))).toEqual([
      ...TWINS,
      `access_token=; ${GONE}; Domain=example.com; Path=/; ${STRICT}`,
      `refresh_token=; ${GONE}; Path=/refresh; ${STRICT}`,
    ])
  })

  test('that became the host itself deletes what stood wider before', async () => {
    expect(linesOf(await open(own))).toEqual([
      `access_token=; ${GONE}; Path=/; ${STRICT}`,
      `access_token=; ${GONE}; Domain=example.com; Path=/; ${STRICT}`,
      `access_token=TOKEN; ${DAYS}; Domain=auth.example.com; Path=/; ${STRICT}`,
      `refresh_token=TOKEN; ${DAYS}; Path=/refresh; ${STRICT}`,
    ])
  })

  test('of a host that lies deeper deletes every other that it could have had', async () => {
    expect(linesOf(await open(deep))).toEqual([
      `access_token=; ${GONE}; Path=/; ${STRICT}`,
      `access_token=; ${GONE}; Domain=auth.eu.example.com; Path=/; ${STRICT}`,
      `access_token=; ${GONE}; Domain=example.com; Path=/; ${STRICT}`,
      `access_token=TOKEN; ${DAYS}; Domain=eu.example.com; Path=/; ${STRICT}`,
      `refresh_token=TOKEN; ${DAYS}; Path=/refresh; ${STRICT}`,
    ])
  })

  test.each(['/refresh', '/auth/me', '/auth/sessions'])(
    'heals a browser that has the token of an earlier setting, too: refused once at %s, without the twins',
    async (path) => {
      const { access_token, refresh_token } = pairOf(await open(shared))
      const Cookie = `access_token=${access_token}; access_token=x; refresh_token=${refresh_token}`
      const refusal = await shared.call(path, { headers: { Cookie } })

      expect([refusal.status, linesOf(refusal)]).toEqual([400, TWINS])
      expect((await refreshByCookies({ access_token, refresh_token }, {}, shared)).status).toBe(200)
    },
  )

  test('a refresh token that was sent twice is refused as ever, and nothing is deleted', async () => {
    const { access_token, refresh_token } = pairOf(await open(shared))
    const Cookie = `access_token=${access_token}; refresh_token=${refresh_token}; refresh_token=x`
    const refusal = await shared.call('/refresh', { headers: { Cookie } })

    expect([refusal.status, linesOf(refusal)]).toEqual([400, []])
  })
})

describe('COOKIE_SAMESITE', () => {
  const LOCAL = { strict: {}, lax: { COOKIE_SAMESITE: 'lax' }, none: NONE }

  test.each(WAYS)('lax is for the access token: a link shows pages and refreshes nothing: %s', async (_name, ask) => {
    expect(linesOf(await ask(lax))).toEqual([
      `access_token=TOKEN; ${DAYS}; Path=/; HttpOnly; Secure; SameSite=Lax`,
      `refresh_token=TOKEN; ${DAYS}; Path=/refresh; ${STRICT}`,
    ])
  })

  test.each(WAYS)('none is for both, since both are needed to refresh: %s', async (_name, ask) => {
    expect(linesOf(await ask(none))).toEqual([
      `access_token=TOKEN; ${DAYS}; Path=/; HttpOnly; Secure; SameSite=None`,
      `refresh_token=TOKEN; ${DAYS}; Path=/refresh; HttpOnly; Secure; SameSite=None`,
    ])
  })

  test('is what a sign-out deletes with: a browser heeds no other from another site', async () => {
    expect(linesOf(await signOut(none, pairOf(await open(none))))).toEqual([
      `access_token=; ${GONE}; Path=/; HttpOnly; Secure; SameSite=None`,
      `refresh_token=; ${GONE}; Path=/refresh; HttpOnly; Secure; SameSite=None`,
    ])
  })

  test.each<[keyof typeof LOCAL, readonly string[]]>([
    ['strict', ['HttpOnly; SameSite=Strict', 'HttpOnly; SameSite=Strict']],
    ['lax', ['HttpOnly; SameSite=Lax', 'HttpOnly; SameSite=Strict']],
    // A browser takes Secure from this machine, and drops SameSite=None without it.
    ['none', ['HttpOnly; Secure; SameSite=None', 'HttpOnly; Secure; SameSite=None']],
  ])('%s over plain http on this machine', async (value, [access, refresh]) => {
    const local = startWorker({ ...LOCAL[value], PUBLIC_URL: 'localhost:8787' })

    expect(linesOf(await local.call(`/${crypto.randomUUID()}`, { origin: 'http://localhost:8787' }))).toEqual([
      `access_token=TOKEN; ${DAYS}; Path=/; ${access}`,
      `refresh_token=TOKEN; ${DAYS}; Path=/refresh; ${refresh}`,
    ])
  })

  test.each(['cross-site', 'same-site'])('none lets no page in that is %s', async (site) => {
    const cookies = pairOf(await open(none))
    const headers = { 'Sec-Fetch-Site': site }

    expect((await refreshByCookies(cookies, { headers }, none)).status).toBe(403)
    expect((await none.call('/auth/session', { method: 'DELETE', cookies, headers })).status).toBe(403)
    expect((await refreshByCookies(cookies, {}, none)).status).toBe(200)
  })
})

test('the JSON transport sets no cookie, whatever the settings are', async () => {
  const wide = at('auth.example.com', { ...NONE, COOKIE_DOMAIN: 'example.com' })
  const { email } = await createAccount(env.DB)
  const signedIn = await signInByJson(email, PASSWORD, wide)
  const { refresh } = await signedIn.clone().json<Tokens>()
  const refreshed = await refreshByJson(refresh, {}, wide)
  const revoked = await wide.call('/auth/token/revoke', { method: 'POST', ...form({ token: refresh }) })

  expect([signedIn, refreshed, revoked].map((response) => [response.status, linesOf(response)])).toEqual([
    [200, []],
    [200, []],
    [204, []],
  ])
})
