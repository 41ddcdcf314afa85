/**
 * The pair in a real browser's cookie jar: it arrives, it is renewed from a page and from two tabs at once, and no page of
 * another site can renew or end the session that it stands for.
 */

import { createServer, type Server } from 'node:http'

import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'

import { startChromium } from '../../scripts/chromium.ts'
import { jarOf, listen } from './pages-and-jars.ts'

const ROUNDS = 5

const origin = inject('origin')
const account = inject('account')
const serviceKey = inject('serviceKey')
let browser: Browser
let context: BrowserContext
let page: Page

beforeAll(async () => {
  browser = await startChromium()
})

afterAll(() => browser.close())

beforeEach(async () => {
  // The answers of Tessera are no pages, and their policy lets no script ask for anything. Here they stand for a page of the
  // application on the same origin, which has a policy of its own.
  context = await browser.newContext({ bypassCSP: true })
  page = await context.newPage()
})

afterEach(() => context.close())

interface Answer {
  readonly status: number
  readonly body: string
}

/** What a script of Tessera's own origin gets. */
function ask(from: Page, path: string, method = 'GET'): Promise<Answer> {
  return from.evaluate(
    async ([url = '', verb = '']) => {
      const response = await fetch(url, { method: verb })
      return { status: response.status, body: await response.text() }
    },
    [path, method],
  )
}

async function signIn(): Promise<void> {
  const response = await page.goto(`${origin}/${account.guid}`)
  expect([response?.status(), await response?.text()]).toEqual([200, ''])
}

