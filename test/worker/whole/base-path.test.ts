/**
 * Tessera below a prefix of an application's host: everything that it has is there, under the address that its tokens, its
 * links and its cookies name, and nothing of it is anywhere else.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createApp } from '../../../src/app.ts'
import { createAccount, emptyTables, PASSWORD } from '../../support/accounts.ts'
import { answer, NOT_FOUND, problem, under } from '../../support/answers.ts'
import { stopClock } from '../../support/clock.ts'
import { decodeToken } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { openMailbox, readOutbox } from '../../support/mailbox.ts'
import { form, refreshByCookies } from '../../support/requests.ts'
import { ELSEWHERE, HOME, pairOf, setCookies, startWorker, type TestWorker, worker } from '../../support/worker.ts'

const HOST = 'https://app.example.com'
const PREFIX = '/auth-service'
const ISSUER = `${HOST}${PREFIX}`
const NOTHING = under(ISSUER, NOT_FOUND)
const KEY = { Authorization: `Bearer ${env.SERVICE_KEY}`, 'Tessera-Client-IP': HOME }

/** A Worker that is asked at the host of the application. */
function below(BASE_PATH: string, overrides = {}): TestWorker {
  const MAIL_FROM = 'auth@tessera.test'
  const started = startWorker({ ISSUE_ACCESS: 'service', PUBLIC_URL: HOST, MAIL_FROM, BASE_PATH, ...overrides })
  return { ...started, call: (path, options) => started.call(path, { origin: HOST, ...options }) }
}

const prefixed = below(`${PREFIX}/`)
const deep = below('/api/v1.0/auth')
const logged = keepLog('warn', 'error')

stopClock()
beforeEach(() => emptyTables(env.DB))

const ROUTES = createApp()
  .routes.filter(({ method }) => method !== 'ALL')
  .map(({ method, path }) => [
    method,
    path
      .replace('*', 'errors')
      .replace(':guid', crypto.randomUUID())
      .replace(/:\w+(?:\{.*\})?$/, '1'),
  ])

function notAllowed(allow: string) {
  const refusal = problem(405, 'Method Not Allowed', 'Method not allowed', 'method_not_allowed', { headers: { allow } })
  return under(ISSUER, refusal)
}

describe('a route', () => {
  test.each(ROUTES)('is below the prefix, and there alone: %s %s', async (method = '', path = '') => {
    const expected = await worker.call(path, { method })
    expect(expected.status).not.toBe(404)
    // The ring of the tests lets anybody open sessions.
    const status = /^\/[\da-f-]{36}$/.test(path) ? 401 : expected.status

    expect((await prefixed.call(`${PREFIX}${path}`, { method })).status).toBe(status)
    expect((await deep.call(`/api/v1.0/auth${path}`, { method })).status).toBe(status)
    expect(await answer(await prefixed.call(path, { method }))).toEqual(NOTHING)
  })

  test.each([
    PREFIX,
    `${PREFIX}/`,
    `${PREFIX}x/healthz`,
    `/x${PREFIX}/healthz`,
    `/${PREFIX}/healthz`,
    `${PREFIX}//healthz`,
    `${PREFIX}${PREFIX}/healthz`,
    '/AUTH-SERVICE/healthz',
    '/auth-service%2fhealthz',
    '/auth%2dservice%2Fhealthz',
    `${PREFIX}/../healthz`,
    '/healthz?/auth-service/healthz',
    '/healthz',
    '/refresh',
    `/${crypto.randomUUID()}`,
    '/',
  ])('is not at %s', async (path) => {
    const headers = { ...KEY, 'X-Forwarded-Prefix': PREFIX, 'X-Original-URL': `${PREFIX}/healthz` }
    for (const method of ['GET', 'POST', 'DELETE', 'PUT']) {
      expect(await answer(await prefixed.call(path, { method, headers }))).toEqual(NOTHING)
    }
  })

  test('may begin as the prefix does', async () => {
    const auth = below('/auth')
    const nothing = under(`${HOST}/auth`, NOT_FOUND)
    expect((await auth.call('/auth/auth/me')).status).toBe(401)
    expect((await auth.call('/auth/me')).status).toBe(400)
    expect(await answer(await auth.call('/else/auth/me'))).toEqual(nothing)
    expect(await answer(await auth.call('/else/auth/auth/me'))).toEqual(nothing)
    expect(await answer(await auth.call('/xxxx/auth/me'))).toEqual(nothing)
  })

  test('has the methods that it has', async () => {
    expect(await answer(await prefixed.call(`${PREFIX}/auth/token`, { method: 'PUT' }))).toEqual(notAllowed('POST'))
    expect(await answer(await prefixed.call(`${PREFIX}/refresh`, { method: 'DELETE' }))).toEqual(
      notAllowed('GET, POST'),
    )
    expect(await answer(await prefixed.call('/refresh', { method: 'HEAD' }))).toEqual({ ...NOTHING, body: '' })
  })

  test('is asked for under the host of PUBLIC_URL alone, as ever', async () => {
    const elsewhere = { origin: 'https://tessera.example.workers.dev' }
    expect((await prefixed.call(`${PREFIX}/healthz`, elsewhere)).status).toBe(421)
  })

  test('has the name in the log that it always has', async () => {
    await prefixed.call(`${PREFIX}/not-a-guid`)
    expect(logged.mock.calls).toEqual([[expect.objectContaining({ cause: 'guid', route: '/:guid' })]])
  })
})

