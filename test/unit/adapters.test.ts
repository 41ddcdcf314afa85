/** The adapters of frameworks: who is let in, what everybody else is answered, and where a browser is sent to. In the frameworks themselves they run in test/recipes. */

import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

import { Hono } from 'hono'
import { afterEach, describe, expect, test, vi } from 'vitest'

import { createAuthorizer, readAccessCookie } from '../../src/adapters/authorize.ts'
import { type NodeRequest, tessera as expressTessera } from '../../src/adapters/express.ts'
import { tessera as honoTessera } from '../../src/adapters/hono.ts'
import { type AccessTokenClaims, createTessera } from '../../src/adapters/next.ts'
import { tessera as svelteTessera } from '../../src/adapters/sveltekit.ts'
import type { KeySource } from '../../src/verifier/key-set.ts'
import { accessClaims, refreshClaims } from '../support/claims.ts'
import { portOf } from '../support/command.ts'
import { ISSUER } from '../support/fakes.ts'
import { forge, testKeys } from '../support/forge.ts'

const OWN = testKeys.access.signing
const APP = 'https://www.example.com'
const SECONDS = Math.floor(Date.now() / 1000)
const NOW = { iat: SECONDS, exp: SECONDS + 300 }
const keys: KeySource = async () => ({ keys: testKeys.jwks.keys, maxAgeSeconds: 300 })
const down: KeySource = () => Promise.reject(new Error('no network'))

function sign(claims: object): Promise<string> {
  return forge({ alg: 'ES256', typ: 'JWT', kid: OWN.kid }, { ...accessClaims, ...NOW, ...claims }, OWN)
}

const good = await sign({})
const over = await sign({ iat: SECONDS - 600, exp: SECONDS - 300 })
/** What nobody is let in by. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['is over', over],
  ['is of another issuer', await sign({ iss: 'https://evil.example' })],
  ['is for another audience', await sign({ aud: 'another' })],
  [
    'is a refresh token',
    await forge(
      { alg: 'HS256', typ: 'JWT', kid: testKeys.refresh.signing.kid },
      { ...refreshClaims, ...NOW },
      testKeys.refresh.signing,
    ),
  ],
  ['is a text of any kind', 'damaged'],
]

/** What a program answers a request: the status, and the account or the code. */
type Ask = (init: { method?: string; headers?: Record<string, string> }) => Promise<Response>

interface Options {
  readonly keys?: KeySource
  readonly cookies?: boolean
  readonly origins?: readonly string[]
}

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

const PROGRAMS: readonly (readonly [string, (options: Options) => Promise<Ask>])[] = [
  [
    'hono',
    async ({ keys: source = keys, ...options }) => {
      const app = new Hono<{ Bindings: { TESSERA: { keys: KeySource } } }>()
      const env = { TESSERA: { keys: source } }
      const routes = app
        .use(honoTessera({ issuer: ISSUER, binding: ({ TESSERA }: typeof env) => TESSERA, ...options }))
        .all('/', (c) => c.json([c.get('user').guid, c.get('token')]))
      return async (init) => routes.request(`${APP}/`, init, env)
    },
  ],
  [
    'express',
    async ({ keys: source = keys, ...options }) => {
      const admit = expressTessera({ issuer: ISSUER, keys: source, ...options })
      const server = createServer((incoming, response) => {
        const seen: NodeRequest = incoming
        void admit(seen, response, () => response.end(JSON.stringify([seen.user?.guid, seen.token])))
      })
      servers.push(server)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return (init) => fetch(`http://127.0.0.1:${portOf(server.address())}`, init)
    },
  ],
]

