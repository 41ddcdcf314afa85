/**
 * Refresh and return in a real browser: a server that renders pages at a host of Tessera's own site, and links to it from another
 * site, with which Chromium sends no Strict cookies.
 */

import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Browser, BrowserContext, Page, Response } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'

import { startChromium } from '../../scripts/chromium.ts'
import { listen } from './pages-and-jars.ts'
import { expectReadable, SIZES, takePicture } from './readable.ts'

/** Below this age, a token counts as one that another tab has just got. */
const JUST_ISSUED_SECONDS = 10

const origin = inject('origin')
const account = inject('account')
const app = inject('returnOrigin')

let browser: Browser
let context: BrowserContext
let application: Server
let elsewhere: Server
let other: string
/** Access tokens that the application does not take any more, as if they had expired; `all` where it does not see its cookie. */
let over: 'all' | ReadonlySet<string>
/** Every refresh token that Tessera handed out after the first one. A replay has the same one again. */
let handedOut: Set<string>

beforeAll(async () => {
  application = createServer((request, response) => void render(request, response))
  await listen(application, Number(new URL(app).port))
  elsewhere = createServer((_request, response) => {
    const link = `<a href="${app}/inbox" target="_blank">Inbox</a>`
    response.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!doctype html><title>News</title>${link}`)
  })
  // Another site than localhost, to a browser, and the same machine.
  other = `http://127.0.0.1:${await listen(elsewhere, 0)}`
  browser = await startChromium()
})

afterAll(async () => {
  application.close()
  elsewhere.close()
  await browser.close()
})

beforeEach(async () => {
  context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(`${origin}/${account.guid}`)
  await page.close()
  const signedIn = await context.cookies()
  over = new Set(signedIn.map(({ value }) => value))
  handedOut = new Set()
  context.on('response', (response) => {
    if (!response.url().startsWith(`${origin}/refresh`)) return
    void noteToken(response)
  })
})

afterEach(() => context.close())

async function noteToken(response: Response): Promise<void> {
  const headers = await response.allHeaders()
  const token = /^refresh_token=([^;]+)/m.exec(headers['set-cookie'] ?? '')?.[1]
  if (token !== undefined) handedOut.add(token)
}

/** What an application does: it asks whether the token is good, and has the browser renew it where it is not. */
async function render(...[request, response]: Parameters<RequestListener>): Promise<void> {
  const token = /\baccess_token=([\w.-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? 'none'
  const isOver = over === 'all' || over.has(token)
  const verified = await fetch(`${origin}/auth/token/verify`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ token }),
  })
  if (verified.status === 200 && !isOver) {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!doctype html><h1>Signed in at ${request.url}</h1>`)
    return
  }
  const to = encodeURIComponent(`${app}${request.url}`)
  response.writeHead(302, { Location: `${origin}/refresh?to=${to}` }).end()
}

/** A link of the other site, in a tab of its own. */
async function follow(from: Page): Promise<Page> {
  const [tab] = await Promise.all([context.waitForEvent('page'), from.click('a')])
  return tab
}

async function expectSignedIn(tab: Page): Promise<void> {
  await tab.waitForURL(`${app}/inbox`)
  expect(await tab.textContent('h1')).toBe('Signed in at /inbox')
}

describe('a deep link of another site, with an access token that is over,', () => {
  test('ends rendered and signed in, with one rotation', async () => {
    const news = await context.newPage()
    await news.goto(other)
    await sleep(JUST_ISSUED_SECONDS * 1000)
    await expectSignedIn(await follow(news))

    expect(handedOut.size).toBe(1)
    // The same again, with a token that is not over.
    await expectSignedIn(await follow(news))
    expect(handedOut.size).toBe(1)
  })

  test('in three tabs does the same, with one rotation for all of them', async () => {
    const news = await context.newPage()
    await news.goto(other)
    await sleep(JUST_ISSUED_SECONDS * 1000)
    const tabs = [await follow(news), await follow(news), await follow(news)]
    await Promise.all(tabs.map(expectSignedIn))

    expect(handedOut.size).toBe(1)
  })
})

describe('an application that does not see its cookie', () => {
  test('ends at the third return in a page that says what to check, on a phone and on a desk, in light and dark', async () => {
    over = 'all'
    const page = await context.newPage()
    const response = await page.goto(`${app}/inbox`)

    expect(response?.status()).toBe(429)
    expect(await page.textContent('h1')).toBe('You are being sent in circles')
    expect(handedOut.size).toBe(2)
    expect(await page.locator('main').innerText()).toContain('Does the cookie reach its host?')
    await expectGood(page, 'return-loop')
  })

  test('does so by links of another site, too', async () => {
    over = 'all'
    const news = await context.newPage()
    await news.goto(other)
    const tab = await follow(news)

    await tab.getByRole('heading', { name: 'You are being sent in circles' }).waitFor()
    expect(handedOut.size).toBeLessThanOrEqual(1)
  })
})

test('the page that waits can be read, and its button goes on where a browser does not reload it', async () => {
  const path = `/refresh?to=${encodeURIComponent(`${app}/inbox`)}`
  const headers = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }
  // Node's own fetch would write what these headers say by itself.
  const [answer] = (await once(get(`${origin}${path}`, { headers }), 'response')) as [IncomingMessage]
  const html = await text(answer)
  const page = await context.newPage()
  await page.route(`${origin}/refresh?to=*`, (route) =>
    route.request().url().endsWith('&again=1')
      ? route.continue()
      : route.fulfill({ contentType: 'text/html', body: html.replace(/<meta http-equiv[^>]*>/, '') }),
  )
  await page.goto(`${origin}${path}`)
  await expectGood(page, 'return-wait')
  await page.getByRole('link', { name: 'Go on' }).click()
  await expectSignedIn(page)
})

async function expectGood(page: Page, name: string): Promise<void> {
  for (const size of ['phone', 'desk'] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize(SIZES[size])
      await page.emulateMedia({ colorScheme })
      await expectReadable(page)
      await takePicture(page, `${name}-${size}-${colorScheme}`)
    }
  }
}
