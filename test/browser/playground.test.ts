/**
 * The playground of `npm start`, as a newcomer plays with it in a browser: on a phone and on a desk, by keyboard, in light
 * and dark. `SCREENSHOTS=folder` keeps pictures.
 */

import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { startChromium } from '../../scripts/chromium.ts'
import { expectReadable, SIZES, takePicture } from './readable.ts'
import { startTessera, type Tessera } from './tessera.ts'

const READERS = [
  { size: 'phone', scheme: 'light' },
  { size: 'phone', scheme: 'dark' },
  { size: 'desk', scheme: 'light' },
  { size: 'desk', scheme: 'dark' },
] as const

let tessera: Tessera
let browser: Browser
let context: BrowserContext
let page: Page
/** What the browser complained of: a blocked style, a failed request, an exception. */
let complaints: string[]

// One of its own: its clock and its place are everybody's who asks it.
beforeAll(async () => {
  const started = await Promise.all([startTessera(), startChromium()])
  tessera = started[0]
  browser = started[1]
}, 180_000)

afterAll(async () => {
  await browser.close()
  await tessera.stop()
})

async function openPlayground(options: Parameters<Browser['newContext']>[0] = {}): Promise<void> {
  context = await browser.newContext(options)
  page = await context.newPage()
  complaints = []
  page.on('console', (message) => void complaints.push(message.text()))
  page.on('pageerror', (error) => void complaints.push(error.message))
  page.on('requestfailed', (request) => void complaints.push(`failed: ${request.url()}`))
  await page.goto(`${tessera.origin}/dev`)
}

/** Presses a button as a keyboard does, and waits for the page that it leads to. */
async function press(name: string, on = page): Promise<void> {
  const button = on.getByRole('button', { name, exact: true }).first()
  await button.focus()
  await Promise.all([on.waitForEvent('load'), on.keyboard.press('Enter')])
}

/** Follows a link, and waits for the page that it leads to. */
async function follow(link: Locator): Promise<void> {
  await Promise.all([page.waitForEvent('load'), link.click()])
}

function card(name: string) {
  return page.getByRole('region', { name, exact: true })
}

/** The day by the clock of the run, in milliseconds since 1970. */
async function shownDay(): Promise<number> {
  const text = await page.locator('main').textContent()
  return Date.parse(/\d{4}-\d\d-\d\d/.exec(text ?? '')?.[0] ?? '')
}

const signIn = () => press(`Sign in as ${tessera.account.primary_email}`)

/** Opens the newest mail, follows its link in the tab that it opens, and presses the button there. */
async function followLink(label: string, button: string, done: string): Promise<void> {
  await page.goto(`${tessera.origin}/dev`)
  await follow(card('Mails').getByRole('link').first())
  const [tab] = await Promise.all([
    context.waitForEvent('page'),
    page.frameLocator('iframe').getByRole('link', { name: label }).click(),
  ])
  await press(button, tab)
  await tab.getByRole('heading', { name: done }).waitFor()
  await tab.close()
  await page.goto(`${tessera.origin}/dev`)
}

afterEach(async () => {
  expect(complaints).toEqual([])
  await press('Home')
  if (await page.getByRole('button', { name: 'Back to now' }).isEnabled()) await press('Back to now')
  await context.close()
})

