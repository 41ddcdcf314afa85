/**
 * A page of another origin in a real browser: one that is listed signs in, refreshes and signs out, and reads why it was refused;
 * one that is not reads nothing and changes nothing. They are hosts of Tessera's own site, so that cookies go along from either.
 */

import { createServer, type Server } from 'node:http'

import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { startChromium } from '../../scripts/chromium.ts'
import { jarOf, listen, openTab } from './pages-and-jars.ts'
import { startTessera, type Tessera } from './tessera.ts'

let tessera: Tessera
let pages: Server
let browser: Browser
let context: BrowserContext
/** Tessera, as the pages see it. */
let auth: string
let listed: string
let unlisted: string

beforeAll(async () => {
  pages = createServer((request, response) => {
    // The strictest isolation that a page may ask for: what it loads has to be made for it.
    const isolated = request.url === '/isolated' && { 'Cross-Origin-Embedder-Policy': 'require-corp' }
    response.writeHead(200, { 'Content-Type': 'text/html', ...isolated }).end('<!doctype html><title>Shop</title>')
  })
  const port = await listen(pages, 0, '127.0.0.1')
  // Chromium takes the last two labels for the site, and every name below localhost for this machine.
  listed = `http://app.tessera.localhost:${port}`
  unlisted = `http://app.tessera.localhost.evil.tessera.localhost:${port}`
  tessera = await startTessera({ CORS_ORIGINS: listed })
  auth = `http://auth.tessera.localhost:${new URL(tessera.origin).port}`
  browser = await startChromium()
}, 240_000)

afterAll(async () => {
  pages.close()
  await browser.close()
  await tessera.stop()
})

beforeEach(async () => {
  context = await browser.newContext()
})

afterEach(() => context.close())

interface Init {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly mode?: 'cors' | 'no-cors'
  readonly credentials?: 'omit'
}

/** What the script of a page gets of Tessera, with its cookies: the status and some of the answer, or why it gets nothing. */
function ask(page: Page, path: string, init: Init = {}) {
  return page.evaluate(
    async ([url, options]) => {
      try {
        const response = await fetch(url, { credentials: 'include', ...options })
        const headers = ['WWW-Authenticate', 'Allow'].map((name) => response.headers.get(name))
        return {
          status: response.status,
          body: await response.text(),
          headers: headers.filter((value) => value !== null),
        }
      } catch (error) {
        return String(error)
      }
    },
    [auth + path, init] as const,
  )
}

function signIn(page: Page) {
  const { primary_email, password } = tessera.account
  return ask(page, '/auth/session', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ primary_email, password }),
  })
}