describe('the metadata of an issuer with a path', () => {
  test.each([
    [prefixed, PREFIX],
    [deep, '/api/v1.0/auth'],
  ])('stand before that path, too, where RFC 8414 looks for them: case %#', async (by, prefix) => {
    const inserted = await by.call(`/.well-known/oauth-authorization-server${prefix}`)
    const appended = await by.call(`${prefix}/.well-known/oauth-authorization-server`)

    expect(await answer(inserted.clone())).toEqual(await answer(appended))
    expect(await inserted.json()).toMatchObject({ issuer: `${HOST}${prefix}` })
  })

  test.each([
    '/.well-known/oauth-authorization-server',
    `/.well-known/oauth-authorization-server${PREFIX}/`,
    `/.well-known/oauth-authorization-server${PREFIX}x`,
    `/.well-known/openid-configuration${PREFIX}`,
    `/.well-known/jwks.json${PREFIX}`,
  ])('do not stand at %s', async (path) => {
    expect(await answer(await prefixed.call(path))).toEqual(NOTHING)
  })
})

describe('a pair', () => {
  test('is refreshed below the prefix, where its refresh cookie goes; the application reads its access cookie', async () => {
    const first = await prefixed.call(`${PREFIX}/${crypto.randomUUID()}`, { headers: KEY })
    const next = await prefixed.call(`${PREFIX}/refresh`, { cookies: pairOf(first) })
    const out = await prefixed.call(`${PREFIX}/auth/session`, { method: 'DELETE', cookies: pairOf(next) })

    expect([first.status, next.status, out.status]).toEqual([200, 200, 204])
    for (const response of [first, next, out]) {
      const { access_token, refresh_token } = setCookies(response)
      expect(access_token?.attributes).toContain('Path=/')
      expect(refresh_token?.attributes).toContain(`Path=${PREFIX}/refresh`)
    }
  })

  test('names as its issuer where the keys are', async () => {
    const { access_token, refresh_token } = pairOf(
      await prefixed.call(`${PREFIX}/${crypto.randomUUID()}`, { headers: KEY }),
    )
    const { header, payload } = decodeToken(access_token)
    expect([payload['iss'], decodeToken(refresh_token).payload['iss']]).toEqual([
      `${HOST}${PREFIX}`,
      `${HOST}${PREFIX}`,
    ])

    const keys = await prefixed.call(`${String(payload['iss'])}/.well-known/jwks.json`, { origin: '' })
    expect((await keys.json<{ keys: { kid: string }[] }>()).keys.map(({ kid }) => kid)).toContain(header['kid'])
  })

  test('of before the prefix goes on', async () => {
    const former = startWorker({ ISSUE_ACCESS: 'service', PUBLIC_URL: HOST })
    const cookies = pairOf(await former.call(`/${crypto.randomUUID()}`, { origin: HOST, headers: KEY }))

    expect((await prefixed.call(`${PREFIX}/refresh`, { cookies })).status).toBe(200)
  })
})

describe('the links of a mail', () => {
  test.each([
    ['PUBLIC_URL', { PUBLIC_URL: HOST, ISSUE_ACCESS: 'service' }, HOST],
    ['this machine', {}, 'http://localhost:8787'],
  ])('lead below the prefix, under %s, and their pages act there', async (_name, overrides, origin) => {
    const box = openMailbox({ BASE_PATH: PREFIX, ...overrides })
    const { guid } = await createAccount(env.DB)
    const cookies = pairOf(await box.call(`${PREFIX}/${guid}`, { origin, headers: KEY }))
    expect((await box.call(`${PREFIX}/refresh`, { origin, cookies, ip: ELSEWHERE })).status).toBe(401)
    const [row] = await readOutbox()
    expect(await box.settled({ id: row?.id }, 1)).toEqual(['ack'])
    const { text } = box.mails[0] as { text: string }

    expect(text.match(/\S+(?=\/links\/)/g)).toEqual([`${origin}${PREFIX}`, `${origin}${PREFIX}`])
    const link = /\S+\/links\/end-sessions\?token=\S+/.exec(text)?.[0] ?? ''
    expect((await box.call(link, { origin: '' })).status).toBe(200)
    // The form of the page names no address, so that it goes to the page's own.
    const { pathname, searchParams } = new URL(link)
    const pressed = await box.call(pathname, { origin, method: 'POST', ...form(Object.fromEntries(searchParams)) })
    expect(pressed.status).toBe(303)
    const done = new URL(pressed.headers.get('Location') ?? '', `${origin}${pathname}`)
    const shown = await box.call(`${done.pathname}${done.search}`, { origin })
    expect([shown.status, await shown.text()]).toEqual([200, expect.stringContaining('All your sessions have ended')])
  })
})

describe('a deployment that cannot start', () => {
  test('has its health below the prefix', async () => {
    const broken = below(PREFIX, { AUTH_SECRET: 'short' })
    const health = await broken.call(`${PREFIX}/healthz`)

    expect([health.status, await health.json()]).toEqual([
      503,
      expect.objectContaining({ checks: expect.objectContaining({ configuration: 'not ok' }) as unknown }),
    ])
    expect((await broken.call('/healthz')).status).toBe(500)
    expect((await broken.call(`${PREFIX}x/healthz`)).status).toBe(500)
  })

  test('has it at the root where the prefix itself is what cannot be used, and the log names that in one line', async () => {
    const broken = below('auth service')

    expect((await broken.call('/healthz')).status).toBe(503)
    expect((await broken.call('/refresh')).status).toBe(500)
    expect(logged).toHaveBeenCalledWith('Configuration: BASE_PATH must be a path such as /auth-service')
  })
})

test('a root is no prefix', async () => {
  const root = below('/')
  const { email } = await createAccount(env.DB)
  const signedIn = await root.call('/auth/session', {
    method: 'POST',
    json: { primary_email: email, password: PASSWORD },
  })

  expect(setCookies(signedIn)['refresh_token']?.attributes).toContain('Path=/refresh')
  expect((await refreshByCookies(pairOf(signedIn), {}, root)).status).toBe(200)
})