/** Whether a refresh token is the live one of its session, as a back end asks. */
async function isLive(token: string | undefined): Promise<boolean> {
  const response = await fetch(`${origin}/auth/token/introspect`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${serviceKey}`, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token: token ?? '' }),
  })
  expect(response.status).toBe(200)
  const { active } = await response.json<{ active: boolean }>()
  return active
}

const EMPTY = { status: 200, body: '' }

describe('a browser', () => {
  test('keeps the pair out of the reach of scripts, and sends the refresh token only where it belongs', async () => {
    await signIn()
    const shared = { domain: 'localhost', httpOnly: true, secure: false, sameSite: 'Strict' }

    expect((await context.cookies()).toSorted((a, b) => a.name.localeCompare(b.name))).toMatchObject([
      { ...shared, name: 'access_token', path: '/' },
      { ...shared, name: 'refresh_token', path: '/refresh' },
    ])
    expect(await page.evaluate('document.cookie')).toBe('')
    const sent = page.waitForRequest(`${origin}/auth/me`)
    await ask(page, '/auth/me')
    const cookie = (await (await sent).allHeaders())['cookie']
    expect(cookie).toMatch(/^access_token=[\w.-]+$/)
  })

  test('renews the pair from a page, again and again, and is who it was', async () => {
    await signIn()
    const seen = new Set([(await jarOf(context))['refresh_token']])

    for (let round = 0; round < ROUNDS; round += 1) {
      expect(await ask(page, '/refresh', round % 2 ? 'POST' : 'GET')).toEqual(EMPTY)
      seen.add((await jarOf(context))['refresh_token'])
    }
    expect(seen.size).toBe(ROUNDS + 1)
    expect(await isLive((await jarOf(context))['refresh_token'])).toBe(true)
    const { status, body } = await ask(page, '/auth/me')
    expect([status, JSON.parse(body)]).toEqual([
      200,
      { email: account.primary_email, user_id: 1, guid: account.guid, group: 'user', confirmed: true },
    ])
  })

  test('signs out: the jar is empty, and the pair is dead', async () => {
    await signIn()
    const pair = await context.cookies()

    expect(await ask(page, '/auth/session', 'DELETE')).toEqual({ status: 204, body: '' })
    expect(await context.cookies()).toEqual([])
    await context.addCookies(pair)
    expect(await ask(page, '/refresh')).toEqual({ status: 401, body: 'Token used before' })
  })

  test('with two tabs that refresh at the same moment stays signed in in both', async () => {
    await signIn()
    const other = await context.newPage()
    await other.goto(`${origin}/.well-known/jwks.json`)

    for (let round = 0; round < ROUNDS; round += 1) {
      const before = (await jarOf(context))['refresh_token']
      const tabs = [page, other, page, other]
      expect(await Promise.all(tabs.map((tab) => ask(tab, '/refresh')))).toEqual(tabs.map(() => EMPTY))
      expect((await jarOf(context))['refresh_token']).not.toBe(before)
    }
    for (const tab of [page, other]) {
      expect((await ask(tab, '/auth/me')).status).toBe(200)
      expect(await ask(tab, '/refresh')).toEqual(EMPTY)
    }
  })
})

async function expectUntouched(before: Readonly<Record<string, string>>): Promise<void> {
  expect(await jarOf(context)).toEqual(before)
  // Live, so neither rotated away nor ended.
  expect(await isLive(before['refresh_token'])).toBe(true)
}

describe('a page of another site', () => {
  let attacker: Server
  let attackerPort: number

  beforeAll(async () => {
    attacker = createServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Win a prize</title>')
    })
    attackerPort = await listen(attacker, 0, '127.0.0.1')
  })

  afterAll(() => {
    attacker.close()
  })

  /**
   * What such a page may try without anybody's help, and what comes of it: a status, and whether the browser withholds the
   * answer from the page. It does not even send a DELETE that no preflight allowed.
   */
  const ATTACKS: readonly (readonly [name: string, outcomes: readonly (number | 'withheld')[], script: string])[] = [
    [
      'an image of GET /refresh',
      ['withheld'],
      `new Promise((done) => {
      const image = new Image(); image.onload = image.onerror = done; image.src = ORIGIN + '/refresh' })`,
    ],
    [
      'an image of GET /{guid}',
      ['withheld'],
      `new Promise((done) => {
      const image = new Image(); image.onload = image.onerror = done; image.src = ORIGIN + '/' + GUID })`,
    ],
    [
      'a frame of GET /refresh',
      [403, 'withheld'],
      `new Promise((done) => {
      const frame = document.createElement('iframe'); frame.onload = done; frame.src = ORIGIN + '/refresh'
      document.body.append(frame) })`,
    ],
    [
      'fetch of GET /refresh',
      ['withheld'],
      `fetch(ORIGIN + '/refresh', { mode: 'no-cors', credentials: 'include' }).catch(() => {})`,
    ],
    [
      'fetch of POST /refresh',
      ['withheld'],
      `fetch(ORIGIN + '/refresh', { method: 'POST', mode: 'no-cors', credentials: 'include' }).catch(() => {})`,
    ],
    [
      'fetch of DELETE /auth/session',
      ['withheld'],
      `fetch(ORIGIN + '/auth/session', { method: 'DELETE', credentials: 'include' }).catch(() => {})`,
    ],
    [
      'fetch of DELETE /auth/sessions',
      ['withheld'],
      `fetch(ORIGIN + '/auth/sessions', { method: 'DELETE', credentials: 'include' }).catch(() => {})`,
    ],
    ['a beacon to POST /auth/session', ['withheld'], `navigator.sendBeacon(ORIGIN + '/auth/session', '{}')`],
  ]
  const FORMS = [
    ['/refresh', 403],
    ['/auth/session', 403],
    ['/auth/sessions', 405],
    ['/auth/token/revoke', 400],
    ['/links/end-sessions', 403],
  ] as const

  /** The attacker's page, in a tab of the same browser. */
  async function lure(): Promise<Page> {
    const lured = await context.newPage()
    await lured.goto(`http://127.0.0.1:${attackerPort}/`)
    return lured
  }

  async function run(attack: string): Promise<void> {
    const lured = await lure()
    const script = attack.replaceAll('ORIGIN', JSON.stringify(origin)).replaceAll('GUID', JSON.stringify(account.guid))
    await lured.evaluate(`(async () => { await ${script} })()`)
  }

  test.each(ATTACKS)('cannot renew or end the session by %s: %j', async (_name, expected, attack) => {
    await signIn()
    const before = await jarOf(context)
    const outcomes: (number | 'withheld')[] = []
    context.on('response', (response) => {
      if (response.url().startsWith(origin)) outcomes.push(response.status())
    })
    context.on('requestfailed', (request) => {
      if (request.url().startsWith(origin)) outcomes.push('withheld')
    })
    await run(attack)

    await expect.poll(() => outcomes).toEqual(expected)
    await expectUntouched(before)
  })

  test.each(FORMS)('cannot renew or end the session by a form to %s: %i', async (path, status) => {
    await signIn()
    const before = await jarOf(context)
    const lured = await lure()
    const answered = lured.waitForResponse((response) => response.url().startsWith(origin))
    await lured.evaluate(`(() => {
      const form = document.createElement('form')
      form.method = 'post'; form.action = ${JSON.stringify(origin + path)}
      document.body.append(form); form.submit()
    })()`)

    expect((await answered).status()).toBe(status)
    await expectUntouched(before)
  })

  test('cannot renew it by a link either: that opens a page without cookies', async () => {
    await signIn()
    const before = await jarOf(context)
    const lured = await lure()
    const answered = lured.waitForResponse((response) => response.url().startsWith(origin))
    await lured.evaluate(`location.href = ${JSON.stringify(`${origin}/refresh`)}`)

    expect((await answered).status()).toBe(403)
    await expectUntouched(before)
  })
})