describe('in the playground', () => {
  beforeEach(() => openPlayground({ viewport: SIZES.desk }))

  test('one signs in, refreshes and signs out, and reads each request with its answer', async () => {
    const browserCard = card('This browser')
    expect(await browserCard.textContent()).toContain('Nobody is signed in')
    await signIn()
    expect(await browserCard.textContent()).toMatch(/confirmed@example\.com.*live.*POST \/auth\/session.*200 OK/s)
    const cookies = await context.cookies()
    expect(new Set(cookies.map(({ name, path, httpOnly }) => `${name} ${path} ${httpOnly}`))).toEqual(
      new Set(['access_token / true', 'refresh_token /refresh true']),
    )

    await press('Refresh')
    expect(await browserCard.textContent()).toMatch(/GET \/refresh.*Cookie: access_token=.*; refresh_token=.*200 OK/s)
    expect((await context.cookies()).map(({ value }) => value)).not.toEqual(cookies.map(({ value }) => value))
    await press('Previous pair again')
    expect(await browserCard.textContent()).toMatch(/live.*401 Unauthorized.*Token used before.*cause=race/s)

    await press('Sign out')
    expect(await browserCard.textContent()).toMatch(/Nobody is signed in.*DELETE \/auth\/session.*204 No Content/s)
    expect(await context.cookies()).toEqual([])
  })

  test('one sees why an account cannot sign in', async () => {
    for (const [kind, cause] of [
      ['unconfirmed', 'unconfirmed'],
      ['inactive', 'inactive'],
    ] as const) {
      await press(`Sign in as ${kind}@example.com`)
      expect(await card('This browser').textContent()).toMatch(
        new RegExp(`No active account found with the given credentials.*cause=${cause}`, 's'),
      )
    }
    await page.getByText('Sign in with other credentials').click()
    await page.getByLabel('E-mail').fill('nobody@example.com')
    await page.getByLabel('Password').fill('wrong')
    await press('Sign in')
    expect(await card('This browser').textContent()).toMatch(/401 Unauthorized.*cause=/s)
    expect(await context.cookies()).toEqual([])
  })

  test('one is elsewhere, is blocked, gets a mail, allows the place by its link, and is let through', async () => {
    await signIn()
    await press('Another country')
    await press('Refresh')
    expect(await card('This browser').textContent()).toMatch(/ended: used from elsewhere.*You're location is blocked/s)
    expect(await card('Mails').textContent()).toContain('Tessera: we blocked a session that moved to another place')
    const reloaded = async () => {
      await page.reload()
      return card('Mails').textContent()
    }
    await expect.poll(reloaded, { timeout: 20_000, interval: 500 }).toContain('sent to confirmed@example.com')

    await followLink('That was me: allow this place', 'Allow this place', 'The place is allowed')
    await press('Home')
    await signIn()
    await press('Another country')
    await press('Refresh')
    expect(await card('This browser').textContent()).toMatch(/live.*GET \/refresh.*192\.0\.2\.44.*200 OK/s)
  })

  test('one is robbed, and ends all sessions by the link of the mail', async () => {
    await signIn()
    await signIn()
    const live = Number(/(\d+) live/.exec((await card('Sessions').textContent()) ?? '')?.[1])
    await press('Use from elsewhere')
    expect(await card('Sessions').textContent()).toContain(`${live - 1} live`)
    await followLink('end all my sessions', 'End all my sessions', 'All your sessions have ended')
    expect(await card('Sessions').textContent()).toMatch(/0 live.*ended with all others/s)
    await follow(card('Mails').getByRole('link').first())
    expect(await page.locator('main').textContent()).toContain('“End all my sessions” was used')
    await follow(page.getByRole('link', { name: 'Playground' }))
  })

  test('one lets a day pass, and eleven, and comes back', async () => {
    await signIn()
    const today = await shownDay()
    await press('A day later')
    expect(await shownDay()).toBe(today + 86_400_000)
    expect(await card('This browser').textContent()).toMatch(/1 day ahead.*live.*expired 23 h ago/s)
    await press('Refresh')
    expect(await card('This browser').textContent()).toMatch(/expires in [45] min.*200 OK/s)

    await press('11 days later')
    await press('Refresh')
    expect(await card('This browser').textContent()).toMatch(/would have dropped both cookies.*Not valid token/s)
    await press('Back to now')
    expect(await card('This browser').textContent()).toMatch(/made at a later time.*so it is not valid yet/s)
    await press('Refresh')
    expect(await card('This browser').textContent()).toContain('Not valid token')
  })

  test('one ends a session in the list, and the log says what came of it', async () => {
    await signIn()
    await press(`End the session of ${tessera.account.primary_email}`)
    await press('Refresh')
    expect(await card('This browser').textContent()).toMatch(/ended: revoked.*Token used before/s)
    expect(await card('Log').textContent()).toMatch(/newest first.*refused code=token_used status=401 cause=ended/s)
  })

  test('a refresh by another tab is seen, too: the page and the application share the session', async () => {
    await signIn()
    expect(await page.getByRole('button', { name: 'Previous pair again' }).isDisabled()).toBe(true)
    const tab = await context.newPage()
    expect((await tab.goto(`${tessera.origin}/refresh`))?.status()).toBe(200)
    await page.reload()
    expect(await page.getByRole('button', { name: 'Previous pair again' }).isEnabled()).toBe(true)
  })
})

test('on a narrow desk, buttons that take two lines cover nothing', async () => {
  await openPlayground({ viewport: { width: 1100, height: 800 } })
  for (const group of await page.getByRole('region', { name: 'Where and when' }).getByRole('group').all()) {
    const last = await group.getByRole('button').last().boundingBox()
    const below = await group.locator('p').first().boundingBox()
    expect((last?.y ?? NaN) + (last?.height ?? NaN)).toBeLessThanOrEqual(below?.y ?? NaN)
  }
})

describe.each(READERS)('on a $size in $scheme', ({ size, scheme }) => {
  beforeEach(() => openPlayground({ viewport: SIZES[size], colorScheme: scheme }))

  test('every page fits, can be read, and shows where the keyboard is', async () => {
    const look = async (name: string) => {
      await expectReadable(page)
      await takePicture(page, `playground-${size}-${scheme}-${name}`)
    }
    await look('empty')
    await signIn()
    await press('Refresh')
    await page.getByText('What the tokens say').click()
    await look('signed-in')
    await press('Another country')
    await press('A day later')
    await press('Use from elsewhere')
    await look('blocked')
    await follow(card('Mails').getByRole('link').first())
    await page.frameLocator('iframe').getByRole('heading', { level: 1 }).waitFor()
    await look('mail')
    await follow(page.getByRole('link', { name: 'Playground' }))
    await page.keyboard.press('Tab')
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
  })
})
