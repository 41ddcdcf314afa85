/**
 * The interactive reference at /docs, as a developer meets it in a browser: it shows the API, signs in, and sends nothing anywhere else. And
 * the catalogue of errors, to which a refusal leads. `SCREENSHOTS=folder` keeps pictures.
 */

import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { startChromium } from '../../scripts/chromium.ts'
import { ERRORS } from '../../src/errors.ts'
import { expectAccessible, expectGood, expectReadable, SIZES, takePicture } from './readable.ts'
import { type Account, startTessera, type Tessera } from './tessera.ts'

/** How Swagger UI is built, and no style sheet changes: a button has another one in it, some fields have no label, and the introduction is no landmark. */
const OF_SWAGGER_UI = /^(?:heading-order|label|nested-interactive|region|select-name): /

/** One of its own: other tests end every session of the account that all of them share. */
let own: Tessera
let origin: string
let account: Account
let browser: Browser
let context: BrowserContext
let page: Page
/** What the browser complained of: a blocked style or script, a failed request, an exception. */
let complaints: string[]
let requested: string[]

beforeAll(async () => {
  own = await startTessera()
  ;({ origin, account } = own)
  browser = await startChromium()
}, 180_000)

afterEach(() => context.close())

afterAll(async () => {
  await browser.close()
  await own.stop()
})

async function openPage(url: string, options: Parameters<Browser['newContext']>[0] = {}): Promise<void> {
  context = await browser.newContext(options)
  page = await context.newPage()
  complaints = []
  requested = []
  page.on('console', (message) => void complaints.push(message.text()))
  page.on('pageerror', (error) => void complaints.push(error.message))
  page.on('requestfailed', (request) => void complaints.push(`failed: ${request.url()}`))
  context.on('request', (request) => void requested.push(request.url()))
  // A violation of the policy is an event, also where the console is silent about it.
  await page.exposeFunction('complain', (text: string) => void complaints.push(text))
  await page.addInitScript(
    "addEventListener('securitypolicyviolation', (event) => complain(event.violatedDirective + ' ' + event.blockedURI))",
  )
  await page.goto(url)
}

/** Opens the reference, and waits until it has read the document. */
async function openReference(at = origin, options: Parameters<Browser['newContext']>[0] = {}): Promise<void> {
  await openPage(`${at}/docs`, options)
  await page.locator('.opblock').first().waitFor()
}

/** Opens the form of an operation. */
async function openOperation(id: string): Promise<Locator> {
  const operation = page.locator(`[id$="-${id}"]`)
  await operation.locator('.opblock-summary-control').click()
  await operation.getByRole('button', { name: 'Execute' }).waitFor()
  return operation
}

/** Sends an operation, with this body where it has one. What comes back is the status and the body that the page shows. */
async function execute(id: string, body?: object): Promise<readonly [status: string, body: string]> {
  const operation = await openOperation(id)
  if (body !== undefined) await operation.locator('textarea.body-param__text').fill(JSON.stringify(body))
  await operation.getByRole('button', { name: 'Execute' }).click()
  const answer = operation.locator('.live-responses-table tbody .response')
  await answer.waitFor()
  const status = await answer.locator('.response-col_status').first().innerText()
  const shown = answer.locator('.highlight-code .microlight').first()
  return [status.trim(), (await shown.count()) === 0 ? '' : await shown.innerText()]
}

/** Puts a token where every operation takes it from that wants one. */
async function authorize(token: string): Promise<void> {
  await page.locator('.btn.authorize').click()
  const form = page.locator('.auth-container', { hasText: 'accessToken' }).first()
  await form.locator('input').fill(token)
  await form.getByRole('button', { name: 'Apply credentials' }).click()
  await page.locator('.modal-ux .close-modal').click()
}

function credentials({ primary_email, password }: Account): object {
  return { primary_email, password }
}

