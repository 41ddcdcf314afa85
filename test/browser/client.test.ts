/**
 * The client in real tabs: one storage or one cookie jar, locks of the browser, none, or one that a frozen tab keeps. Nobody is signed out, and nobody waits
 * for more than three seconds.
 */

import { createServer, type Server } from 'node:http'

import { build } from 'esbuild'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { startChromium } from '../../scripts/chromium.ts'
import type * as ClientModule from '../../src/client/client.ts'
import type * as DpopModule from '../../src/client/dpop.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'
import { expired } from '../support/expired.ts'
import { jarOf, listen, openTab } from './pages-and-jars.ts'
import { startTessera, type Tessera } from './tessera.ts'

/** What a page has: the modules of the client, and its own client. */
declare const tessera: typeof ClientModule & typeof DpopModule
declare let client: ClientModule.Client
declare const localStorage: { getItem(key: string): string | null; setItem(key: string, value: string): void }
declare const navigator: { locks: { request(name: string, work: () => Promise<unknown>): Promise<unknown> } }

const root = new URL('../../', import.meta.url).pathname
const MODULES = `export * from './src/client/client.ts'; export * from './src/client/dpop.ts'`
const REQUESTS = 8

type Kind = 'in localStorage' | 'in cookies'

let pages: Server
let browser: Browser
let context: BrowserContext
let app: string
/** By `REFRESH_REUSE_SECONDS`. */
const servers = new Map<string, Tessera>()
/** The refreshes that this context has sent. */
let refreshes = 0

beforeAll(async () => {
  const options = { absWorkingDir: root, bundle: true, format: 'iife', globalName: 'tessera', write: false } as const
  const { outputFiles } = await build({ ...options, stdin: { contents: MODULES, resolveDir: root } })
  pages = createServer((request, response) => {
    const isScript = request.url === '/client.js'
    response.writeHead(200, { 'Content-Type': isScript ? 'text/javascript' : 'text/html' })
    response.end(
      isScript ? outputFiles[0]?.text : '<!doctype html><title>Shop</title><script src="/client.js"></script>',
    )
  })
  app = `http://app.tessera.localhost:${await listen(pages, 0, '127.0.0.1')}`
  for (const REFRESH_REUSE_SECONDS of ['0', '10']) {
    const { AUTH_SECRET } = TEST_BINDINGS
    servers.set(REFRESH_REUSE_SECONDS, await startTessera({ CORS_ORIGINS: app, AUTH_SECRET, REFRESH_REUSE_SECONDS }))
  }
  browser = await startChromium()
}, 240_000)

afterAll(async () => {
  pages.close()
  await browser.close()
  await Promise.all([...servers.values()].map((server) => server.stop()))
})

beforeEach(async () => {
  context = await browser.newContext()
  refreshes = 0
  context.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/refresh')) refreshes++
  })
})

afterEach(() => context.close())

function serverWith(seconds: string): Tessera {
  const server = servers.get(seconds)
  if (server === undefined) throw new Error('no such server')
  return server
}

/** Tessera, as the pages see it: a host of their own site. */
function addressOf(seconds: string): string {
  return `http://auth.tessera.localhost:${new URL(serverWith(seconds).origin).port}`
}

/** A tab with a client, which counts how often it was signed out. */
async function openClient(kind: Kind | 'bound', seconds: string): Promise<Page> {
  const page = await openTab(context, app)
  await page.evaluate(
    ([url, where]) => {
      client = tessera.createClient({
        url,
        storage: where === 'in cookies' ? tessera.inCookies() : tessera.inLocalStorage(),
        ...(where === 'bound' && { dpop: tessera.dpopInBrowser() }),
        onSignedOut: (code) => localStorage.setItem('signed-out', code),
      })
    },
    [addressOf(seconds), kind] as const,
  )
  return page
}

