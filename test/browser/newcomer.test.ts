/**
 * A newcomer's whole life with an account, with nothing but a browser and the local mail explorer, by keyboard alone: sign up, confirm,
 * sign in, be blocked, recover, see their sessions, change everything, and leave. Every page on the way is looked at on a phone and
 * on a desk, in light and dark. `SCREENSHOTS=folder` keeps a picture of each.
 */

import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'

import { startChromium } from '../../scripts/chromium.ts'
import { linkIn, nextMailTo } from './mailbox.ts'
import { expectGood } from './readable.ts'

const PASSWORD = 'seven quiet herons upstream'
const SECOND = 'eleven loud geese downstream'
const THIRD = 'three tired otters in the reeds'
const ELSEWHERE = '2001:db8:ffff:aaaa::1'

const origin = inject('origin')
let browser: Browser

beforeAll(async () => {
  browser = await startChromium()
})

afterAll(() => browser.close())

/** A browser of its own, and what people do in it with a keyboard. */
async function startVisit(name: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options })
  const page = await context.newPage()
  let pictures = 0

  async function see(heading: string): Promise<void> {
    await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor()
    pictures += 1
    await expectGood(page, `${name}-${String(pictures).padStart(2, '0')}`)
  }

  /** Goes to an element by the Tab key alone. */
  async function tabTo(label: string): Promise<void> {
    for (let i = 0; i < 40; i += 1) {
      const focused = await page.evaluate(FOCUSED)
      if (focused === label) return
      await page.keyboard.press('Tab')
    }
    throw new Error(`no Tab leads to «${label}»`)
  }

  async function type(label: string, text: string): Promise<void> {
    await tabTo(`the field ${label}`)
    await page.keyboard.press('Control+A')
    await page.keyboard.type(text)
  }

  async function press(label: string): Promise<void> {
    await tabTo(label)
    await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')])
  }

  return { context, page, see, type, press }
}

/** In the page: what has the focus, by its label or its text. */
const FOCUSED = `(() => {
  const { activeElement: element } = document
  const label = element.labels?.[0]?.innerText
  return label === undefined ? element.innerText.trim() : 'the field ' + label
})()`

async function openMail(page: Page, address: string, subject: string, path: string): Promise<string> {
  const url = linkIn(await nextMailTo(origin, address, subject), path)
  await page.goto(url)
  return url
}

