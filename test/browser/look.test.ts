/**
 * Every mail and every page that `npm run pictures` shows: in each language, on a phone and on a desk, in light and dark, it fits, it can be
 * read, and axe finds nothing.
 */

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { startChromium } from '../../scripts/chromium.ts'
import { BRAND } from '../../scripts/pictures/brand.ts'
import { MAILS } from '../../scripts/pictures/mails.ts'
import { languagesOf, PAGES, renderExample } from '../../scripts/pictures/pages.ts'
import { LANGUAGES } from '../../src/domain/language.ts'
import { expectAccessible, expectReadable, SIZES } from './readable.ts'

/** WCAG 2.2, 2.5.5: what a thumb hits. */
const MINIMUM_TARGET_PIXELS = 44

/** A mail is shown within a page of its program, which has landmarks of its own. */
const NO_PAGE = /^(?:region|landmark-one-main): /

/** Nobody has to read the page that goes on by itself, and its button does the same. */
const GOES_ON = /^meta-refresh: /

let browser: Browser
let page: Page

beforeAll(async () => {
  browser = await startChromium()
  page = await browser.newPage()
})

afterAll(() => browser.close())

async function expectGood(html: string, allowed?: RegExp): Promise<void> {
  for (const size of ['phone', 'desk'] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize(SIZES[size])
      await page.emulateMedia({ colorScheme })
      await page.setContent(html)
      await expectReadable(page)
      await expectAccessible(page, allowed)
    }
  }
}

/** In the page: the lowest height of what can be pressed. A box has the label around it. */
const LOWEST_TARGET = `Math.min(...[...document.querySelectorAll('a, button, .field input, label.check')]
  .filter((element) => !element.closest('li, p'))
  .map((element) => element.getBoundingClientRect().height))`

describe.each(MAILS)('$name', ({ render }) => {
  test.each(LANGUAGES)('can be read by everybody, in %s', async (language) => {
    const { html } = await render(language)
    await expectGood(html, NO_PAGE)
    await page.setViewportSize({ width: 320, height: 640 })
    await page.setContent(html)
    await expectReadable(page)
    expect(await page.evaluate(LOWEST_TARGET)).toBeGreaterThanOrEqual(MINIMUM_TARGET_PIXELS)
  })
})

describe.each(Object.keys(PAGES))('%s', (name) => {
  test.each(languagesOf(name))('can be read by everybody, in %s', async (language) => {
    const html = await renderExample(name, language)
    await expectGood(html, name === 'return-wait' ? GOES_ON : undefined)
    await page.setViewportSize({ width: 320, height: 640 })
    await page.setContent(html)
    await expectReadable(page)
    expect(await page.evaluate(LOWEST_TARGET)).toBeGreaterThanOrEqual(MINIMUM_TARGET_PIXELS)
    await page.setViewportSize(SIZES.phone)
    await page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
    await expectReadable(page)
  })
})

describe('the longest name and the longest address, without a blank,', () => {
  const brand = { ...BRAND, name: 'Harbour'.repeat(9).slice(0, 60) }
  const recipient = `${'a'.repeat(64)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(57)}.com`

  test.each(['link-allow-place', 'done-end-sessions', 'account-sign-in'])('fit on the page %s', async (name) => {
    await page.setViewportSize({ width: 320, height: 640 })
    await page.setContent(await renderExample(name, 'ru', brand))
    await expectReadable(page)
  })

  test.each(MAILS)('fit in $name', async ({ render }) => {
    await page.setViewportSize({ width: 320, height: 640 })
    await page.setContent((await render('ru', { brand, recipient })).html)
    await expectReadable(page)
  })
})
