/** The cookies of the test kit in Chromium, by Playwright: a browser that is given them is signed in as one that got them from Tessera. */

import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { startApp } from '../../examples/testing/app.ts'
import { startChromium } from '../../scripts/chromium.ts'
import type { Tessera } from '../../src/testing/testing.ts'
import { packKit } from '../support/packed-kit.ts'

let tessera: Tessera
let browser: Browser

beforeAll(async () => {
  const [kit, chromium] = [await packKit('browser'), await startChromium()]
  browser = chromium
  tessera = await kit.startTessera()
}, 120_000)

afterAll(async () => {
  await browser.close()
  await tessera.stop()
})

/** A browser of its own. Its pages may fetch, which Tessera's policy would keep its own from. */
function newContext(): Promise<BrowserContext> {
  return browser.newContext({ bypassCSP: true })
}

async function open(context: BrowserContext, url: string): Promise<string> {
  const page = await context.newPage()
  await page.goto(url)
  return page.innerText('h1')
}

test('sign a browser in: at the page of an application, and at the pages of Tessera, where it refreshes', async () => {
  const app = await startApp(tessera.url)
  const user = await tessera.createUser({ group: 'admins' })
  const { cookies } = await tessera.createSession(user)
  const context = await newContext()
  expect(await open(context, app)).toBe('Please sign in')
  await context.addCookies(cookies)
  expect(await open(context, app)).toBe(`Hello, admins ${user.user_id}`)

  const page = await context.newPage()
  await page.goto(`${tessera.url}/account/sessions`)
  expect(page.url()).toBe(`${tessera.url}/account/sessions`)
  const statuses = await page.evaluate(async () => {
    const answers = [await fetch('/auth/me'), await fetch('/refresh', { method: 'POST' }), await fetch('/auth/me')]
    return answers.map(({ status }) => status)
  })
  expect(statuses).toEqual([200, 200, 200])
  const [mine, later] = [cookies, await context.cookies([app, `${tessera.url}/refresh`])]
  expect(later.map(({ name }) => name).toSorted()).toEqual(mine.map(({ name }) => name).toSorted())
  expect(later.filter(({ value }) => mine.some((cookie) => cookie.value === value))).toEqual([])
  await context.close()
})

test('are in the jar of Chromium what Tessera itself puts there', async () => {
  const user = await tessera.createUser()
  const { cookies } = await tessera.createSession(user)
  const [given, own] = [await newContext(), await newContext()]
  await given.addCookies(cookies)
  const page = await own.newPage()
  await page.goto(`${tessera.url}/account/sign-in`)
  const status = await page.evaluate(
    async (body) => {
      const headers = { 'Content-Type': 'application/json' }
      return (await fetch('/auth/session', { method: 'POST', headers, body })).status
    },
    JSON.stringify({ primary_email: user.email, password: user.password }),
  )
  expect(status).toBe(200)
  expect(await jarOf(given)).toEqual(await jarOf(own))
  expect(await jarOf(given)).toHaveLength(2)
  await given.close()
  await own.close()
})

/** What is kept of each cookie, but for its value and the minute in which it was set. */
async function jarOf(context: BrowserContext) {
  const cookies = await context.cookies([tessera.url, `${tessera.url}/refresh`])
  return cookies
    .map(({ value: _value, expires, ...kept }) => ({
      ...kept,
      days: Math.round(expires / 86_400 - Date.now() / 86_400_000),
    }))
    .toSorted((a, b) => a.name.localeCompare(b.name))
}
