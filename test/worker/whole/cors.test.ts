/**
 * Pages of other origins. Those of `CORS_ORIGINS` act for their users and read every answer, refusals included; what is public is
 * for all of them; and nothing else is for any. Which origins count as listed: unit/cors.test.ts.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { createApp } from '../../../src/app.ts'
import { createAccount, dumpTables, GUID, PASSWORD } from '../../support/accounts.ts'
import { answer } from '../../support/answers.ts'
import { callWithoutDatabase, countedDatabase } from '../../support/counted-worker.ts'
import { faultyDatabase } from '../../support/faulty-bindings.ts'
import { keepLog } from '../../support/log.ts'
import { bearer } from '../../support/requests.ts'
import { type CallOptions, HOME, ORIGIN, pairOf, startWorker, worker } from '../../support/worker.ts'

const APP = 'https://app.example.com'
const EVIL = 'https://app.example.com.evil.com'
const listing = startWorker({ CORS_ORIGINS: `${APP},https://admin.example.com`, DB: countedDatabase })
keepLog('warn')

const SHARED = {
  'access-control-allow-credentials': 'true',
  'access-control-allow-origin': APP,
  'access-control-expose-headers': 'Allow, Date, Retry-After, WWW-Authenticate',
}

const ROUTES = createApp()
  .routes.filter(({ method }) => method !== 'ALL')
  .map(({ method, path }) => [method, path.replace(':guid', GUID).replace(/:\w+(?:\{.*\})?$/, '1')] as const)
/** Pages are for their owner to read, whoever is listed. */
function isPage(path: string): boolean {
  return /^\/(links|account)\b/.test(path)
}

/** Whether every page may read it. */
function isPublic(path: string): boolean {
  return path === '/openapi.json' || path.startsWith('/.well-known/')
}

const PAGES = ROUTES.filter(([, path]) => isPage(path))
const PUBLIC = ROUTES.filter(([, path]) => isPublic(path))
const SHARABLE = ROUTES.filter((route) => !PAGES.includes(route) && !PUBLIC.includes(route))
/** Those of operators look at no cookie. Their key belongs to a server, so that no page gets as far as a preflight. */
const OPERATORS = SHARABLE.filter(([, path]) => path.startsWith('/admin/'))
const OTHERS = SHARABLE.filter((route) => !OPERATORS.includes(route))
/** Routes that change something for a cookie, or hand one out. What they are is held by same-origin.test.ts. */
const GUARDED = OTHERS.filter(
  ([method, path]) => method === 'DELETE' || /^\/([\da-f-]{36}|refresh|auth\/session)$/.test(path),
)

/** What a browser sends along with the `fetch` of a page; none where it is an older one. */
function from(origin: string, site: string | null = 'cross-site', headers: Record<string, string> = {}) {
  return { Origin: origin, ...(site !== null && { 'Sec-Fetch-Site': site }), ...headers }
}

function asks(origin: string, method = 'POST', site: string | null = 'cross-site') {
  return from(origin, site, { 'Access-Control-Request-Method': method })
}

function corsHeaders({ headers }: Response) {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')))
}

function variesByOrigin({ headers }: Response): boolean {
  return (headers.get('Vary') ?? '').split(', ').includes('Origin')
}

