/**
 * The pages behind the links of a mail, as people meet them: on a phone and on a desk, in light and dark, by keyboard and
 * by what a screen reader is told. `SCREENSHOTS=folder` keeps a picture of each.
 */

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'

import { blockSession, type Links } from './blocked-mail.ts'
import { startChromium } from '../../scripts/chromium.ts'
import { expectAccessible, expectReadable, SIZES, takePicture } from './readable.ts'

const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'
/** WCAG 2.2, 2.5.5: what a thumb hits. */
const MINIMUM_TARGET_PIXELS = 44

const origin = inject('origin')
const account = inject('account')
let browser: Browser

beforeAll(async () => {
  browser = await startChromium()
})

afterAll(() => browser.close())

const SCHEMES = ['light', 'dark'] as const

const DETAILS = `
  - heading "What happened" [level=2]
  - table:
    - rowgroup:
      - row "When TIME":
        - rowheader "When"
        - cell "TIME"
      - row "Before Now":
        - cell
        - columnheader "Before"
        - columnheader "Now"
      - row "City Austin Austin":
        - rowheader "City"
        - cell "Austin"
        - cell "Austin"
      - row "Country United States United States":
        - rowheader "Country"
        - cell "United States"
        - cell "United States"
      - row "Network AS395747 AS395747":
        - rowheader "Network"
        - cell "AS395747"
        - cell "AS395747"
      - row "IP address 127.0.0.1 ADDRESS":
        - rowheader "IP address"
        - cell "127.0.0.1"
        - cell "ADDRESS"
      - row "Device Safari on iPhone":
        - rowheader "Device"
        - cell "Safari on iPhone"`

const WAY_ON = `
  - link "Go to your account":
    - /url: /account`

const INSTEAD = `
  - paragraph: To see where you are signed in, and to end sessions, sign in and look at your sessions.
  - link "Look at your sessions":
    - /url: /account/sessions${WAY_ON}`

/** What a screen reader is told of each page. Ending all sessions comes last: it voids the other link. */
const STORIES = [
  {
    link: 'allowPlace',
    ask: `
- banner: Tessera
- main:
  - heading "Was that you?" [level=1]
  - paragraph: If that was you, you can allow the place, so that your sessions may move there and back. If that was not you, end all your sessions.${DETAILS}
  - heading "What you would allow, for 90 days" [level=2]
  - paragraph: Every IP address that starts with START.
  - 'checkbox "Also where this session was before: the IP address 127.0.0.1"'
  - text: "Also where this session was before: the IP address 127.0.0.1"
  - button "Allow this place"
  - 'link "That was not me: end all my sessions"':
    - /url: ORIGIN/links/end-sessions?token=TOKEN`,
    done: `
- banner: Tessera
- main:
  - heading "The place is allowed" [level=1]
  - paragraph: "The session that was blocked has ended all the same: sign in again."${WAY_ON}`,
  },
  {
    link: 'endSessions',
    ask: `
- banner: Tessera
- main:
  - heading "End all your sessions?" [level=1]
  - paragraph: Every device that is signed in to your account will have to sign in again, this one included. Places that you allowed are taken back, and the other links of the mail stop working.${DETAILS}
  - button "End all my sessions"
  - 'link "That was me: allow this place"':
    - /url: ORIGIN/links/allow-place?token=TOKEN`,
    done: `
- banner: Tessera
- main:
  - heading "All your sessions have ended" [level=1]
  - paragraph: Every device has to sign in again, the last of them within minutes. If somebody else may know your password, choose a new one.${WAY_ON}`,
  },
] as const satisfies readonly { link: keyof Links; ask: string; done: string }[]

const USED = `
- banner: Tessera
- main:
  - heading "This link was used already" [level=1]
  - paragraph: Each link of a mail works once, and no longer when what it is about has changed since.${INSTEAD}`
const BROKEN = `
- banner: Tessera
- main:
  - heading "This link does not work" [level=1]
  - paragraph: It may be older than 24 hours, or it was not copied whole. Open it from the mail itself.${INSTEAD}`