describe.each(PROGRAMS)('%s', (_name, start) => {
  test('lets in whoever has a good access token, and says who that is', async () => {
    const ask = await start({})
    const answer = await ask({ headers: { Authorization: `bearer ${good}` } })
    expect([answer.status, await answer.json()]).toEqual([200, [accessClaims.guid, good]])
  })

  test.each(REFUSED)('answers 401 to a token that %s', async (_why, token) => {
    const ask = await start({})
    const answer = await ask({ headers: { Authorization: `Bearer ${token}` } })
    expect([answer.status, answer.headers.get('WWW-Authenticate'), answer.headers.get('Cache-Control')]).toEqual([
      401,
      'Bearer',
      'no-store',
    ])
    expect(answer.headers.get('Content-Type')).toBe('application/problem+json')
    expect(await answer.json()).toEqual({
      type: `${ISSUER}/docs/errors#token_not_valid`,
      title: 'Unauthorized',
      status: 401,
      detail: 'Not valid token',
      code: 'token_not_valid',
    })
  })

  test.each([{}, { Authorization: 'Basic YTpi' }, { Authorization: good }, { Cookie: `access_token=${good}` }])(
    'answers 401 to a request that has none: %j',
    async (headers) => {
      const answer = await (await start({}))({ headers })
      expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'not_authenticated' }])
    },
  )

  test('answers 503 while the keys cannot be had, since that says nothing about the token', async () => {
    const answer = await (await start({ keys: down }))({ headers: { Authorization: `Bearer ${good}` } })
    expect([answer.status, answer.headers.get('Retry-After'), await answer.json()]).toMatchObject([
      503,
      '5',
      { code: 'unavailable' },
    ])
  })

  test('takes the cookie where that is asked for, and a bearer token before it', async () => {
    const ask = await start({ cookies: true })
    const Cookie = `theme=dark; access_token=${good}`
    expect((await ask({ headers: { Cookie } })).status).toBe(200)
    expect((await ask({ headers: { Cookie, Authorization: `Bearer ${over}` } })).status).toBe(401)
  })

  test.each([
    [{ Origin: 'https://evil.example' }, 403],
    [{ Origin: 'https://www.example.com.evil.example' }, 403],
    [{ Origin: 'null' }, 403],
    [{ 'Sec-Fetch-Site': 'cross-site' }, 403],
    [{ 'Sec-Fetch-Site': 'same-site' }, 403],
    [{ 'Sec-Fetch-Site': 'same-origin' }, 200],
    // The proxy before it ends TLS.
    [{ 'Sec-Fetch-Site': 'same-origin', Origin: 'https://127.0.0.1' }, 200],
    [{ Origin: 'https://shop.example.com', 'Sec-Fetch-Site': 'same-site' }, 200],
    [{}, 200],
  ])('lets a page of somebody else change nothing by a cookie: %j is %i', async (headers, status) => {
    const ask = await start({ cookies: true, origins: ['https://shop.example.com'] })
    const Cookie = `access_token=${good}`
    expect((await ask({ method: 'POST', headers: { ...headers, Cookie } })).status).toBe(status)
    expect((await ask({ headers: { ...headers, Cookie } })).status).toBe(200)
    // A script that has the token has it from its own page.
    expect((await ask({ method: 'POST', headers: { ...headers, Authorization: `Bearer ${good}` } })).status).toBe(200)
  })
})

describe('express', () => {
  test('lives on, whatever a request says about its host and origin', async () => {
    const start = PROGRAMS[1]?.[1]
    const ask = await start?.({ cookies: true })
    const headers = { Host: '[', Cookie: 'access_token=x' }
    for (const Origin of ['https://evil.example', '[', 'https://[[']) {
      expect((await askRaw(servers[0], { ...headers, Origin })).split(' ')[1]).toMatch(/^40[13]$/)
    }
    expect((await ask?.({ headers: { Cookie: `access_token=${good}` } }))?.status).toBe(200)
  })

  test('lets an own page change something in a browser that says its origin alone', async () => {
    const ask = await PROGRAMS[1]?.[1]({ cookies: true })
    const Host = '127.0.0.1:8080'
    const post = (Origin: string) => askRaw(servers[0], { Host, Origin, Cookie: `access_token=${good}` })
    expect((await post(`https://${Host}`)).split(' ')[1]).toBe('200')
    expect((await post('https://127.0.0.1:8081')).split(' ')[1]).toBe('403')
    expect(ask).toBeDefined()
  })
})

describe('hono', () => {
  test('asks the binding for keys once an isolate, whatever the requests', async () => {
    const source = vi.fn(keys)
    const app = new Hono().use(
      honoTessera({ issuer: ISSUER, binding: (env: { TESSERA: { keys: KeySource } }) => env.TESSERA }),
    )
    const env = { TESSERA: { keys: source } }
    const routes = app.get('/', (c) => c.text('in'))
    const ask = async () => routes.request('/', { headers: { Authorization: `Bearer ${good}` } }, env)
    const answers = await Promise.all(Array.from({ length: 100 }, ask))
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    await ask()
    expect(source).toHaveBeenCalledTimes(1)
  })
})

/** A request with a token, as an adapter reads one. */
function asked(token: string) {
  return { method: 'GET', host: null, header: (name: string) => (name === 'authorization' ? `Bearer ${token}` : null) }
}

