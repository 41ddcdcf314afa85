/**
 * Takes the pictures of the README from the running product: the mail about a blocked refresh, the page behind its link, and
 * the playground; and two pages of accounts, as `pages.ts` has them. `npm run pictures -- readme` starts a Tessera with a database of its own and ends it; look at what it wrote.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Browser, Page } from 'playwright-core'

import { startChromium } from '../chromium.ts'
import { root } from '../wrangler.ts'
import { BRAND } from './brand.ts'
import { renderExample } from './pages.ts'

const FOLDER = join(root, 'docs/pictures')
/** The database of the pictures, so that no other session or mail gets into one. */
const STATE = '.wrangler/pictures-state'
/** The settings of the pictures: the defaults, whatever the .dev.vars of this checkout says. */
const OPTIONS = ['--port', '8790', '--persist-to', STATE, '--var', 'LOCATION_POLICY:address', 'REFRESH_REUSE_SECONDS:0']

/** A window in which the cards stand in two columns. */
const DESK = { width: 1280, height: 850 }
/** As wide as a mail and a page are, so that two of them stand side by side. */
const COLUMN = { width: 560, height: 400 }
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1'

rmSync(join(root, STATE), { recursive: true, force: true })
mkdirSync(FOLDER, { recursive: true })
const server = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/start.ts', ...OPTIONS], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
})
const ended = once(server, 'exit')
const browser = await startChromium()
try {
  await takePictures(browser, await readOrigin(server))
} finally {
  await browser.close()
  server.kill('SIGINT')
  await ended
}

/** Where it serves, as soon as its introduction says so. */
function readOrigin({ stdout }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      const origin = /^Tessera runs at (\S+)/m.exec(text)?.[1]
      if (origin !== undefined) resolve(origin)
    })
    void ended.then(() => reject(new Error(`Tessera did not start:\n${text}`)))
  })
}

/** An owner is signed in at home; then somebody in another country refreshes that session. */
async function takePictures(by: Browser, origin: string): Promise<void> {
  const desk = await by.newContext({ viewport: DESK, userAgent: IPHONE })
  const page = await desk.newPage()
  await page.goto(`${origin}/dev`)
  await press(page, 'Sign in as confirmed@example.com')
  await press(page, 'Refresh')
  await press(page, 'Another country')
  await press(page, 'Refresh')
  await untilSent(page)
  // The passwords are masked, since a picture is published, and they are those of this checkout.
  await page.evaluate(`document.querySelectorAll('#accounts .mono').forEach((line) => {
    line.textContent = '•'.repeat(16)
  })`)
  await page.screenshot({ path: fileOf('playground') })

  await follow(page, 'Tessera: we blocked a session that moved to another place')
  const mail = new URL((await page.locator('iframe').getAttribute('src')) ?? '', page.url()).href
  const column = await (await by.newContext({ viewport: COLUMN })).newPage()
  await column.goto(mail)
  await column.screenshot({ path: fileOf('mail'), fullPage: true })
  await column.goto((await column.getByRole('link', { name: 'That was me' }).getAttribute('href')) ?? '')
  await column.screenshot({ path: fileOf('that-was-me'), fullPage: true })

  const brand = { ...BRAND, name: 'Tessera', url: undefined, color: '#0550ae' }
  // A page of its own: the policy of the one before lets in no other style.
  const example = await (await by.newContext({ viewport: COLUMN })).newPage()
  for (const name of ['account-register', 'account-sessions']) {
    await example.setContent(await renderExample(name, 'en', brand))
    await example.screenshot({ path: fileOf(name), fullPage: true })
  }
}

/** Reloads the playground until the mail is sent. Throws when that takes longer than 10 seconds. */
async function untilSent(page: Page): Promise<void> {
  for (let tries = 0; (await page.getByText('sent to confirmed@example.com').count()) === 0; tries += 1) {
    if (tries === 40) throw new Error('The mail was not sent.')
    await sleep(250)
    await page.reload()
  }
}

async function press(page: Page, name: string): Promise<void> {
  await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name, exact: true }).first().click()])
}

async function follow(page: Page, name: string): Promise<void> {
  await Promise.all([page.waitForEvent('load'), page.getByRole('link', { name }).first().click()])
}

function fileOf(name: string): string {
  return join(FOLDER, `${name}.png`)
}