async function signIn(page: Page, seconds: string): Promise<void> {
  const { primary_email, password } = serverWith(seconds).account
  const answer = await page.evaluate(([email, secret]) => client.signIn(email, secret), [
    primary_email,
    password,
  ] as const)
  expect(answer).toEqual({ ok: true })
}

/** The access token is over, wherever it is. */
async function expire(page: Page, kind: Kind): Promise<void> {
  if (kind === 'in localStorage') {
    const pair = JSON.parse((await page.evaluate(() => localStorage.getItem('tessera'))) ?? 'null')
    const over = JSON.stringify({ ...pair, access: await expired(pair.access) })
    await page.evaluate((text) => localStorage.setItem('tessera', text), over)
    return
  }
  const cookie = (await context.cookies()).find(({ name }) => name === 'access_token')
  if (cookie === undefined) throw new Error('no access cookie')
  await context.addCookies([{ ...cookie, value: await expired(cookie.value) }])
}

/** Requests of a tab, all at once: their statuses, and how long the last of them took, in milliseconds. */
function ask(page: Page, seconds: string, count = REQUESTS): Promise<{ statuses: number[]; ms: number }> {
  return page.evaluate(
    async ([url, n]) => {
      const begun = performance.now()
      const answers = await Promise.all(Array.from({ length: n }, () => client.fetch(`${url}/auth/me`)))
      return { statuses: answers.map(({ status }) => status), ms: performance.now() - begun }
    },
    [addressOf(seconds), count] as const,
  )
}

/** What anything but Tessera may add to a refresh. This machine may be busy, so that a refresh alone takes long. */
const LONGEST_WAIT_MS = 3000

/** How long the requests of a tab and their refresh take where nobody is in the way, in milliseconds. */
async function timeRefresh(page: Page, kind: Kind, seconds: string): Promise<number> {
  await expire(page, kind)
  const { statuses, ms } = await ask(page, seconds)
  expect(statuses).toEqual(ALL_WELL)
  return ms
}

const ALL_WELL = Array.from({ length: REQUESTS }, () => 200)

async function expectNobodySignedOut(page: Page): Promise<void> {
  expect(await page.evaluate(() => localStorage.getItem('signed-out'))).toBeNull()
}