/** Whether a refresh token is the live one of its session, as a back end asks. */
async function isLive(token: string | undefined): Promise<boolean> {
  const response = await fetch(`${tessera.origin}/auth/token/introspect`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${tessera.serviceKey}` },
    body: new URLSearchParams({ token: token ?? '' }),
  })
  return (await response.json<{ active: boolean }>()).active
}

const WITHHELD = 'TypeError: Failed to fetch'

describe.each(['/', '/isolated'])('a page of a listed origin, %s,', (path) => {
  test('signs in, refreshes and signs out with its visitor’s cookies', async () => {
    const page = await openTab(context, listed + path)

    expect(await signIn(page)).toMatchObject({
      status: 200,
      body: expect.stringContaining(tessera.account.guid) as string,
    })
    const first = await jarOf(context)
    expect(Object.keys(first).toSorted()).toEqual(['access_token', 'refresh_token'])
    for (const method of ['GET', 'POST']) {
      const before = await jarOf(context)
      expect(await ask(page, '/refresh', { method })).toEqual({ status: 200, body: '', headers: [] })
      expect((await jarOf(context))['refresh_token']).not.toBe(before['refresh_token'])
    }
    expect(await ask(page, '/auth/me')).toMatchObject({ status: 200 })
    const last = await jarOf(context)
    expect(await ask(page, '/auth/session', { method: 'DELETE' })).toEqual({ status: 204, body: '', headers: [] })
    expect(await jarOf(context)).toEqual({})
    expect(await isLive(last['refresh_token'])).toBe(false)
  })

  test('opens a session by guid, and calls with a bearer token', async () => {
    const page = await openTab(context, listed + path)

    expect(await ask(page, `/${tessera.account.guid}`)).toEqual({ status: 200, body: '', headers: [] })
    const headers = { Authorization: `Bearer ${(await jarOf(context))['access_token']}` }
    expect(await ask(page, '/auth/me', { headers, credentials: 'omit' })).toMatchObject({ status: 200 })
  })

  test('reads why it was refused', async () => {
    const page = await openTab(context, listed + path)

    expect(await ask(page, '/refresh')).toEqual({ status: 401, body: 'Access token is missing', headers: ['Bearer'] })
    expect(await ask(page, '/auth/token', { method: 'POST' })).toMatchObject({ status: 415 })
    expect(await ask(page, '/auth/me', { method: 'POST' })).toMatchObject({
      status: 405,
      headers: ['GET, HEAD, DELETE'],
    })
    expect(await ask(page, '/nothing/at/all')).toMatchObject({ status: 404 })
  })

  test('can neither read nor press what a mail links to', async () => {
    const page = await openTab(context, listed + path)

    expect(await ask(page, '/links/end-sessions?token=x')).toBe(WITHHELD)
    expect(await ask(page, '/links/end-sessions', { method: 'POST', body: 'token=x' })).toBe(WITHHELD)
  })
})

describe('a page of an origin that is not listed', () => {
  test('reads nothing and changes nothing, although the cookies go along', async () => {
    await signIn(await openTab(context, listed))
    const before = await jarOf(context)
    // The browser does send the cookies along from there: nothing but Tessera stands in between.
    const led = await openTab(context, unlisted)
    const [asked] = await Promise.all([
      led.waitForResponse(`${auth}/auth/me`),
      led.evaluate(`location.href = ${JSON.stringify(`${auth}/auth/me`)}`),
    ])
    expect(asked.status()).toBe(200)

    const page = await openTab(context, unlisted)
    expect(await ask(page, '/auth/me')).toBe(WITHHELD)
    for (const method of ['GET', 'POST']) {
      expect(await ask(page, '/refresh', { method })).toBe(WITHHELD)
      await ask(page, '/refresh', { method, mode: 'no-cors' })
    }
    for (const target of ['/auth/session', '/auth/sessions']) {
      expect(await ask(page, target, { method: 'DELETE' })).toBe(WITHHELD)
    }
    expect(await signIn(page)).toBe(WITHHELD)
    expect(await ask(page, `/${tessera.account.guid}`)).toBe(WITHHELD)

    expect(await jarOf(context)).toEqual(before)
    expect(await isLive(before['refresh_token'])).toBe(true)
  })

  test('is not listed by a frame without an origin in a page that is', async () => {
    await signIn(await openTab(context, listed))
    const before = await jarOf(context)
    const page = await openTab(context, listed)
    const script = `<script>fetch('${auth}/refresh', { method: 'POST', credentials: 'include' })
      .then(({ status }) => status, String).then((told) => parent.postMessage(told, '*'))</script>`
    const told = page.evaluate(`new Promise((resolve) => {
      addEventListener('message', ({ data, origin }) => resolve([origin, data]))
      const frame = document.createElement('iframe')
      frame.setAttribute('sandbox', 'allow-scripts')
      frame.srcdoc = ${JSON.stringify(script).replaceAll('</', '<\\/')}
      document.body.append(frame)
    })`)

    expect(await told).toEqual(['null', WITHHELD])
    expect(await jarOf(context)).toEqual(before)
    expect(await isLive(before['refresh_token'])).toBe(true)
  })

  test('reads the public keys, as every page may', async () => {
    const page = await openTab(context, unlisted)
    const traced = { 'Cache-Control': 'no-cache', Traceparent: '00-0-0-00', Authorization: 'Bearer x' }

    for (const headers of [{}, traced]) {
      expect(await ask(page, '/.well-known/jwks.json', { headers, credentials: 'omit' })).toMatchObject({ status: 200 })
    }
  })
})
