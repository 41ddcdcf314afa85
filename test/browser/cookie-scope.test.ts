/**
 * Tessera below a prefix, with its access cookie for a whole domain and both cookies for other sites, in a real browser's jar: who
 * gets which, and what becomes of the cookies that the browser had before.
 */

import { createServer, type Server } from 'node:http'

import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'

import { startChromium } from '../../scripts/chromium.ts'
import { listen } from './pages-and-jars.ts'
import { startTessera, type Tessera } from './tessera.ts'

// Chromium takes the last two labels for the site, and every name below localhost for this machine.
const HOST = 'auth.tessera.localhost'
const PREFIX = '/auth-service'

let tessera: Tessera
let application: Server
/** The `Cookie` header of the application's last request. */
let received: string | undefined
let applicationOrigin: string
/** Tessera, as the browser sees it. */
let url: string
let browser: Browser
let context: BrowserContext
let page: Page

beforeAll(async () => {
  application = createServer((request, response) => {
    if (request.url === '/') received = request.headers.cookie
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Shop</title>')
  })
  applicationOrigin = `http://app.tessera.localhost:${await listen(application, 0, '127.0.0.1')}`
  tessera = await startTessera({
    PUBLIC_URL: `http://${HOST}`,
    BASE_PATH: PREFIX,
    COOKIE_DOMAIN: 'tessera.localhost',
    COOKIE_SAMESITE: 'none',
    CORS_ORIGINS: applicationOrigin,
  })
  url = `http://${HOST}:${new URL(tessera.origin).port}${PREFIX}`
  browser = await startChromium()
}, 180_000)

afterAll(async () => {
  application.close()
  await browser.close()
  await tessera.stop()
})

beforeEach(async () => {
  // The answers of Tessera stand for pages of its origin, and their policy would let no script ask for anything.
  context = await browser.newContext({ bypassCSP: true })
  page = await context.newPage()
})

afterEach(() => context.close())

async function go(path: string): Promise<number | undefined> {
  return (await page.goto(`${url}${path}`))?.status()
}

async function signIn(): Promise<Readonly<Record<string, string>>> {
  expect(await go(`/${tessera.account.guid}`)).toBe(200)
  return Object.fromEntries((await context.cookies()).map(({ name, value }) => [name, value]))
}

/** Where each cookie of the jar belongs; a dot stands before a whole domain. */
async function scopes(): Promise<readonly string[]> {
  return (await context.cookies())
    .map(({ name, domain, path, secure, sameSite }) => `${name} ${domain}${path} ${secure ? 'Secure ' : ''}${sameSite}`)
    .toSorted()
}

const SCOPES = ['access_token .tessera.localhost/ Secure None', `refresh_token ${HOST}${PREFIX}/refresh Secure None`]

test('a browser keeps both over http on this machine, and an application on another host gets the access token alone', async () => {
  const { access_token } = await signIn()
  expect(await scopes()).toEqual(SCOPES)

  await page.goto(applicationOrigin)
  expect(received).toBe(`access_token=${access_token}`)
})

test('it renews the pair where the refresh cookie goes, and signs out: the jar is empty', async () => {
  const { refresh_token } = await signIn()
  expect(await go('/refresh')).toBe(200)
  expect(await scopes()).toEqual(SCOPES)
  expect((await context.cookies()).find(({ name }) => name === 'refresh_token')?.value).not.toBe(refresh_token)

  const script = `fetch('${PREFIX}/auth/session', { method: 'DELETE' }).then((response) => response.status)`
  expect(await page.evaluate(script)).toBe(204)
  expect(await scopes()).toEqual([])
})

test('an access cookie of the host alone, from before COOKIE_DOMAIN, makes room with the next pair', async () => {
  const { access_token = '', refresh_token = '' } = await signIn()
  await context.clearCookies()
  await context.addCookies([
    { name: 'access_token', value: access_token, domain: HOST, path: '/' },
    { name: 'refresh_token', value: refresh_token, domain: HOST, path: `${PREFIX}/refresh` },
  ])

  expect(await go('/refresh')).toBe(200)
  expect(await scopes()).toEqual(SCOPES)
  expect(await go('/refresh')).toBe(200)
})

test('two access cookies are refused once, and the next try is good', async () => {
  await signIn()
  await context.addCookies([{ name: 'access_token', value: 'of-before', domain: HOST, path: '/' }])

  expect(await go('/refresh')).toBe(400)
  expect(await scopes()).toEqual(SCOPES)
  expect(await go('/refresh')).toBe(200)
})

test('a window that a page of another site opened is out of its reach before the pair is renewed in it', async () => {
  await signIn()
  // Another site than a name below localhost, to a browser, and the same machine.
  await page.goto(`http://127.0.0.1:${new URL(applicationOrigin).port}/`)
  const opened = context.waitForEvent('page')
  await page.evaluate(`void (globalThis.opened = open('${url}/refresh?to=%2F'))`)
  await (await opened).waitForURL(`${new URL(url).origin}/`)

  // What a window looks like to a page that cannot close it any more, or lead it elsewhere.
  expect(await page.evaluate('globalThis.opened.closed')).toBe(true)
})
