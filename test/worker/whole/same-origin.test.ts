/**
 * Who may have a browser change something: the pages of this origin, and a person who typed the address. A page of a
 * sibling host gets the cookies sent along (`SameSite` knows sites, not origins), and so could burn a pair by a
 * request whose answer it throws away.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test, vi } from 'vitest'

import { createApp } from '../../../src/app.ts'
import { createAccount, dumpTables, insertPlace, PASSWORD, GUID } from '../../support/accounts.ts'
import { answerBesideCookies, FORBIDDEN } from '../../support/answers.ts'
import { DAY_SECONDS, T0 } from '../../support/clock.ts'
import { type BodyOptions, callWithoutTrace, form } from '../../support/requests.ts'
import { open } from '../../support/sessions.ts'
import { type CallOptions, pairOf, setCookies, worker } from '../../support/worker.ts'

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }
const CREDENTIALS = { primary_email: 'nobody@example.com', password: PASSWORD }

/** Routes that change something on behalf of a cookie, or hand one out. */
const GUARDED: readonly (readonly [route: string, request: CallOptions & { readonly path?: string }])[] = [
  ['GET /:guid', { path: `/${GUID}` }],
  ['GET /refresh', {}],
  ['POST /refresh', {}],
  ['POST /refresh/device', {}],
  ['POST /auth/device', {}],
  ['POST /auth/session', { json: CREDENTIALS }],
  ['DELETE /auth/session', {}],
  ['DELETE /auth/sessions', {}],
  ['DELETE /auth/sessions/:sid', { path: `/auth/sessions/${GUID}` }],
  ['DELETE /auth/places/:id', { path: '/auth/places/1' }],
  ['POST /links/end-sessions', { headers: FORM, body: 'token=x' }],
  ['POST /links/allow-place', { headers: FORM, body: 'token=x' }],
  ['POST /account', { headers: FORM, body: 'language=ru' }],
  ['POST /account/sign-in', { headers: FORM, body: 'primary_email=nobody%40example.com&password=x' }],
  ['POST /account/register', { headers: FORM, body: 'primary_email=nobody%40example.com&password=x' }],
  ['POST /account/confirm', { headers: FORM, body: 'primary_email=nobody%40example.com' }],
  ['POST /account/forgot', { headers: FORM, body: 'primary_email=nobody%40example.com' }],
  ['POST /account/sessions', { headers: FORM, body: 'others=1' }],
  ['POST /account/password', { headers: FORM, body: 'current_password=x&new_password=x' }],
  ['POST /account/email', { headers: FORM, body: 'password=x&new_email=nobody%40example.com' }],
  ['POST /account/leave', { headers: FORM, body: 'password=x' }],
  ['POST /account/sign-out', { headers: FORM, body: '' }],
  ['POST /links/confirm', { headers: FORM, body: 'token=x' }],
  ['POST /links/reset-password', { headers: FORM, body: 'token=x&new_password=x' }],
  ['POST /links/confirm-email', { headers: FORM, body: 'token=x' }],
  ['POST /links/undo-email', { headers: FORM, body: 'token=x' }],
  ['POST /auth/register', { json: CREDENTIALS }],
  ['POST /auth/confirm/resend', { json: { primary_email: 'nobody@example.com' } }],
  ['POST /auth/password/forgot', { json: { primary_email: 'nobody@example.com' } }],
  ['POST /auth/password', { json: { current_password: 'x', new_password: 'x' } }],
  ['POST /auth/email', { json: { password: 'x', new_email: 'nobody@example.com' } }],
  ['DELETE /auth/me', { json: { password: 'x' } }],
]

/**
 * Routes that change nothing, and the JSON transport: with its requests no browser sends anything of its user along by
 * itself, and a page of another origin does not get past the preflight of JSON.
 */
const OPEN: readonly (readonly [route: string, request: CallOptions & { readonly path?: string }])[] = [
  ['GET /.well-known/jwks.json', {}],
  ['GET /.well-known/openid-configuration', {}],
  ['GET /.well-known/oauth-authorization-server', {}],
  ['GET /openapi.json', {}],
  ['GET /docs/*', { path: '/docs/errors' }],
  ['GET /llms.txt', {}],
  ['GET /healthz', {}],
  ['POST /auth/token', { json: CREDENTIALS }],
  ['POST /auth/token/refresh', { json: { refresh: 'x' } }],
  ['POST /auth/token/verify', { json: { token: 'x' } }],
  ['POST /auth/token/revoke', { headers: FORM, body: 'token=x' }],
  ['POST /auth/token/introspect', { headers: FORM, body: 'token=x' }],
  ['POST /auth/tickets', { json: { guid: GUID } }],
  ['GET /auth/me', {}],
  ['GET /auth/sessions', {}],
  ['GET /auth/places', {}],
  ['GET /links/end-sessions', {}],
  ['GET /links/allow-place', {}],
  ['GET /account', {}],
  ['GET /account/sign-in', {}],
  ['GET /account/register', {}],
  ['GET /account/confirm', {}],
  ['GET /account/forgot', {}],
  ['GET /account/sessions', {}],
  ['GET /account/password', {}],
  ['GET /account/email', {}],
  ['GET /account/leave', {}],
  ['GET /links/confirm', {}],
  ['GET /links/reset-password', {}],
  ['GET /links/confirm-email', {}],
  ['GET /links/undo-email', {}],
  ['POST /auth/confirm', { json: { token: 'x' } }],
  ['POST /auth/password/reset', { json: { token: 'x', new_password: 'x' } }],
]

