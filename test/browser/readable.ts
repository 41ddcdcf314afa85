/** What everybody needs of a page: it fits, and it can be read. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Page } from 'playwright-core'
import { expect } from 'vitest'

const MINIMUM_CONTRAST = 4.5

export const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1280, height: 800 } } as const

/**
 * In the page: the lowest contrast (WCAG 2.2, 1.4.3) of any of its texts against what is behind it. Text, since the types
 * of this repository are a Worker's, which knows no document.
 */
const LOWEST_CONTRAST = `(() => {
  const channels = (color) => {
    const [r, g, b, alpha] = color.match(/[\\d.]+/g).map(Number)
    // A mixed color counts from 0 to 1, any other one from 0 to 255.
    return color.startsWith('color(') ? [r * 255, g * 255, b * 255, alpha] : [r, g, b, alpha]
  }
  const luminance = (color) => {
    const [r, g, b] = channels(color).slice(0, 3).map((channel) => {
      const c = channel / 255
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    if (element === null) return 'rgb(255, 255, 255)'
    const { backgroundColor } = getComputedStyle(element)
    return (channels(backgroundColor)[3] ?? 1) > 0 ? backgroundColor : behind(element.parentElement)
  }
  const texts = [...document.body.querySelectorAll('*')].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== ''))
  return Math.min(...texts.map((element) => {
    const [low, high] = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => a - b)
    return (high + 0.05) / (low + 0.05)
  }))
})()`

/** Nothing reaches over the edge of the screen, and every text stands out from what is behind it. */
export async function expectReadable(page: Page): Promise<void> {
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0)
  expect(await page.evaluate(LOWEST_CONTRAST)).toBeGreaterThanOrEqual(MINIMUM_CONTRAST)
}

/** axe, as a text: it has to be evaluated in the page, which may load no script. */
const AXE = readFileSync(join(import.meta.dirname, '../../node_modules/axe-core/axe.min.js'), 'utf8')

/** In the page: the rules of axe that something of it breaks, and what. */
const VIOLATIONS = `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
  violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html)))`

/** Nobody is kept out by the way a page is built (WCAG 2.2 A and AA, and the best practices that axe knows). */
export async function expectAccessible(page: Page, allowed: RegExp = /^$/): Promise<void> {
  await page.evaluate(AXE)
  const broken = (await page.evaluate(VIOLATIONS)) as readonly string[]
  expect(broken.filter((violation) => !allowed.test(violation))).toEqual([])
}

/** `SCREENSHOTS=folder` keeps a picture. */
export async function takePicture(page: Page, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS']
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}

/** What everybody needs of a page, on a phone and on a desk, in light and dark; `name` is that of its pictures. */
export async function expectGood(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await expectReadable(page)
      // Whoever is kept out is so in both sizes.
      if (size === 'phone') await expectAccessible(page)
      await takePicture(page, `${name}-${size}-${colorScheme}`)
    }
  }
}