async function statusOf(token: string, audience?: string): Promise<number> {
  const outcome = await createAuthorizer({ issuer: ISSUER, keys, audience, onRefused: () => {} })(asked(token))
  return outcome.ok ? 200 : outcome.status
}

describe('settings', () => {
  test('of an audience are compared, both ways', async () => {
    const ofApi = await sign({ aud: 'api' })
    expect([
      await statusOf(ofApi, 'api'),
      await statusOf(ofApi),
      await statusOf(good, 'api'),
      await statusOf(good),
    ]).toEqual([200, 401, 401, 200])
    const app = new Hono()
      .use(honoTessera({ issuer: ISSUER, audience: 'api', binding: () => ({ keys }) }))
      .get('/', (c) => c.text('in'))
    const ask = async (token: string) =>
      (await app.request('/', { headers: { Authorization: `Bearer ${token}` } }, {})).status
    expect([await ask(ofApi), await ask(good)]).toEqual([200, 401])
  })

  test('that are wrong are said once, and a token that is over is not one of them', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue()
    const authorize = createAuthorizer({ issuer: 'https://other.example', keys })
    for (let i = 0; i < 3; i++) await authorize(asked(good))
    expect(warn.mock.calls).toEqual([
      ['tessera: a token was refused: its iss is not the issuer that is set here, to the letter'],
    ])
    warn.mockClear()
    await createAuthorizer({ issuer: ISSUER, keys })(asked(over))
    expect(warn).not.toHaveBeenCalled()
    warn.mockRestore()
  })

  test('with a slash at the end of the issuer end the program, which would refuse every token', () => {
    expect(() => createAuthorizer({ issuer: `${ISSUER}/` })).toThrow('without a slash')
  })
})

test('an access cookie that is there twice is none: another host of the domain may have planted one', () => {
  expect(readAccessCookie(`access_token=a; b=c`)).toBe('a')
  expect(readAccessCookie(`access_token=a; access_token=b`)).toBeNull()
  expect(readAccessCookie(`access_token_2=a; Access_Token=b`)).toBeNull()
  expect(readAccessCookie(undefined)).toBeNull()
})

/** As `cookies()` of Next gives them. */
function cookies(...values: string[]) {
  return { getAll: (name: string) => (name === 'access_token' ? values : []).map((value) => ({ value })) }
}

/** As that of SvelteKit, which throws. */
function redirect(status: number, location: string, _options?: { external: true }): never {
  throw new Error(`${status} ${location}`)
}

/** What a server answers to a request as it stands, since no client sends some of its headers. */
async function askRaw(server: Server | undefined, headers: Record<string, string>): Promise<string> {
  const socket = connect(portOf(server?.address() ?? null), '127.0.0.1')
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  socket.write(['POST / HTTP/1.1', ...lines, 'Connection: close', '', ''].join('\r\n'))
  return text(socket)
}

/** Where a browser goes for the next pair, and comes back from. */
const RENEWAL = `${ISSUER}/refresh?to=${encodeURIComponent(`${APP}/orders/7?page=2`)}`
const NAVIGATION = { 'Sec-Fetch-Mode': 'navigate' }

function request(headers: Record<string, string>, method = 'GET', host = APP): Request {
  return new Request(`${host}/orders/7?page=2`, { method, headers })
}

