/**
 * Device Bound Session Credentials in a real browser, over https. Its keys are in software, so that they need no hardware; everything else is
 * as people have it: an application that knows nothing of them, thieves with all its cookies, and an owner who moves.
 */

import { createServer, request as forward, type Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

import { type APIRequestContext, type Browser, type BrowserContext, type Page, request } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { startBindingChromium, startChromium } from '../../scripts/chromium.ts'
import { type Deployment, type Deployments, PASSWORD, SERVICE_KEY, startDeployments } from './deployments.ts'
import { type Exchange, type Internet, openInternet, type Traveller } from './internet.ts'
import { jarOf, listen, openTab } from './pages-and-jars.ts'

const HOME = '198.51.100.7'
const ELSEWHERE = '192.0.2.66'
/** Of a thief. */
const ABROAD = '203.0.113.99'
const SERVERS = '203.0.113.80'

/** Chromium forgets what it cannot do: older ones ignore the offer, and these tests would see no binding. */
const FIRST_CHROMIUM = 145
/** So short that a test can wait for it, and the least that there is. */
const SHORT_SECONDS = 10

const BELOW = { BASE_PATH: '/tessera', DEVICE_BINDING: 'offer' }
const SETTINGS = {
  long: { PUBLIC_URL: 'https://long.test', ...BELOW },
  short: { PUBLIC_URL: 'https://short.test', ...BELOW, ACCESS_TTL_SECONDS: String(SHORT_SECONDS) },
  crossed: {
    PUBLIC_URL: 'https://crossed.test',
    ...BELOW,
    COOKIE_SAMESITE: 'lax',
    CORS_ORIGINS: 'https://elsewhere.test',
    RETURN_ORIGINS: 'https://elsewhere.test',
  },
  off: { PUBLIC_URL: 'https://off.test', ...BELOW, DEVICE_BINDING: 'off' },
  hosts: {
    PUBLIC_URL: 'https://auth.shop.test',
    DEVICE_BINDING: 'offer',
    COOKIE_DOMAIN: 'shop.test',
    CORS_ORIGINS: 'https://app.shop.test',
    RETURN_ORIGINS: 'https://app.shop.test,https://www.shop.test',
  },
} as const

let internet: Internet
let deployments: Deployments
let application: Server
let binding: Browser
let ordinary: Browser
let backEnd: APIRequestContext
let tessera: Record<keyof typeof SETTINGS, Deployment>
let tooOld: string | null
let owner: Traveller
const contexts: BrowserContext[] = []

beforeAll(async () => {
  internet = await openInternet([
    'long.test',
    'short.test',
    'crossed.test',
    'off.test',
    '*.shop.test',
    'elsewhere.test',
  ])
  application = createServer((asked, answer) => {
    const isKnown = (asked.headers.cookie ?? '').includes('access_token=')
    if (asked.url === '/inbox' && !isKnown) {
      const to = encodeURIComponent(`https://${asked.headers.host}/inbox`)
      answer.writeHead(302, { Location: `${SETTINGS.hosts.PUBLIC_URL}/refresh?to=${to}` }).end()
      return
    }
    answer.writeHead(200, { 'Content-Type': 'text/html' })
    answer.end(`<!doctype html><title>Application</title><h1>${isKnown ? 'Signed in' : 'Nobody'}</h1>`)
  })
  const port = await listen(application, 0, '127.0.0.1')
  for (const host of [
    'long.test',
    'short.test',
    'crossed.test',
    'off.test',
    'app.shop.test',
    'www.shop.test',
    'elsewhere.test',
  ])
    internet.route(host, port)
  ;[deployments, binding, ordinary] = await Promise.all([
    startDeployments(Object.values(SETTINGS)),
    startBindingChromium(internet.spki),
    startChromium(),
  ])
  const [long, short, crossed, off, hosts] = deployments.all as [
    Deployment,
    Deployment,
    Deployment,
    Deployment,
    Deployment,
  ]
  tessera = { long, short, crossed, off, hosts }
  for (const name of ['long', 'short', 'crossed', 'off']) internet.route(`${name}.test/tessera`, deployments.port)
  internet.route('auth.shop.test', deployments.port)
  const proxy = { server: await internet.place(SERVERS) }
  backEnd = await request.newContext({ proxy, ignoreHTTPSErrors: true })
  const version = Number.parseInt(binding.version(), 10)
  tooOld =
    version < FIRST_CHROMIUM ? `Chromium ${version} has no bound sessions: ${FIRST_CHROMIUM} and newer have` : null
}, 240_000)

afterAll(async () => {
  await Promise.all([binding.close(), ordinary.close(), backEnd.dispose()])
  application.close()
  await deployments.close()
  await internet.close()
})

beforeEach(async (context) => {
  if (tooOld !== null) context.skip(tooOld)
  internet.exchanges.length = 0
  owner = await internet.traveller(HOME)
})

afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()))
})