/** What everybody needs of a page: it fits, it is told in words, it can be read, and the browser complains of nothing. */
async function expectGoodPage(page: Page, expected: string, picture: string): Promise<void> {
  await expectAria(page, expected)
  await expectReadable(page)
  await expectAccessible(page)
  expect(await page.evaluate('[document.compatMode, document.documentElement.lang, document.title]')).toEqual([
    'CSS1Compat',
    'en',
    `${await page.getByRole('heading', { level: 1 }).textContent()} · Tessera`,
  ])
  await takePicture(page, picture)
}

/** The page in the words of a screen reader, but for what each run has anew. */
async function expectAria(page: Page, expected: string): Promise<void> {
  const snapshot = (await page.locator('body').ariaSnapshot())
    .replaceAll(/\d+ \w+ \d{4}, \d\d:\d\d UTC/g, 'TIME')
    .replaceAll(/2001:db8:ffff:f[\da-f]+:ffff:ffff:ffff:ffff/g, 'ADDRESS')
    .replaceAll(/2001:db8:ffff:f[\da-f]+/g, 'START')
    .replaceAll(/url: \S+(\/links\/[\w-]+\?token=)\S+/g, 'url: ORIGIN$1TOKEN')
  expect(snapshot.trim().split('\n')).toEqual(expected.trim().split('\n'))
}

/** A page in a browser of its own, and what that browser complained of. */
async function openPage(size: keyof typeof SIZES, colorScheme: (typeof SCHEMES)[number]) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => void complaints.push(message.text()))
  page.on('pageerror', (error) => void complaints.push(error.message))
  page.on('requestfailed', (request) => void complaints.push(`failed: ${request.url()}`))
  return { context, page, complaints }
}

const REFUSED = 'Failed to load resource: the server responded with a status of 401 (Unauthorized)'

describe.each(['phone', 'desk'] as const)('on a %s', (size) => {
  test.each(SCHEMES)('in %s, both links work by keyboard alone, once', async (scheme) => {
    const links = await blockSession(origin, account, IPHONE)
    const { context, page, complaints } = await openPage(size, scheme)
    const name = (link: string, step: string) => `${size}-${scheme}-${link}-${step}`

    for (const { link, ask, done } of STORIES) {
      await page.goto(links[link])
      await expectGoodPage(page, ask, name(link, 'ask'))

      if (link === 'allowPlace') {
        await page.keyboard.press('Tab')
        const box = page.locator('input:focus-visible')
        await box.waitFor()
        expect(await box.isChecked()).toBe(false)
        const label = await page.locator('label').boundingBox()
        expect(label?.height ?? 0).toBeGreaterThanOrEqual(MINIMUM_TARGET_PIXELS)
        await takePicture(page, name(link, 'box'))
      }
      await page.keyboard.press('Tab')
      const button = page.locator('button:focus-visible')
      await button.waitFor()
      const box = await button.boundingBox()
      expect(Math.min(box?.width ?? 0, box?.height ?? 0)).toBeGreaterThanOrEqual(MINIMUM_TARGET_PIXELS)
      expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
      await takePicture(page, name(link, 'focus'))
      await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')])
      await expectGoodPage(page, done, name(link, 'done'))
      await page.reload()
      await expectGoodPage(page, done, name(link, 'done-again'))
      expect(complaints).toEqual([])

      expect((await page.goto(links[link]))?.status()).toBe(401)
      await expectGoodPage(page, USED, name(link, 'used'))
      expect(complaints.splice(0)).toEqual([REFUSED])
    }
    await context.close()
  })

  test.each(SCHEMES)('in %s, a link that is none says what to do', async (scheme) => {
    const { context, page } = await openPage(size, scheme)
    await page.goto(`${origin}/links/end-sessions?token=x`)

    await expectGoodPage(page, BROKEN, `${size}-${scheme}-broken`)
    await context.close()
  })
})

test('a page with the longest address fits 320 pixels, and text of twice the size', async () => {
  const { allowPlace } = await blockSession(origin, account, IPHONE)
  const { context, page } = await openPage('phone', 'light')
  await page.setViewportSize({ width: 320, height: 640 })
  await page.goto(allowPlace)
  const overflow = 'document.documentElement.scrollWidth - innerWidth'

  expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0)
  await takePicture(page, 'narrow')
  await page.setViewportSize(SIZES.phone)
  await page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
  expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0)
  await takePicture(page, 'large-text')
  await context.close()
})