describe('next', () => {
  const options = { issuer: ISSUER, app: APP }
  const { proxy, user } = createTessera({ ...options, keys })

  test('lets a request go on whose pair is good', async () => {
    expect(await proxy(request({ Cookie: `access_token=${good}` }))).toBeUndefined()
  })

  test.each([...REFUSED.map(([, token]) => `access_token=${token}`), '', `access_token=${good}; access_token=${good}`])(
    'sends a browser to Tessera and back with %s',
    async (cookie) => {
      const answer = await proxy(request({ ...NAVIGATION, Cookie: cookie }))
      expect([answer?.status, answer?.headers.get('Location'), answer?.headers.get('Cache-Control')]).toEqual([
        303,
        RENEWAL,
        'no-store',
      ])
      // Whatever a proxy before it says, it goes back to the application.
      const elsewhere = await proxy(request({ ...NAVIGATION, Cookie: cookie }, 'GET', 'http://10.0.0.7:3000'))
      expect(elsewhere?.headers.get('Location')).toBe(RENEWAL)
    },
  )

  test('knows a browser that does not say so by what it asks for', async () => {
    expect((await proxy(request({ Accept: 'text/html,application/xhtml+xml' })))?.status).toBe(303)
    expect((await proxy(request({ Accept: 'application/json' })))?.status).toBe(401)
    expect((await proxy(request({ Accept: 'text/html', 'Sec-Fetch-Mode': 'cors' })))?.status).toBe(401)
  })

  test('takes what an own page posts, whatever the proxy before it says', async () => {
    const headers = { Cookie: `access_token=${good}`, Origin: APP }
    expect(await proxy(request(headers, 'POST', 'http://10.0.0.7:3000'))).toBeUndefined()
  })

  test('answers 401 to what cannot follow: a script, and what was posted', async () => {
    expect((await proxy(request({ 'Sec-Fetch-Mode': 'cors' })))?.status).toBe(401)
    expect((await proxy(request(NAVIGATION, 'POST')))?.status).toBe(401)
  })

  test('answers 503 while the keys cannot be had, and sends nobody around', async () => {
    const answer = await createTessera({ ...options, keys: down }).proxy(
      request({ ...NAVIGATION, Cookie: `access_token=${good}` }),
    )
    expect(answer?.status).toBe(503)
  })

  test('answers 403 to a form of somebody else', async () => {
    const headers = { ...NAVIGATION, Cookie: `access_token=${good}`, Origin: 'https://evil.example' }
    expect((await proxy(request(headers, 'POST')))?.status).toBe(403)
  })

  test('says in a render who is signed in', async () => {
    expect(await user(cookies(good))).toMatchObject({ guid: accessClaims.guid })
    expect([await user(cookies()), await user(cookies(over)), await user(cookies(good, good))]).toEqual([
      null,
      null,
      null,
    ])
    await expect(createTessera({ ...options, keys: down }).user(cookies(good))).rejects.toThrow('Service unavailable')
  })
})

describe('sveltekit', () => {
  const handle = svelteTessera({ issuer: ISSUER, app: APP, keys, redirect, open: ['/'] })

  function event(
    headers: Record<string, string>,
    { path = '/orders/7?page=2', isDataRequest = false, method = 'GET' } = {},
  ) {
    const url = new URL(path, APP)
    return {
      request: new Request(url, { method, headers }),
      url,
      isDataRequest,
      locals: {} as { user?: AccessTokenClaims | null },
    }
  }

  const resolve = ({ locals }: ReturnType<typeof event>) => Response.json(locals)

  test('tells what renders who is signed in', async () => {
    const answer = await handle({ event: event({ Cookie: `access_token=${good}` }), resolve })
    expect(await answer.json()).toMatchObject({ user: { guid: accessClaims.guid } })
  })

  test('sends a browser to Tessera and back, also where it asks for data alone', async () => {
    const Cookie = `access_token=${over}`
    await expect(handle({ event: event({ ...NAVIGATION, Cookie }), resolve })).rejects.toThrow(`303 ${RENEWAL}`)
    await expect(handle({ event: event({ Cookie }, { isDataRequest: true }), resolve })).rejects.toThrow(
      `303 ${RENEWAL}`,
    )
  })

  test('answers 401 to what cannot follow', async () => {
    expect((await handle({ event: event({}), resolve })).status).toBe(401)
    expect((await handle({ event: event(NAVIGATION, { method: 'POST' }), resolve })).status).toBe(401)
  })

  test('says that it cannot tell, where it cannot, on what is open', async () => {
    const unsure = svelteTessera({ issuer: ISSUER, app: APP, keys: down, redirect, open: ['/'], onRefused: () => {} })
    const visited = event({ Cookie: `access_token=${good}` }, { path: '/' })
    expect([(await unsure({ event: visited, resolve })).status, visited.locals.user]).toEqual([200, undefined])
  })

  test('leaves the framework’s own address by the way that it has for that', async () => {
    const away = vi.fn<typeof redirect>(() => {
      throw new Error('away')
    })
    const leaving = svelteTessera({ issuer: ISSUER, app: APP, keys, redirect: away })
    await expect(leaving({ event: event(NAVIGATION), resolve })).rejects.toThrow('away')
    expect(away).toHaveBeenCalledWith(303, RENEWAL, { external: true })
  })

  test('shows everybody what is open, and knows there who is signed in', async () => {
    const open = { path: '/' }
    expect(await (await handle({ event: event(NAVIGATION, open), resolve })).json()).toEqual({ user: null })
    const known = await handle({ event: event({ Cookie: `access_token=${good}` }, open), resolve })
    expect(await known.json()).toMatchObject({ user: { guid: accessClaims.guid } })
  })
})