describe.each(['in localStorage', 'in cookies'] as const)('three tabs with a pair %s', (kind) => {
  test.each(['0', '10'])('and a window of %s s refresh once, by the lock of the browser', async (seconds) => {
    const tabs = [await openClient(kind, seconds), await openClient(kind, seconds), await openClient(kind, seconds)]
    await signIn(tabs[0] as Page, seconds)
    for (let round = 1; round <= 2; round++) {
      await expire(tabs[0] as Page, kind)
      const asked = await Promise.all(tabs.map((tab) => ask(tab, seconds)))
      expect(asked.map(({ statuses }) => statuses)).toEqual(tabs.map(() => ALL_WELL))
      expect(refreshes).toBe(round)
    }
    // What is good is not renewed.
    await ask(tabs[1] as Page, seconds)
    expect(refreshes).toBe(2)
    await expectNobodySignedOut(tabs[0] as Page)
  })

  test.each(['0', '10'])('and a window of %s s all go on where there are no locks', async (seconds) => {
    await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }))
    const tabs = [await openClient(kind, seconds), await openClient(kind, seconds), await openClient(kind, seconds)]
    await signIn(tabs[0] as Page, seconds)
    for (let round = 0; round < 2; round++) {
      await expire(tabs[0] as Page, kind)
      const asked = await Promise.all(tabs.map((tab) => ask(tab, seconds)))
      expect(asked.map(({ statuses }) => statuses)).toEqual(tabs.map(() => ALL_WELL))
    }
    await expectNobodySignedOut(tabs[0] as Page)
  })

  test.each(['0', '10'])('and a window of %s s wait for no lock that somebody keeps for good', async (seconds) => {
    const tab = await openClient(kind, seconds)
    await signIn(tab, seconds)
    const usual = await timeRefresh(tab, kind, seconds)
    const orphan = await openClient(kind, seconds)
    await orphan.evaluate((name) => void navigator.locks.request(name, () => new Promise(() => {})), lockOf(seconds))
    await expire(tab, kind)
    const { statuses, ms } = await ask(tab, seconds)
    expect(statuses).toEqual(ALL_WELL)
    expect(ms - usual).toBeLessThan(LONGEST_WAIT_MS)
    await expectNobodySignedOut(tab)
  })

  test.each(['0', '10'])(
    'and a window of %s s go on while one of them is frozen in the middle of its refresh, and so does that one afterwards',
    async (seconds) => {
      const frozen = await openClient(kind, seconds)
      const other = await openClient(kind, seconds)
      await signIn(frozen, seconds)
      const usual = await timeRefresh(other, kind, seconds)
      await expire(frozen, kind)
      // Its request leaves the tab, and stays on the way.
      const leave = Promise.withResolvers<undefined>()
      const left = Promise.withResolvers<undefined>()
      await frozen.route(/\/refresh$/, async (route) => {
        left.resolve(undefined)
        await leave.promise
        await route.continue()
      })
      const asked = ask(frozen, seconds)
      await left.promise
      const session = await context.newCDPSession(frozen)
      await session.send('Page.setWebLifecycleState', { state: 'frozen' })

      const { statuses, ms } = await ask(other, seconds)
      expect(statuses).toEqual(ALL_WELL)
      expect(ms - usual).toBeLessThan(LONGEST_WAIT_MS)
      // Otherwise it was not the lock that was waited for.
      expect(ms).toBeGreaterThan(1000)

      leave.resolve(undefined)
      await session.send('Page.setWebLifecycleState', { state: 'active' })
      expect((await asked).statuses).toEqual(ALL_WELL)
      expect((await ask(other, seconds)).statuses).toEqual(ALL_WELL)
      await expectNobodySignedOut(other)
    },
  )

  test('go on after they were offline', async () => {
    const tab = await openClient(kind, '10')
    await signIn(tab, '10')
    await expire(tab, kind)
    await context.setOffline(true)
    await expect(ask(tab, '10')).rejects.toThrow('Failed to fetch')
    await context.setOffline(false)
    expect((await ask(tab, '10')).statuses).toEqual(ALL_WELL)
    await expectNobodySignedOut(tab)
  })

  test('know who is signed in after a reload, and sign out in all of them', async () => {
    const tab = await openClient(kind, '10')
    expect(await tab.evaluate(() => client.user())).toBeNull()
    await signIn(tab, '10')
    await tab.close()
    const next = await openClient(kind, '10')
    const other = await openClient(kind, '10')
    expect(await next.evaluate(() => client.user())).toMatchObject({ email: serverWith('10').account.primary_email })
    expect(await next.evaluate(() => client.signOut())).toBe(true)
    expect(await other.evaluate(() => client.user())).toBeNull()
    expect(await jarOf(context)).toEqual({})
    await expectNobodySignedOut(other)
  })
})