describe('whoever opens /docs', () => {
  test('signs in with an account, and sees whose it is by the token of the answer', async () => {
    await openReference()
    const [status, shown] = await execute('createTokenPair', credentials(account))
    expect(status).toBe('200')
    const { access, email } = JSON.parse(shown) as { access: string; email: string }
    expect(email).toBe(account.primary_email)

    await authorize(access)
    const [found, whose] = await execute('getAccount')
    expect([found, JSON.parse(whose)]).toMatchObject(['200', { email: account.primary_email, guid: account.guid }])
    // A refusal would be a line of the console.
    expect(complaints).toEqual([])
  })

  test('signs in with cookies, which go along from then on', async () => {
    await openReference()
    const [status] = await execute('signInWithCookies', credentials(account))
    expect(status).toBe('200')
    const [found, whose] = await execute('getAccount')
    expect([found, JSON.parse(whose)]).toMatchObject(['200', { email: account.primary_email }])
    const [ended] = await execute('signOut')
    expect(ended).toBe('204')
    expect(complaints).toEqual([])
  })

  test('sees a refusal, whose type leads to what to do about it', async () => {
    await openReference()
    const [status, shown] = await execute('createTokenPair', { ...credentials(account), password: 'not this one' })
    expect(status).toContain('401')
    const { type, code } = JSON.parse(shown) as { type: string; code: string }
    expect(type).toBe(`${origin}/docs/errors#${code}`)
    await page.goto(type)
    await page.locator(`#${code}`).waitFor()
    expect(await page.evaluate(`document.getElementById('${code}').getBoundingClientRect().top`)).toBeLessThan(40)
  })

  test('asks nobody but its own deployment, and breaks no rule of its policy', async () => {
    await openReference()
    for (const id of ['createTokenPair', 'openSession', 'importUsers', 'getOpenApiDocument']) await openOperation(id)
    await page.locator('.btn.authorize').click()
    await page.locator('.modal-ux').waitFor()
    await page.locator('.modal-ux .close-modal').click()
    // The shapes of bodies, at the end.
    await page.locator('.models .models-control').click()
    await page.locator('.models .json-schema-2020-12').first().waitFor()
    expect(
      requested.map((url) => new URL(url)).filter((url) => url.protocol !== 'data:' && url.origin !== origin),
    ).toEqual([])
    expect(requested.length).toBeGreaterThan(5)
    expect(complaints).toEqual([])
  })

  test('asks nobody else either where the address says to', async () => {
    await openPage(
      `${origin}/docs/?url=https://elsewhere.example/openapi.json&configUrl=https://elsewhere.example/x.json`,
    )
    await page.locator('.opblock').first().waitFor()
    expect(requested.filter((url) => !url.startsWith(origin) && !url.startsWith('data:'))).toEqual([])
    expect(complaints).toEqual([])
  })

  test.each([
    ['phone', 'light'],
    ['phone', 'dark'],
    ['desk', 'light'],
    ['desk', 'dark'],
  ] as const)('can read it on a %s, in the %s scheme', async (size, colorScheme) => {
    await openReference(origin, { viewport: SIZES[size], colorScheme })
    expect(await page.title()).toBe('Tessera API')
    await expectReadable(page)
    await takePicture(page, `docs-${size}-${colorScheme}`)
    await execute('createTokenPair', credentials(account))
    await expectReadable(page)
    await expectAccessible(page, OF_SWAGGER_UI)
    await takePicture(page, `docs-${size}-${colorScheme}-answer`)
  })

  test('has the scheme of the system, also when it changes', async () => {
    await openReference(origin, { colorScheme: 'light' })
    const isDark = () => page.evaluate("document.documentElement.classList.contains('dark-mode')")
    expect(await isDark()).toBe(false)
    await page.emulateMedia({ colorScheme: 'dark' })
    await expect.poll(isDark).toBe(true)
  })
})

describe('the catalogue of errors', () => {
  test('can be read by everybody, and each of its links leads somewhere', async () => {
    await openPage(`${origin}/docs/errors`)
    await expectGood(page, 'errors')
    for (const code of Object.keys(ERRORS)) {
      await page.getByRole('link', { name: code, exact: true }).click()
      expect(page.url()).toBe(`${origin}/docs/errors#${code}`)
    }
    await page.getByRole('link', { name: 'API reference' }).click()
    await page.locator('.opblock').first().waitFor()
    expect(complaints).toEqual([])
  })
})

describe('below a prefix', () => {
  let tessera: Tessera
  beforeAll(async () => {
    tessera = await startTessera({ BASE_PATH: '/tessera' })
  }, 180_000)
  afterAll(() => tessera.stop())

  test('all of it works under that address', async () => {
    await openReference(`${tessera.origin}/tessera`)
    const [status] = await execute('createTokenPair', credentials(tessera.account))
    expect(status).toBe('200')
    expect(requested.map((url) => new URL(url).pathname).filter((path) => !path.startsWith('/tessera/'))).toEqual([])
    expect(complaints).toEqual([])
  })
})