beforeEach(() => {
  vi.spyOn(console, 'warn').mockReturnValue()
})

const ROUTES = createApp()
  .routes.filter(({ method }) => method !== 'ALL')
  .map(({ method, path }) => `${method} ${path.replace(/\{.*\}$/, '')}`)
const OPERATORS = ROUTES.filter((route) => / \/admin\//.test(route))

test.each(OPERATORS)('%s takes no cookie for a key, from whichever page', async (route) => {
  const { cookies } = await open()
  const [method = '', path = ''] = route.split(' ')
  for (const site of ['same-origin', 'cross-site']) {
    const options = { method, cookies, headers: { 'Sec-Fetch-Site': site } }
    expect((await callWithoutTrace(path, options)).status).toBe(401)
  }
})

test('every other route is in one of the two tables', () => {
  const routes = ROUTES.filter((route) => !OPERATORS.includes(route))
  expect(new Set([...GUARDED, ...OPEN].map(([route]) => route))).toEqual(new Set(routes))
})

test('the routes that hand out cookies say what decides whether they do, and no other one does', async () => {
  const ISSUING = [
    'GET /:guid',
    'GET /refresh',
    'POST /refresh',
    'POST /refresh/device',
    'POST /auth/device',
    'POST /auth/session',
  ]
  const saying: string[] = []
  for (const [route, request] of [...GUARDED, ...OPEN]) {
    for (const site of [null, 'cross-site']) {
      const vary = (await call(route, site, request)).headers.get('Vary')
      // Pages are in the language that was asked for, whoever asks.
      if (/ \/(links|account)\b/.test(route)) expect([route, vary]).toEqual([route, 'Accept-Language'])
      else if (vary !== null) saying.push(`${route}: ${vary}`)
    }
  }
  expect(saying).toEqual(ISSUING.flatMap((route) => Array(2).fill(`${route}: Sec-Fetch-Site, Sec-Purpose`)))

  const account = await createAccount(env.DB)
  expect((await worker.call(`/${account.guid}`)).headers.get('Vary')).toBe('Sec-Fetch-Site, Sec-Purpose')
})

test('over plain http, as on this machine, nothing says that https is all there is', async () => {
  const response = await worker.call('/healthz', { origin: 'http://localhost:8787' })
  expect(response.headers.has('Strict-Transport-Security')).toBe(false)
})

function call(route: string, site: string | null, { path, ...options }: CallOptions & { readonly path?: string }) {
  const [method = '', pattern = ''] = route.split(' ')
  const headers = { ...(options.headers as Record<string, string>), ...(site !== null && { 'Sec-Fetch-Site': site }) }
  return worker.call(path ?? pattern, { ...options, method, headers })
}

describe.each(GUARDED)('%s', (route, request) => {
  test.each(['same-site', 'cross-site', 'whatever comes next'])('is forbidden to a page that is %s', async (site) => {
    const { id, guid } = await createAccount(env.DB)
    const cookies = pairOf(await worker.call(`/${guid}`))
    await env.DB.prepare(
      "INSERT OR REPLACE INTO allowed_places (id, user_id, place, created_at, expires_at) VALUES (1, ?, 'country:NZ', 0, 9e9)",
    )
      .bind(id)
      .run()
    const before = await dumpTables(env.DB)

    const response = await call(route, site, { ...request, cookies })

    expect([response.status, response.headers.getSetCookie()]).toEqual([403, []])
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test.each(['same-origin', 'none', null])('is not, to one that is %s', async (site) => {
    const { guid } = await createAccount(env.DB)
    const cookies = pairOf(await worker.call(`/${guid}`))

    expect((await call(route, site, { ...request, cookies })).status).not.toBe(403)
  })
})

test.each(OPEN)('%s is open to whoever may call it, wherever they are', async (route, request) => {
  const { guid } = await createAccount(env.DB)
  const cookies = pairOf(await worker.call(`/${guid}`))
  const asked = async (site: string) => (await call(route, site, { ...request, cookies })).status

  expect([await asked('same-site'), await asked('cross-site')]).toEqual([
    await asked('same-origin'),
    await asked('same-origin'),
  ])
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
    const place = await insertPlace(env.DB, session.account, 'country:NZ', {
      createdAt: T0,
      expiresAt: T0 + DAY_SECONDS,
    })
    const target = path.replace(':other', other.sid).replace(':place', String(place))
    const headers = { Accept: 'application/json', ...options.headers, 'Sec-Fetch-Site': 'cross-site' }
    const cookies = { access_token: session.access, refresh_token: session.refresh }
    const response = await callWithoutTrace(target, { ...options, method, headers, cookies })

    expect(setCookies(response)).toEqual({})
    expect(await answerBesideCookies(response)).toEqual(FORBIDDEN)
  })
})