describe('a page of a listed origin', () => {
  test.each(['cross-site', 'same-site', null])('signs in, refreshes and signs out: %s', async (site) => {
    const account = await createAccount(env.DB)
    const headers = from(APP, site)
    const call = (path: string, options: CallOptions = {}) => listing.call(path, { headers, ...options })

    const json = { primary_email: account.email, password: PASSWORD }
    const signedIn = await call('/auth/session', { method: 'POST', json })
    expect([signedIn.status, corsHeaders(signedIn)]).toEqual([200, SHARED])
    const renewed = await call('/refresh', { method: 'POST', cookies: pairOf(signedIn) })
    expect([renewed.status, corsHeaders(renewed)]).toEqual([200, SHARED])
    const again = await call('/refresh', { cookies: pairOf(renewed) })
    const cookies = pairOf(again)
    expect(await (await call('/auth/me', { cookies })).json()).toMatchObject({ email: account.email })
    const left = await call('/auth/session', { method: 'DELETE', cookies })
    expect([left.status, corsHeaders(left)]).toEqual([204, SHARED])
    expect((await call('/refresh', { cookies })).status).toBe(401)
  })

  test('opens a session by guid, and governs its own', async () => {
    const { guid } = await createAccount(env.DB)
    const headers = from(APP)
    const opened = await listing.call(`/${guid}`, { headers })
    const cookies = pairOf(opened)

    expect([opened.status, corsHeaders(opened)]).toEqual([200, SHARED])
    expect((await listing.call('/auth/sessions', { headers, cookies })).status).toBe(200)
    expect((await listing.call('/auth/sessions', { method: 'DELETE', headers, cookies })).status).toBe(204)
  })

  test.each(SHARABLE)('reads what %s %s answers, whatever it is', async (method, path) => {
    const response = await listing.call(path, { method, headers: from(APP) })

    expect(response.status).not.toBe(403)
    expect(corsHeaders(response)).toEqual(SHARED)
    expect(variesByOrigin(response)).toBe(true)
  })

  test.each<readonly [number, string, CallOptions]>([
    [400, '/auth/token', { method: 'POST', json: {} }],
    [401, '/refresh', {}],
    [403, '/refresh', { headers: from(APP, 'cross-site', { 'Sec-Purpose': 'prefetch' }) }],
    [403, '/auth/token/introspect', { method: 'POST', headers: from(APP, 'cross-site', bearer('wrong')) }],
    [404, '/nothing/at/all', {}],
    [404, '/.well-known/nothing', {}],
    [405, '/refresh', { method: 'PUT' }],
    [405, '/refresh', { method: 'HEAD' }],
    [413, '/auth/token', { method: 'POST', json: 'x'.repeat(20_000) }],
    [415, '/auth/token', { method: 'POST', body: 'x' }],
    [421, '/refresh', { origin: 'https://tessera.example.workers.dev' }],
    [421, '/refresh', { method: 'OPTIONS', headers: asks(APP), origin: 'https://tessera.example.workers.dev' }],
  ])('reads a %i, and so can tell why', async (status, path, options) => {
    const deployed = startWorker({ CORS_ORIGINS: APP, PUBLIC_URL: 'localhost', ISSUE_ACCESS: 'service' })
    const response = await deployed.call(path, { headers: from(APP), ...options })

    expect([response.status, corsHeaders(response)]).toEqual([status, SHARED])
    expect(variesByOrigin(response)).toBe(true)
  })

  test('reads a 503, and when to try again', async () => {
    const { database, failForGood } = faultyDatabase(env.DB)
    const overloaded = startWorker({ CORS_ORIGINS: APP, DB: database })
    failForGood('overloaded')
    const response = await overloaded.call(`/${GUID}`, { headers: from(APP) })

    expect([response.status, corsHeaders(response)]).toEqual([503, SHARED])
    expect(response.headers.has('Retry-After')).toBe(true)
  })

  test.each([
    ['/refresh', 'GET, POST'],
    [`/${GUID}`, 'GET'],
    ['/auth/session', 'POST, DELETE'],
    ['/auth/token', 'POST'],
    ['/auth/me', 'GET, HEAD, DELETE'],
    ['/auth/sessions', 'GET, HEAD, DELETE'],
    [`/auth/sessions/${GUID}`, 'DELETE'],
    ['/healthz', 'GET, HEAD'],
  ])('may ask %s by %s, after a preflight that asks no database', async (path, methods) => {
    const { status, headers, body } = await callWithoutDatabase(
      path,
      { method: 'OPTIONS', headers: asks(APP) },
      listing,
    )

    expect([status, body]).toEqual([204, ''])
    expect(headers).toMatchObject({
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'Accept, Authorization, Content-Type, DPoP',
      'access-control-allow-methods': methods,
      'access-control-allow-origin': APP,
      'access-control-max-age': '7200',
    })
    expect(Object.keys(headers)).not.toContain('allow')
  })

  test.each([
    [405, '/refresh', from(APP)],
    [404, '/nothing/at/all', asks(APP)],
  ])('gets %i for an OPTIONS that is none: %s', async (status, path, headers) => {
    const response = await listing.call(path, { method: 'OPTIONS', headers })
    expect([response.status, corsHeaders(response)]).toEqual([status, SHARED])
  })

  test('has no prefetch of it opened or refreshed', async () => {
    const headers = from(APP, 'cross-site', { 'Sec-Purpose': 'prefetch;prerender' })
    const { guid } = await createAccount(env.DB)
    const before = await dumpTables(env.DB)

    expect((await listing.call(`/${guid}`, { headers })).status).toBe(403)
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

describe('a page of an origin that is not listed', () => {
  test.each(ROUTES)('cannot read %s %s, which may say something else to another', async (method, path) => {
    const response = await listing.call(path, { method, headers: from(EVIL) })

    expect(corsHeaders(response)).toEqual(isPublic(path) ? { 'access-control-allow-origin': '*' } : {})
    expect(variesByOrigin(response)).toBe(!isPublic(path) && !isPage(path))
  })

  test.each(OPERATORS)('gets no preflight for %s %s, and neither does a listed one', async (method, path) => {
    for (const origin of [EVIL, APP]) {
      const response = await listing.call(path, { method: 'OPTIONS', headers: asks(origin, method) })
      expect(response.status).toBe(401)
      expect(corsHeaders(response)).not.toHaveProperty('access-control-allow-methods')
    }
  })

  test.each(OTHERS)('gets no preflight for %s %s', async (method, path) => {
    const options = { method: 'OPTIONS', headers: asks(EVIL, method) }
    const before = await answer(await worker.call(path, options))

    expect(before.status).toBe(405)
    expect(await answer(await listing.call(path, options))).toEqual(before)
  })

  test.each(
    [
      EVIL,
      'http://app.example.com',
      'https://APP.example.com',
      `${APP}.`,
      `${APP}:8443`,
      `${APP}, ${EVIL}`,
      'null',
      '',
    ].flatMap((origin) => ['cross-site', 'same-site', null].map((site) => [origin, site] as const)),
  )('such as %j cannot act for its visitor: %s', async (origin, site) => {
    const { guid } = await createAccount(env.DB)
    const cookies = pairOf(await listing.call(`/${guid}`))
    const before = await dumpTables(env.DB)

    for (const [method, path] of GUARDED) {
      const response = await listing.call(path, { method, cookies, headers: from(origin, site) })
      expect([method, path, response.status, corsHeaders(response)]).toEqual([method, path, 403, {}])
    }
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

describe('beside a list', () => {
  test.each([
    ['a back end, which sends neither header', {}],
    ['a page of our own', from(ORIGIN, 'same-origin')],
    ['a page of our own in an older browser', from(ORIGIN, null)],
    ['a form of our own under no-referrer', from('null', 'same-origin')],
    ['a typed address', { 'Sec-Fetch-Site': 'none' }],
    ['a page that reaches us through a server of its own', from('http://localhost:5173', 'same-origin')],
  ])('%s is let in as ever', async (_name, headers) => {
    const { guid } = await createAccount(env.DB)
    const cookies = pairOf(await listing.call(`/${guid}`, { headers }))
    const response = await listing.call('/refresh', { method: 'POST', cookies, headers })

    expect([response.status, corsHeaders(response)]).toEqual([200, {}])
    expect(response.headers.get('Vary')).toBe('Sec-Fetch-Site, Sec-Purpose, Origin')
  })

  test('a page of PUBLIC_URL is our own, also where a proxy before us ends https', async () => {
    const proxied = startWorker({ CORS_ORIGINS: APP, PUBLIC_URL: 'https://auth.localhost' })
    const headers = from('https://auth.localhost', null)

    expect((await proxied.call(`/${GUID}`, { origin: 'http://auth.localhost', headers })).status).toBe(200)
  })

  test.each(PAGES)('%s %s is for no other origin: its button is for its owner to press', async (method, path) => {
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const call = (headers: Record<string, string>) =>
      listing.call(path, {
        method,
        headers: { ...headers, ...(method === 'POST' && form) },
        ...(method === 'POST' && { body: 'token=x' }),
      })

    for (const site of ['cross-site', 'same-site', 'same-origin', null]) {
      const response = await call(from(APP, site))
      expect(corsHeaders(response)).toEqual({})
      expect(response.headers.get('Cross-Origin-Resource-Policy')).toBe('same-origin')
      if (method === 'POST' && site?.endsWith('-site')) expect(response.status).toBe(403)
    }
    // What browsers send with a form of a page whose policy is no-referrer, today and before Fetch Metadata.
    for (const site of ['same-origin', null]) expect((await call(from('null', site))).status).not.toBe(403)
    const preflight = await listing.call(path, { method: 'OPTIONS', headers: asks(APP, method) })
    expect([preflight.status, corsHeaders(preflight)]).toEqual([405, {}])
  })
})

test('below BASE_PATH all of it moves along', async () => {
  const below = startWorker({ CORS_ORIGINS: APP, BASE_PATH: '/id' })
  const preflight = (path: string, origin: string) => below.call(path, { method: 'OPTIONS', headers: asks(origin) })

  expect((await preflight('/id/refresh', APP)).headers.get('Access-Control-Allow-Methods')).toBe('GET, POST')
  expect(corsHeaders(await below.call('/id/links/end-sessions', { headers: from(APP) }))).toEqual({})
  expect((await preflight('/id/.well-known/jwks.json', EVIL)).status).toBe(204)
})

describe.each([
  ['without a list', worker],
  ['with one', listing],
])('what is public, %s,', (_name, by) => {
  test.each(PUBLIC.flatMap(([, path]) => [APP, EVIL, 'null', null].map((origin) => [path, origin] as const)))(
    '%s, is for %j',
    async (path, origin) => {
      const headers = origin === null ? {} : from(origin)
      const response = await by.call(path, { headers })

      expect(response.status).toBe(200)
      expect(corsHeaders(response)).toEqual({ 'access-control-allow-origin': '*' })
      expect(response.headers.get('Cross-Origin-Resource-Policy')).toBe('cross-origin')
      expect(response.headers.has('Vary')).toBe(false)
    },
  )

  test.each(PUBLIC)('%s %s, lets preflights of all pages pass, and not another OPTIONS', async (method, path) => {
    const preflight = await by.call(path, { method: 'OPTIONS', headers: asks(EVIL, method) })

    expect(preflight.status).toBe(204)
    expect(corsHeaders(preflight)).toEqual({
      'access-control-allow-headers': '*, Authorization',
      'access-control-allow-methods': 'GET, HEAD',
      'access-control-allow-origin': '*',
      'access-control-max-age': '7200',
    })
    expect([preflight.headers.has('Allow'), preflight.headers.has('Content-Type')]).toEqual([false, false])
    expect((await by.call(path, { method: 'OPTIONS', headers: from(EVIL) })).status).toBe(405)
  })
})

test.each(ROUTES)('without a list %s %s knows no origin', async (method, path) => {
  const ask = async (headers: Record<string, string>) => {
    const response = await worker.call(path, { method, headers, ip: HOME })
    const { headers: sent, ...rest } = await answer(response)
    // Tokens and nonces differ from answer to answer.
    const { 'set-cookie': cookies, 'content-security-policy': _policy, ...others } = sent
    return {
      ...others,
      cookies: cookies?.replace(/=[\w.-]+;/g, '=…;'),
      vary: response.headers.get('Vary'),
      status: rest.status,
    }
  }

  expect(await ask(from(EVIL, null))).toEqual(await ask({}))
})