/** A browser with a jar, and with keys, of its own. */
async function openBrowser(of: Browser, proxy: string): Promise<BrowserContext> {
  // The one that binds sessions has to take the certificate for good.
  const context = await of.newContext({ proxy: { server: proxy }, ignoreHTTPSErrors: of === ordinary })
  contexts.push(context)
  return context
}

interface Answer {
  readonly status: number
  readonly body: string
}

/** What a page asks by itself, with its cookies. */
function ask(page: Page, url: string, init: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
  const options = JSON.stringify({ credentials: 'include', ...init })
  return page.evaluate(
    `fetch(${JSON.stringify(url)}, ${options}).then(async (answer) => ({ status: answer.status, body: await answer.text() }))`,
  )
}

type Name = keyof typeof SETTINGS

function baseOf(name: Name): string {
  const { PUBLIC_URL } = SETTINGS[name]
  return name === 'hosts' ? PUBLIC_URL : `${PUBLIC_URL}${BELOW.BASE_PATH}`
}

/** Signs the owner in by a page of the application; whatever the browser does in the background is done then. */
async function signIn(name: Name, context: BrowserContext, isBinding = true): Promise<Page> {
  const page = await openTab(context, name === 'hosts' ? 'https://app.shop.test/' : `${SETTINGS[name].PUBLIC_URL}/`)
  await signInOn(page, name)
  if (isBinding) await expect.poll(async () => (await sessionOf(name)).bound_by).toBe('dbsc')
  return page
}

async function signInOn(page: Page, name: Name): Promise<void> {
  const signedIn = await ask(page, `${baseOf(name)}/auth/session`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ primary_email: tessera[name].email, password: PASSWORD }),
  })
  expect(signedIn.status).toBe(200)
}

interface SessionRow {
  readonly sid: string
  readonly jti: string
  readonly previous_jti: string | null
  readonly ip: string
  readonly bound_by: string | null
  readonly revoked_reason: string | null
}

/** The newest session of a deployment. */
async function sessionOf(name: Name): Promise<SessionRow> {
  const row = await tessera[name].database.prepare('SELECT * FROM sessions ORDER BY rowid DESC LIMIT 1').first()
  return row as unknown as SessionRow
}

async function mailsOf(name: Name, sid: string): Promise<readonly unknown[]> {
  const { database } = tessera[name]
  const query = "SELECT kind FROM notifications WHERE dedupe_key LIKE '%:' || ?"
  const { results } = await database.prepare(query).bind(sid).all()
  return results.map(({ kind }) => kind)
}

/** The access cookie is gone, as it will be in five minutes. */
function letAccessCookieExpire(context: BrowserContext): Promise<void> {
  return context.clearCookies({ name: 'access_token' })
}

/** What went over the wire below a path of Tessera: method, path and status. */
function sent(path = '', from = HOME): readonly string[] {
  return internet.exchanges
    .filter((one) => one.from === from && pathOf(one).startsWith(path))
    .map((one) => `${one.method} ${pathOf(one)} ${one.status}`)
}

function pathOf({ url }: Exchange): string {
  return new URL(url).pathname.replace(/^\/tessera/, '')
}

