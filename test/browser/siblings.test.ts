/**
 * A page of a sibling host, in a real browser: it is of the same site, so the cookies go along with what it asks, and it
 * need not even wait for the answer.
 */

import { createServer, type Server } from 'node:http'

import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'

import { startChromium } from '../../scripts/chromium.ts'
import { jarOf, listen, openTab } from './pages-and-jars.ts'

// Chromium takes the last two labels for the site, and every name below localhost for this machine.
const auth = new URL(inject('origin'))
auth.hostname = 'auth.tessera.localhost'
const account = inject('account')

let sibling: Server
let siblingOrigin: string
let browser: Browser
let context: BrowserContext

beforeAll(async () => {
  browser = await startChromium()
  sibling = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Wiki</title>')
  })
  const port = await listen(sibling, 0, '127.0.0.1')
  siblingOrigin = `http://app.tessera.localhost:${port}`
})

afterAll(async () => {
  sibling.close()
  await browser.close()
})

beforeEach(async () => {
  context = await browser.newContext()
})

afterEach(() => context.close())

/** Whether a refresh token is the live one of its session, as a back end asks. */
async function isLive(token: string | undefined): Promise<boolean> {
  const response = await fetch(`${inject('origin')}/auth/token/introspect`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${inject('serviceKey')}` },
    body: new URLSearchParams({ token: token ?? '' }),
  })
  const { active } = await response.json<{ active: boolean }>()
  return active
}

describe('a page of a sibling host', () => {
  test.each(['GET', 'POST'])('that drops its %s of /refresh has not burned the pair', async (method) => {
    await openTab(context, `${auth.origin}/${account.guid}`)
    const before = await jarOf(context)
    expect(Object.keys(before).toSorted()).toEqual(['access_token', 'refresh_token'])
    // The browser does send the cookies along from there: nothing but Tessera stands in between.
    const led = await openTab(context, siblingOrigin)
    const [asked] = await Promise.all([
      led.waitForResponse(`${auth.origin}/auth/me`),
      led.evaluate(`location.href = ${JSON.stringify(`${auth.origin}/auth/me`)}`),
    ])
    expect(asked.status()).toBe(200)

    const page = await openTab(context, siblingOrigin)
    // Ten times: whether the browser drops the answer before it takes the cookies out of it is a matter of time.
    await page.evaluate(`(async () => {
      for (let i = 0; i < 10; i += 1) {
        const aborter = new AbortController()
        const options = { method: '${method}', mode: 'no-cors', credentials: 'include', signal: aborter.signal }
        const dropped = fetch(${JSON.stringify(`${auth.origin}/refresh`)}, options)
        setTimeout(() => aborter.abort(), 3 * i)
        await dropped.catch(() => undefined)
      }
    })()`)

    expect(await jarOf(context)).toEqual(before)
    // Live, so not rotated away behind the back of this browser.
    expect(await isLive(before['refresh_token'])).toBe(true)
  })
})