test(
  'a newcomer signs up, confirms, is blocked, recovers, changes everything, and leaves',
  { timeout: 240_000 },
  async () => {
    const address = `newcomer-${crypto.randomUUID()}@example.com`
    const { context, page, see, type, press } = await startVisit('newcomer')

    // An account is what a stranger has to sign in for, and a registration is one link away.
    await page.goto(`${origin}/account`)
    await see('Sign in')
    await press('Create an account')
    await see('Create an account')
    await type('E-mail address', address)
    await type('Password', 'too short')
    await press('Create the account')
    await see('Create an account')
    expect(await page.getByRole('alert').innerText()).toContain('It needs at least 15 characters.')
    expect(await page.getByLabel('E-mail address').inputValue()).toBe(address)
    await type('Password', PASSWORD)
    await press('Create the account')
    await see('Check your mailbox')
    await page.reload()
    await see('Check your mailbox')

    await openMail(page, address, 'confirm your e-mail address', '/links/confirm')
    await see('Confirm your e-mail address?')
    await press('Confirm this address')
    await see('Your account is open')
    await page.reload()
    await see('Your account is open')

    await page.goto(`${origin}/account/sign-in`)
    await type('E-mail address', address)
    await type('Password', SECOND)
    await press('Sign in')
    expect(await page.getByRole('alert').innerText()).toContain('do not match')
    await see('Sign in')
    await type('Password', PASSWORD)
    await press('Sign in')
    await see('Your account')
    expect(await page.locator('main').innerText()).toContain(address)

    // A thief has the cookies, and uses them from elsewhere.
    const stolen = await page.request.post(`${origin}/refresh`, { headers: { 'CF-Connecting-IP': ELSEWHERE } })
    expect(stolen.status()).toBe(401)
    await page.goto(`${origin}/account/sessions`)
    await see('Sign in')
    await openMail(page, address, 'moved to another place', '/links/allow-place')
    await see('Was that you?')
    await press('That was not me: end all my sessions')
    await see('End all your sessions?')
    await press('End all my sessions')
    await see('All your sessions have ended')

    // The password is forgotten, and chosen anew.
    await page.goto(`${origin}/account/sign-in`)
    await press('Forgot your password?')
    await see('Forgot your password?')
    await type('E-mail address', address)
    await press('Send me a mail')
    await see('Check your mailbox')
    await openMail(page, address, 'choose a new password', '/links/reset-password')
    await see('Choose a new password')
    await type('New password', 'short')
    await press('Save the new password')
    expect(await page.locator('main').innerText()).toContain('It needs at least 15 characters.')
    await type('New password', SECOND)
    await press('Save the new password')
    await see('Your password was changed')
    await nextMailTo(origin, address, 'your password was changed')

    await page.goto(`${origin}/account/sign-in`)
    await type('E-mail address', address)
    await type('Password', SECOND)
    await press('Sign in')
    await see('Your account')

    // Another browser is signed in as well, and is signed out from here.
    const other = await startVisit('other')
    await other.page.goto(`${origin}/account/sessions`)
    await other.type('E-mail address', address)
    await other.type('Password', SECOND)
    await other.press('Sign in')
    await other.see('Sessions and places')
    await press('Sessions and places')
    await see('Sessions and places')
    expect(await page.getByRole('button', { name: 'End', exact: true }).count()).toBe(1)
    await press('End')
    await see('Sessions and places')
    expect(await page.getByRole('button', { name: 'End', exact: true }).count()).toBe(0)
    await other.page.goto(`${origin}/account`)
    await other.see('Sign in')
    await other.context.close()

    await press('Go to your account')
    await press('Change the password')
    await see('Change the password')
    await type('Current password', PASSWORD)
    await type('New password', THIRD)
    await press('Save the new password')
    expect(await page.getByRole('alert').innerText()).toContain('This is not the password of your account.')
    await see('Change the password')
    await type('Current password', SECOND)
    await type('New password', THIRD)
    await press('Save the new password')
    await see('Your account')
    await nextMailTo(origin, address, 'your password was changed')

    const moved = `moved-${address}`
    await press('Change the e-mail address')
    await see('Change the e-mail address')
    await type('New e-mail address', moved)
    await type('Password', THIRD)
    await press('Send a mail to the new address')
    await see('Your account')
    await openMail(page, moved, 'confirm your new e-mail address', '/links/confirm-email')
    await see('Confirm your new e-mail address?')
    await press('Confirm this address')
    await see('Your e-mail address was changed')
    const undo = await openMail(page, address, 'the e-mail address of your account was changed', '/links/undo-email')
    await see('Take the change back?')
    expect(undo).toContain(origin)

    // Mails are in Russian from now on, and pages where the browser asks for it.
    await page.goto(`${origin}/account`)
    await press('Русский')
    await see('Your account')
    expect(await page.locator('[aria-current]').allInnerTexts()).toEqual(['Русский'])
    const storageState = await context.storageState()
    await context.close()
    const russian = await startVisit('newcomer-ru', { locale: 'ru-RU', storageState })
    await russian.page.goto(`${origin}/account/leave`)
    await russian.see('Удалить аккаунт')
    await russian.type('Пароль', THIRD)
    await russian.press('Удалить мой аккаунт')
    await russian.see('Вход')
    expect(await russian.page.locator('main').innerText()).toContain('Ваш аккаунт удалён.')
    await nextMailTo(origin, moved, 'аккаунт')
    await russian.type('Адрес почты', moved)
    await russian.type('Пароль', THIRD)
    await russian.press('Войти')
    await russian.see('Вход')
    await russian.page.goto(undo)
    await russian.see('Эта ссылка уже использована')
    await russian.context.close()
  },
)