describe('a browser that binds its sessions', () => {
  test('does so at the sign-in, and gets the next pair by itself, by two requests at first and by one from then on', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const page = await signIn('long', context)
    const age = (await context.cookies()).find(({ name }) => name === 'access_token')?.expires ?? 0
    expect(age - Date.now() / 1000).toBeLessThanOrEqual(300)

    for (const expected of [
      ['POST /refresh/device 403', 'POST /refresh/device 200', 'GET /auth/me 200'],
      ['POST /refresh/device 200', 'GET /auth/me 200'],
    ]) {
      const before = await sessionOf('long')
      await letAccessCookieExpire(context)
      internet.exchanges.length = 0
      expect((await ask(page, `${baseOf('long')}/auth/me`)).status).toBe(200)
      expect(sent()).toEqual(expected)
      expect(await sessionOf('long')).toMatchObject({ sid: before.sid, previous_jti: before.jti })
    }
  })

  test('does so by a ticket, too', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const ordered = await backEnd.post(`${baseOf('long')}/auth/tickets`, {
      headers: { Authorization: `Bearer ${SERVICE_KEY}` },
      data: { guid: tessera.long.guid, to: '/' },
    })
    const { url } = (await ordered.json()) as { url: string }
    const page = await openTab(context, url)
    expect(await page.locator('h1').innerText()).toBe('Signed in')
    await expect.poll(async () => (await sessionOf('long')).bound_by).toBe('dbsc')
  })

  test('with three tabs of eight requests each rotates once', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const first = await signIn('long', context)
    const tabs = [first, await openTab(context, first.url()), await openTab(context, first.url())]
    const before = await sessionOf('long')
    await letAccessCookieExpire(context)
    internet.exchanges.length = 0
    const url = JSON.stringify(`${baseOf('long')}/auth/me`)
    const statuses = await Promise.all(
      tabs.map((tab) =>
        tab.evaluate<number[]>(
          `Promise.all(Array.from({ length: 8 }, () => fetch(${url}).then(({ status }) => status)))`,
        ),
      ),
    )
    expect(statuses.flat()).toEqual(Array(24).fill(200))
    expect(sent('/refresh')).toEqual(['POST /refresh/device 403', 'POST /refresh/device 200'])
    expect(await sessionOf('long')).toMatchObject({ sid: before.sid, previous_jti: before.jti, revoked_reason: null })
  })

  test('holds what an application asks of /refresh, which is answered with nothing new', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const page = await signIn('long', context)
    for (const method of ['POST', 'GET']) {
      await letAccessCookieExpire(context)
      internet.exchanges.length = 0
      expect(await ask(page, `${baseOf('long')}/refresh`, { method })).toEqual({ status: 200, body: '' })
      const own = internet.exchanges.find((one) => pathOf(one) === '/refresh')
      expect(own?.cookies).toEqual([])
      expect(sent('/refresh').at(-1)).toBe(`${method} /refresh 200`)
    }
  })

  test('goes on after trouble of ours', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const page = await signIn('long', context)
    const { database } = tessera.long
    await letAccessCookieExpire(context)
    await database.exec('ALTER TABLE sessions RENAME TO sessions_elsewhere')
    internet.exchanges.length = 0
    const asked = await ask(page, `${baseOf('long')}/auth/me`)
    await database.exec('ALTER TABLE sessions_elsewhere RENAME TO sessions')
    expect([asked.status, sent('/refresh')]).toEqual([401, ['POST /refresh/device 503']])
    // Chromium waits for a while before it tries again.
    await expect.poll(async () => (await ask(page, `${baseOf('long')}/auth/me`)).status, { timeout: 60_000 }).toBe(200)
    expect((await sessionOf('long')).revoked_reason).toBe(null)
  })

  test('forgets a session that ended', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const page = await signIn('long', context)
    const { sid } = await sessionOf('long')
    await tessera.long.database.prepare('UPDATE sessions SET revoked_at = 1 WHERE sid = ?').bind(sid).run()
    await letAccessCookieExpire(context)
    internet.exchanges.length = 0
    for (let i = 0; i < 2; i += 1) expect((await ask(page, `${baseOf('long')}/auth/me`)).status).toBe(401)
    expect(sent('/refresh')).toEqual(['POST /refresh/device 401'])
  })

  test('that signs in again forgets its former session, and nobody is told of a thief', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const page = await signIn('long', context)
    const former = await sessionOf('long')
    await signInOn(page, 'long')
    await expect.poll(async () => sent('/auth/device').length).toBe(2)
    internet.exchanges.length = 0
    for (let i = 0; i < 2; i += 1) {
      await letAccessCookieExpire(context)
      expect((await ask(page, `${baseOf('long')}/auth/me`)).status).toBe(200)
    }
    // Whichever it tries first: the key of the former one is taken for no thief's, and asked for once at most.
    const tried = sent('/refresh').toSorted().join(', ')
    expect(tried).toMatch(
      /^POST \/refresh\/device 200, POST \/refresh\/device 200,( POST \/refresh\/device 401,)? POST \/refresh\/device 403$/,
    )
    const session = await sessionOf('long')
    expect(session).toMatchObject({ bound_by: 'dbsc', revoked_reason: null })
    expect(session.sid).not.toBe(former.sid)
    expect(await mailsOf('long', session.sid)).not.toContain('other_key')
  })

  test('signs out: the jar is empty, and it asks for no further pair', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const page = await signIn('long', context)
    expect((await ask(page, `${baseOf('long')}/auth/session`, { method: 'DELETE' })).status).toBe(204)
    expect(await jarOf(context)).toEqual({})
    internet.exchanges.length = 0
    for (let i = 0; i < 2; i += 1) expect((await ask(page, `${baseOf('long')}/auth/me`)).status).toBe(401)
    expect(sent('/refresh')).toEqual(['POST /refresh/device 401'])
  })

  test('on another host of the site, and by a link of another one, gets its pair where Tessera is asked', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const page = await signIn('hosts', context)
    await letAccessCookieExpire(context)
    // What the host of the application asks of itself does not wait.
    await page.reload()
    expect(await page.locator('h1').innerText()).toBe('Nobody')
    expect((await ask(page, `${baseOf('hosts')}/refresh`, { method: 'POST' })).status).toBe(200)
    await page.reload()
    expect(await page.locator('h1').innerText()).toBe('Signed in')

    // A server that renders sends its visitor there itself.
    await page.goto('https://www.shop.test/')
    await letAccessCookieExpire(context)
    internet.exchanges.length = 0
    await page.evaluate("location.href = 'https://www.shop.test/inbox'")
    await page.waitForURL('https://www.shop.test/inbox')
    expect(await page.locator('h1').innerText()).toBe('Signed in')
    expect(sent('/refresh')).toEqual(['POST /refresh/device 200', 'GET /refresh 303'])

    await letAccessCookieExpire(context)
    const to = encodeURIComponent('https://app.shop.test/')
    await page.goto('https://elsewhere.test/')
    await page.evaluate(`location.href = ${JSON.stringify(`${baseOf('hosts')}/refresh?to=${to}`)}`)
    await page.waitForURL('https://app.shop.test/')
    expect(await page.locator('h1').innerText()).toBe('Signed in')
  })
})

