/**
 * Takes pictures of every mail and every page, at 390 and 1280 pixels, in light and dark, in every language: `npm run pictures` writes them
 * into .wrangler/pictures, with an index.html that shows them all. `npm run pictures -- readme` takes those of the README instead, and
 * `npm run pictures -- mail-` those whose name has this in it.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Page } from 'playwright-core'

import { LANGUAGES } from '../src/domain/language.ts'
import { startChromium } from './chromium.ts'
import { MAILS } from './pictures/mails.ts'
import { languagesOf, PAGES, renderExample } from './pictures/pages.ts'
import { root } from './wrangler.ts'

const FOLDER = join(root, '.wrangler/pictures')
const WIDTHS = [390, 1280] as const
const SCHEMES = ['light', 'dark'] as const

interface View {
  readonly name: string
  readonly html: string
  /** What stands in no HTML: a subject, and the plain text. */
  readonly beside: string
}

const [wanted = ''] = process.argv.slice(2)
if (wanted === 'readme') await import('./pictures/readme.ts')
else await takeAll()

async function takeAll(): Promise<void> {
  const views = (await Promise.all([mailViews(), pageViews()])).flat().filter(({ name }) => name.includes(wanted))
  if (wanted === '') rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(FOLDER, { recursive: true })
  const browser = await startChromium()
  try {
    const page = await browser.newPage()
    for (const view of views) await takeOne(page, view)
  } finally {
    await browser.close()
  }
  writeFileSync(join(FOLDER, 'index.html'), indexOf(views))
  console.log(`${views.length * WIDTHS.length * SCHEMES.length} pictures: ${join(FOLDER, 'index.html')}`)
}

async function mailViews(): Promise<readonly View[]> {
  const all = MAILS.flatMap(({ name, render }) =>
    LANGUAGES.map(async (language) => {
      const { subject, text, html } = await render(language)
      return { name: `${name}-${language}`, html, beside: `${subject}\n\n${text}` }
    }),
  )
  return Promise.all(all)
}

async function pageViews(): Promise<readonly View[]> {
  const all = Object.keys(PAGES).flatMap((name) =>
    languagesOf(name).map(async (language) => ({
      name: `${name}-${language}`,
      html: await renderExample(name, language),
      beside: '',
    })),
  )
  return Promise.all(all)
}

async function takeOne(page: Page, { name, html }: View): Promise<void> {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 200 })
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme })
      await page.setContent(html)
      await page.screenshot({ path: join(FOLDER, fileOf(name, width, colorScheme)), fullPage: true })
    }
  }
}

function fileOf(name: string, width: number, scheme: string): string {
  return `${name}-${width}-${scheme}.png`
}

function indexOf(views: readonly View[]): string {
  const sections = views.map(({ name, beside }) => {
    const pictures = WIDTHS.flatMap((width) =>
      SCHEMES.map((scheme) => `<img loading="lazy" alt="" src="${fileOf(name, width, scheme)}">`),
    )
    return `<h2>${name}</h2>${pictures.join('')}<pre>${beside.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</pre>`
  })
  const style =
    'body{font:14px system-ui;margin:16px}img{max-width:24%;vertical-align:top;border:1px solid #8888}pre{white-space:pre-wrap}'
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Mails and pages</title><style>${style}</style>${sections.join('')}`
}