describe('a pair in cookies', () => {
  test('of a sign-out that Tessera did not learn of is not used again, and ended as soon as it can be reached', async () => {
    const tab = await openClient('in cookies', '10')
    await signIn(tab, '10')
    await context.setOffline(true)
    expect(await tab.evaluate(() => client.signOut())).toBe(false)
    await context.setOffline(false)
    expect(Object.keys(await jarOf(context))).not.toEqual([])
    const next = await openClient('in cookies', '10')
    expect(await next.evaluate(() => client.user())).toBeNull()
    expect(await jarOf(context)).toEqual({})
    await signIn(next, '10')
    expect(await tab.evaluate(() => client.user())).toMatchObject({ email: serverWith('10').account.primary_email })
  })

  test('of another person sends nothing that the first one asked for', async () => {
    const tab = await openClient('in cookies', '10')
    await signIn(tab, '10')
    const [status, asked] = await tab.evaluate(async () => {
      const { fetch } = globalThis
      let requests = 0
      globalThis.fetch = async (...request) => {
        if (!(request[0] instanceof Request && request[0].url.endsWith('/orders'))) return fetch(...request)
        requests++
        // Meanwhile another tab has signed in somebody else.
        const kept = JSON.parse(localStorage.getItem('tessera') ?? '')
        localStorage.setItem('tessera', JSON.stringify({ ...kept, refresh: 'another', sub: 'another' }))
        return new Response(null, { status: 401 })
      }
      return [(await client.fetch('/orders', { method: 'DELETE' })).status, requests]
    })
    expect([status, asked]).toEqual([401, 1])
  })

  test('is not taken for renewed by the page of a network that wants people to sign in', async () => {
    const tab = await openClient('in cookies', '10')
    await signIn(tab, '10')
    await expire(tab, 'in cookies')
    await tab.route(/\/refresh$/, (route) =>
      route.fulfill({
        status: 200,
        body: '<h1>Welcome</h1>',
        headers: { 'Access-Control-Allow-Origin': app, 'Access-Control-Allow-Credentials': 'true' },
      }),
    )
    await expect(ask(tab, '10', 1)).rejects.toThrow('Not Tessera')
    await tab.unrouteAll()
    expect((await ask(tab, '10')).statuses).toEqual(ALL_WELL)
  })
})

function lockOf(seconds: string): string {
  return `tessera ${addressOf(seconds)}`
}

describe('a key of the browser', () => {
  test('is one for all tabs, outlives them, and nobody can read it', async () => {
    const [tab, twin] = [await openClient('bound', '0'), await openClient('bound', '0')]
    const [first, second] = await Promise.all([tab.evaluate(readKey), twin.evaluate(readKey)])
    expect(second).toBe(first)
    await signIn(tab, '0')
    await tab.close()
    // An answer is lost, without a window: the proof heals it.
    await twin.evaluate(() => {
      const { fetch } = globalThis
      globalThis.fetch = async (...request) => {
        const answer = await fetch(...request)
        if (!answer.url.endsWith('/refresh')) return answer
        globalThis.fetch = fetch
        throw new TypeError('lost')
      }
      const pair = JSON.parse(localStorage.getItem('tessera') ?? '')
      localStorage.setItem('tessera', JSON.stringify({ ...pair, over: 0 }))
    })
    expect((await ask(twin, '0')).statuses).toEqual(ALL_WELL)
    expect(refreshes).toBe(2)
    expect(await twin.evaluate(readKey)).toBe(first)
    const sessions = await twin.evaluate(
      async (url) => (await client.fetch(`${url}/auth/sessions`)).json(),
      addressOf('0'),
    )
    expect(sessions).toContainEqual(expect.objectContaining({ current: true, bound: 'dpop' }))
    expect(await twin.evaluate(readPrivateKey)).toBe('InvalidAccessError')
  })
})

function readKey(): Promise<string> {
  return tessera.dpopInBrowser().key()
}

/** What a script of the page gets that wants to take the key away. */
async function readPrivateKey(): Promise<string> {
  interface Asked {
    readonly result: {
      transaction(store: string): { objectStore(name: string): { get(key: string): Asked } }
    } & CryptoKeyPair
    onsuccess: () => void
  }
  const { indexedDB } = globalThis as unknown as { indexedDB: { open(name: string): Asked } }
  const done = (asked: Asked) =>
    new Promise<Asked['result']>((resolve) => (asked.onsuccess = () => resolve(asked.result)))
  const database = await done(indexedDB.open('tessera'))
  const { privateKey } = await done(database.transaction('keys').objectStore('keys').get('tessera'))
  try {
    return JSON.stringify(await crypto.subtle.exportKey('jwk', privateKey))
  } catch (error) {
    return error instanceof DOMException ? error.name : String(error)
  }
}