/** The deployments, as they answer once COOKIE_SAMESITE is strict. */
const strict = createServer((asked, answer) => {
  const { method, url: path } = asked
  const headers = { ...asked.headers, 'accept-encoding': 'identity' }
  const forwarded = forward({ host: '127.0.0.1', port: deployments.port, method, path, headers }, (got) => {
    let body = ''
    got.setEncoding('utf8').on('data', (text: string) => (body += text))
    got.on('end', () => {
      const {
        'set-cookie': cookies = [],
        'content-length': _length,
        'transfer-encoding': _encoding,
        ...rest
      } = got.headers
      answer.writeHead(got.statusCode ?? 0, {
        ...rest,
        'set-cookie': cookies.map((cookie) => cookie.replace('SameSite=Lax', 'SameSite=Strict')),
      })
      answer.end(body.replace('SameSite=Lax', 'SameSite=Strict'))
    })
  })
  asked.pipe(forwarded)
})

describe('a browser that did nothing wrong', () => {
  test('keeps its session when another site that is listed leads to the application', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const page = await signIn('crossed', context)
    await page.goto('https://elsewhere.test/')
    await letAccessCookieExpire(context)
    await page.evaluate("location.href = 'https://crossed.test/'")
    await page.waitForURL('https://crossed.test/')
    expect((await ask(page, `${baseOf('crossed')}/auth/me`)).status).toBe(200)
    expect(sent('/refresh')).not.toContain('POST /refresh/device 401')
  })

  test('learns of a cookie that has another attribute by now', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const page = await signIn('crossed', context)
    await letAccessCookieExpire(context)
    internet.route('crossed.test/tessera', await listen(strict, 0, '127.0.0.1'))
    try {
      internet.exchanges.length = 0
      for (let i = 0; i < 6; i += 1) expect((await ask(page, `${baseOf('crossed')}/auth/me`)).status).toBe(200)
      expect(sent('/refresh')).toEqual(['POST /refresh/device 403', 'POST /refresh/device 200'])
    } finally {
      internet.route('crossed.test/tessera', deployments.port)
      strict.close()
    }
  })
})

