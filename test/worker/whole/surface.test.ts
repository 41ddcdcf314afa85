/**
 * Everything else that a stranger may send: wrong paths, methods, cookies, headers and queries. Every row has an exact
 * answer, none is a 500, none writes, and none tells what it should not.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { createApp } from '../../../src/app.ts'
import { answer, asText, malformed, NOT_FOUND, problem } from '../../support/answers.ts'
import { keepLog } from '../../support/log.ts'
import { callWithoutDatabase, counted } from '../../support/counted-worker.ts'
import { SERVICE } from '../../support/requests.ts'
import { pairOf } from '../../support/worker.ts'

const GUID = '6f9619ff-8b86-4011-b42d-00c04fc964ff'

const KIB = 1024

keepLog('warn')

const ACCESS_MISSING = asText(problem(401, 'Unauthorized', 'Access token is missing', 'token_missing'))

function notAllowed(allow: string) {
  return problem(405, 'Method Not Allowed', 'Method not allowed', 'method_not_allowed', { headers: { allow } })
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
    expect(await callWithoutDatabase(path)).toEqual(asText(malformed()))
  })
})

function isOfOperators({ path }: { readonly path: string }): boolean {
  return path.startsWith('/admin/')
}

describe('a method that a route does not have', () => {
  const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']
  const ROUTES = [
    ['/.well-known/jwks.json', '/.well-known/jwks.json', 'GET, HEAD'],
    ['/.well-known/openid-configuration', '/.well-known/openid-configuration', 'GET, HEAD'],
    ['/.well-known/oauth-authorization-server', '/.well-known/oauth-authorization-server', 'GET, HEAD'],
    ['/openapi.json', '/openapi.json', 'GET, HEAD'],
    ['/docs/*', '/docs/errors', 'GET, HEAD'],
    ['/llms.txt', '/llms.txt', 'GET, HEAD'],
    ['/healthz', '/healthz', 'GET, HEAD'],
    ['/auth/token', '/auth/token', 'POST'],
    ['/auth/token/refresh', '/auth/token/refresh', 'POST'],
    ['/auth/token/verify', '/auth/token/verify', 'POST'],
    ['/auth/token/revoke', '/auth/token/revoke', 'POST'],
    ['/auth/token/introspect', '/auth/token/introspect', 'POST'],
    ['/auth/tickets', '/auth/tickets', 'POST'],
    ['/auth/session', '/auth/session', 'POST, DELETE'],
    ['/auth/me', '/auth/me', 'GET, HEAD, DELETE'],
    ['/auth/register', '/auth/register', 'POST'],
    ['/auth/confirm', '/auth/confirm', 'POST'],
    ['/auth/confirm/resend', '/auth/confirm/resend', 'POST'],
    ['/auth/password/forgot', '/auth/password/forgot', 'POST'],
    ['/auth/password/reset', '/auth/password/reset', 'POST'],
    ['/auth/password', '/auth/password', 'POST'],
    ['/auth/email', '/auth/email', 'POST'],
    ['/auth/sessions', '/auth/sessions', 'GET, HEAD, DELETE'],
    ['/auth/sessions/:sid', `/auth/sessions/${GUID}`, 'DELETE'],
    ['/auth/places', '/auth/places', 'GET, HEAD'],
    ['/auth/places/:id{[0-9]{1,15}}', '/auth/places/1', 'DELETE'],
    ['/links/end-sessions', '/links/end-sessions', 'GET, HEAD, POST'],
    ['/links/allow-place', '/links/allow-place', 'GET, HEAD, POST'],
    ['/account', '/account', 'GET, HEAD, POST'],
    ['/account/sign-in', '/account/sign-in', 'GET, HEAD, POST'],
    ['/account/register', '/account/register', 'GET, HEAD, POST'],
    ['/account/confirm', '/account/confirm', 'GET, HEAD, POST'],
    ['/account/forgot', '/account/forgot', 'GET, HEAD, POST'],
    ['/account/sessions', '/account/sessions', 'GET, HEAD, POST'],
    ['/account/password', '/account/password', 'GET, HEAD, POST'],
    ['/account/email', '/account/email', 'GET, HEAD, POST'],
    ['/account/leave', '/account/leave', 'GET, HEAD, POST'],
    ['/account/sign-out', '/account/sign-out', 'POST'],
    ['/links/confirm', '/links/confirm', 'GET, HEAD, POST'],
    ['/links/reset-password', '/links/reset-password', 'GET, HEAD, POST'],
    ['/links/confirm-email', '/links/confirm-email', 'GET, HEAD, POST'],
    ['/links/undo-email', '/links/undo-email', 'GET, HEAD, POST'],
    ['/refresh', '/refresh', 'GET, POST'],
    ['/refresh/device', '/refresh/device', 'POST'],
    ['/auth/device', '/auth/device', 'POST'],
    ['/:guid', `/${GUID}`, 'GET'],
  ] as const

  const routes = createApp().routes.filter(({ method }) => method !== 'ALL')
  // Of `import`, the other methods are those of a user, by a guid that is none.
  const paths = new Set(routes.filter(isOfOperators).map(({ path }) => path)).difference(
    new Set(['/admin/users/import']),
  )

  test.each([...paths])('is told to operators alone: %s', async (pattern) => {
    const path = pattern.replace(':guid', GUID).replace(/:\w+/, 'x')
    const allowed = new Set(routes.filter((route) => route.path === pattern).map(({ method }) => method))
    for (const method of METHODS.filter((one) => !allowed.has(one) && (one !== 'HEAD' || !allowed.has('GET')))) {
      const { status } = await callWithoutDatabase(path, { method })
      const told = await callWithoutDatabase(path, { method, headers: SERVICE })
      const allow = String(new Headers(told.headers).get('allow')).split(', ')
      expect([status, told.status, new Set(allow.filter((one) => one !== 'HEAD'))]).toEqual([401, 405, allowed])
    }
  })

  test('has a row here for every other route that there is', () => {
    const known = ROUTES.flatMap(([pattern, , allow]) =>
      allow
        .split(', ')
        .filter((method) => method !== 'HEAD')
        .map((method) => `${method} ${pattern}`),
    )

    const others = routes.filter((route) => !isOfOperators(route))
    expect(new Set(others.map(({ method, path }) => `${method} ${path}`))).toEqual(new Set(known))
  })

  const rows = ROUTES.flatMap(([, path, allow]) =>
    METHODS.filter((method) => !allow.split(', ').includes(method)).map((method) => [method, path, allow] as const),
  )
  test.each(rows)('%s %s is 405, Allow: %s', async (method, path, allow) => {
    const { headers, ...got } = await callWithoutDatabase(path, { method })
    const { headers: expected, body, ...rest } = notAllowed(allow)

    expect(got).toEqual({ ...rest, body: method === 'HEAD' ? '' : body })
    // Pages have security headers of their own besides, and another policy.
    const { 'content-security-policy': _policy, ...ofPages } = expected
    expect(headers).toEqual(/^\/(links|account)\b/.test(path) ? expect.objectContaining(ofPages) : expected)
  })

  test('is told before anything about a body, a token or an address', async () => {
    const options = { method: 'PUT', body: 'x'.repeat(17 * KIB), ip: null, cookies: { access_token: 'x' } }

    expect(await callWithoutDatabase('/auth/token', options)).toEqual(notAllowed('POST'))
    expect(await callWithoutDatabase('/refresh', options)).toEqual(notAllowed('GET, POST'))
  })

  test('HEAD of the public keys says what GET says, without its body', async () => {
    const head = await callWithoutDatabase('/.well-known/jwks.json', { method: 'HEAD' })
    const get = await answer(await counted.call('/.well-known/jwks.json'))

    expect(head).toEqual({ ...get, body: '' })
  })
})

describe('cookies', () => {
  const many = Array.from({ length: 100 }, (_, i) => `junk${i}=${'x'.repeat(100)}`).join('; ')

  test.each([
    ['a hundred of others', many, ACCESS_MISSING],
    ['1 MB of another', `other=${'x'.repeat(1_000_000)}`, ACCESS_MISSING],
    ['1 MB of a token', `access_token=${'x'.repeat(1_000_000)}; refresh_token=x`, asText(malformed())],
    ['a hundred thousand separators', ';'.repeat(100_000), ACCESS_MISSING],
    ['no value', 'access_token; refresh_token', ACCESS_MISSING],
    ['no name', '=access_token', ACCESS_MISSING],
    ['one quote', 'access_token="; refresh_token="', asText(malformed())],
    ['percent-encoding', 'access_token=%zz; refresh_token=%00', asText(malformed())],
    ['other names', 'Access_Token=x; REFRESH_TOKEN=x; __Host-access_token=x', ACCESS_MISSING],
  ])('of %s have an answer', async (_name, Cookie, expected) => {
    expect(await callWithoutDatabase('/refresh', { headers: { Cookie } })).toEqual(expected)
  })

  test('of a pair are found among a hundred others', async () => {
    const { access_token, refresh_token } = pairOf(await counted.call(`/${crypto.randomUUID()}`))
    const Cookie = `${many}; access_token=${access_token}; refresh_token=${refresh_token}; ${many}`

    expect((await counted.call('/refresh', { headers: { Cookie } })).status).toBe(200)
  })
})

describe('headers and queries that mean nothing', () => {
  test.each([
    ['a long user agent', { 'User-Agent': 'x'.repeat(10_000) }, 'x'.repeat(256)],
    ['no user agent', {}, null],
    ['a user agent of markup', { 'User-Agent': '<script>' }, '<script>'],
  ])('open a session as ever: %s', async (_name, headers, stored) => {
    const response = await counted.call(`/${crypto.randomUUID()}?a=%zz&b[]=1`, { headers })
    const newest = 'SELECT user_agent FROM sessions ORDER BY rowid DESC LIMIT 1'

    expect(response.status).toBe(200)
    expect(await env.DB.prepare(newest).first('user_agent')).toBe(stored)
  })

  test('do not sign anybody in', async () => {
    const headers = { Authorization: 'Bearer x', Accept: 'x/'.repeat(10_000), 'X-HTTP-Method-Override': 'DELETE' }

    expect(await callWithoutDatabase('/refresh?access_token=x&refresh_token=y', { headers })).toEqual(ACCESS_MISSING)
  })
})