describe('a thief with both cookies', () => {
  test('of a bound session never gets a pair, has nothing after Max-Age, and its owner goes on, from wherever', async () => {
    const context = await openBrowser(binding, owner.proxy)
    const page = await signIn('short', context)
    const session = await sessionOf('short')
    const thief = await openBrowser(binding, await internet.place(ABROAD))
    await thief.addCookies(await context.cookies())
    const stolen = await jarOf(thief)
    expect(Object.keys(stolen).toSorted()).toEqual(['access_token', 'refresh_token'])
    const page2 = await openTab(thief, 'https://short.test/')
    const base = baseOf('short')

    expect((await ask(page2, `${base}/refresh/device`, { method: 'POST' })).status).toBe(403)
    await sleep(SHORT_SECONDS * 1000)
    // Whoever writes the cookies down has them for longer than a browser, and no more of it.
    await thief.addCookies([
      { name: 'access_token', value: stolen['access_token'] ?? '', url: 'https://short.test/', secure: true },
    ])
    expect((await ask(page2, `${base}/auth/me`)).status).toBe(401)
    for (const path of ['/refresh', '/refresh/device'])
      expect((await ask(page2, `${base}${path}`, { method: 'POST' })).status).toBe(403)
    const got = internet.exchanges.filter(({ from }) => from === ABROAD).flatMap(({ cookies }) => cookies)
    expect(got).toEqual([])

    owner.moveTo(ELSEWHERE)
    expect((await ask(page, `${base}/auth/me`)).status).toBe(200)
    const after = await sessionOf('short')
    expect(after).toMatchObject({ sid: session.sid, ip: ELSEWHERE, revoked_reason: null })
    expect(after.jti).not.toBe(session.jti)
    expect(await mailsOf('short', session.sid)).toEqual(['new_sign_in'])
  })

  /** As it is without a binding: the place tells, and the owner pays. */
  const UNBOUND = [
    ['whose browser knows nothing of it', 'long', () => ordinary],
    ['where DEVICE_BINDING is off', 'off', () => binding],
  ] as const
  test.each(UNBOUND)('of a session that is not bound, %s, ends it by its place', async (_why, name, browser) => {
    const context = await openBrowser(browser(), owner.proxy)
    const page = await signIn(name, context, false)
    const base = baseOf(name)
    expect(sent('/auth/device')).toEqual([])
    const { sid, jti } = await sessionOf(name)
    const ages = (await context.cookies()).map(({ expires }) => Math.round((expires - Date.now() / 1000) / 86_400))
    expect(ages).toEqual([10, 10])
    expect((await ask(page, `${base}/refresh`, { method: 'POST' })).status).toBe(200)
    expect(await sessionOf(name)).toMatchObject({ sid, previous_jti: jti, bound_by: null })

    const thief = await openBrowser(ordinary, await internet.place(ABROAD))
    await thief.addCookies(await context.cookies())
    const page2 = await openTab(thief, page.url())
    expect((await ask(page2, `${base}/refresh`, { method: 'POST' })).status).toBe(401)
    expect((await sessionOf(name)).revoked_reason).toBe('location')
    expect(await mailsOf(name, sid)).toContain('location_blocked')
    expect((await ask(page, `${base}/refresh`, { method: 'POST' })).status).toBe(401)
  })
})
