/**
 * The programs of examples/, each where docs/topologies.md puts it: hosts with https names, people with addresses of their own, and a
 * real browser. What is counted is in D1, and on the wire.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { startChromium, startChromiumProfile } from '../../scripts/chromium.ts'
import { type Example, startExample } from '../support/example.ts'
import { expired } from '../support/expired.ts'
import { type Deployment, type Deployments, PASSWORD, SERVICE_KEY, startDeployments } from './deployments.ts'
import { type Internet, openInternet } from './internet.ts'
import { openTab } from './pages-and-jars.ts'

const HOME = '198.51.100.7'
const ELSEWHERE = '192.0.2.66'
const SERVERS = '203.0.113.80'

const BANK = 'https://my.bank.test/'

/**
 * Each Tessera, with the settings that docs/topologies.md names for whoever is behind it, but without a replay window, which would hide a
 * second rotation.
 */
const SETTINGS = {
  oneHost: { PUBLIC_URL: 'https://one.test', BASE_PATH: '/tessera' },
  hosts: {
    PUBLIC_URL: 'https://auth.shop.test',
    COOKIE_DOMAIN: 'shop.test',
    CORS_ORIGINS: 'https://app.shop.test',
    RETURN_ORIGINS: 'https://www.shop.test',
    SIGN_IN_URL: 'https://www.shop.test/sign-in',
  },
  sites: {
    PUBLIC_URL: 'https://auth.tessera.test',
    COOKIE_SAMESITE: 'none',
    CORS_ORIGINS: 'https://app.other.test',
    RETURN_ORIGINS: 'https://www.other.test,https://www.tessera.test',
    SIGN_IN_URL: 'https://www.other.test/sign-in',
  },
  backEnd: { PUBLIC_URL: 'https://auth.bank.test', ACCESS_TTL_SECONDS: '10', LOCATION_POLICY: 'address' },
} as const

/** Which program is at which host, and which Tessera it knows. */
const PROGRAMS = [
  ['one.test', 'one-host.ts', 'https://one.test/tessera'],
  ['app.shop.test', 'two-hosts.ts', SETTINGS.hosts.PUBLIC_URL],
  ['www.shop.test', 'server-rendering/app.ts', SETTINGS.hosts.PUBLIC_URL],
  ['app.other.test', 'two-sites.ts', SETTINGS.sites.PUBLIC_URL],
  ['www.other.test', 'server-rendering/app.ts', SETTINGS.sites.PUBLIC_URL],
  ['www.tessera.test', 'server-rendering/app.ts', SETTINGS.sites.PUBLIC_URL],
  [new URL(BANK).host, 'back-end-for-front-end.ts', SETTINGS.backEnd.PUBLIC_URL],
] as const

let internet: Internet
let deployments: Deployments
let examples: readonly Example[]
let browser: Browser
let context: BrowserContext
let tessera: Record<keyof typeof SETTINGS, Deployment>

/** Whoever signed in at the back end, whose access tokens are over by the time that the others have been tried. */
interface Customer {
  readonly by: BrowserContext
  readonly session: SessionRow
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}
let honest: Customer
let robbed: Customer

beforeAll(async () => {
  internet = await openInternet(['one.test', ...['shop', 'tessera', 'other', 'bank'].map((site) => `*.${site}.test`)])
  const proxy = await internet.place(SERVERS)
  const online = { HTTPS_PROXY: proxy, NODE_USE_ENV_PROXY: '1', NODE_EXTRA_CA_CERTS: internet.certificate, SERVICE_KEY }
  ;[deployments, examples, browser] = await Promise.all([
    startDeployments(Object.values(SETTINGS)),
    Promise.all(
      PROGRAMS.map(([host, file, TESSERA]) => startExample(file, { ...online, ORIGIN: `https://${host}`, TESSERA })),
    ),
    startChromium(),
  ])
  const [oneHost, hosts, sites, backEnd] = deployments.all as [Deployment, Deployment, Deployment, Deployment]
  tessera = { oneHost, hosts, sites, backEnd }
  for (const [index, [host]] of PROGRAMS.entries()) internet.route(host, examples[index]?.port ?? 0)
  internet.route('one.test/tessera', deployments.port)
  for (const { PUBLIC_URL } of Object.values(SETTINGS).slice(1))
    internet.route(new URL(PUBLIC_URL).host, deployments.port)
  honest = await signInAtBackEnd()
  robbed = await signInAtBackEnd()
}, 240_000)

async function signInAtBackEnd(): Promise<Customer> {
  const { guid, email } = tessera.backEnd
  const by = await openBrowser(HOME)
  const page = await openTab(by, BANK)
  await fillIn(page, { 'E-mail': email, Password: PASSWORD })
  await says(page, `You are ${guid}`)
  const expiresAt = Date.now() + 1000 * Number(SETTINGS.backEnd.ACCESS_TTL_SECONDS)
  return { by, session: await newestSession(tessera.backEnd, guid), expiresAt }
}

afterAll(async () => {
  await browser.close()
  await Promise.all(examples.map(({ stop }) => stop()))
  await deployments.close()
  await internet.close()
})

beforeEach(async () => {
  context = await openBrowser(HOME)
  internet.exchanges.length = 0
})

afterEach(() => context.close())

/** A browser with a jar of its own, at an address. */
async function openBrowser(address: string): Promise<BrowserContext> {
  return browser.newContext({ proxy: { server: await internet.place(address) }, ignoreHTTPSErrors: true })
}

/** The cookies of the jar: name, domain (with a dot, where other hosts get it too), path, and SameSite. */
async function jar(by = context) {
  const cookies = await by.cookies()
  return cookies
    .map(({ name, domain, path, sameSite }) => [name, domain, path, sameSite].join(' '))
    .filter((cookie) => !cookie.startsWith('refresh_returns'))
    .toSorted()
}

/** Lets the access token be over, as it will be in five minutes. */
async function letAccessTokenExpire(): Promise<void> {
  const cookie = (await context.cookies()).find(({ name }) => name === 'access_token')
  if (cookie === undefined) throw new Error('no access token')
  await context.addCookies([{ ...cookie, value: await expired(cookie.value) }])
}

interface SessionRow {
  readonly sid: string
  readonly jti: string
  readonly previous_jti: string | null
  readonly ip: string
  readonly user_agent: string
  readonly revoked_reason: string | null
}

/** The newest session of an account. */
async function newestSession({ database }: Deployment, guid: string): Promise<SessionRow> {
  const row = await database
    .prepare(
      'SELECT s.* FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.guid = ? ORDER BY s.rowid DESC LIMIT 1',
    )
    .bind(guid)
    .first<SessionRow>()
  if (row === null) throw new Error('no session')
  return row
}

async function sessionOf({ database }: Deployment, sid: string): Promise<SessionRow | null> {
  return database.prepare('SELECT * FROM sessions WHERE sid = ?').bind(sid).first<SessionRow>()
}

/** Whether a session rotated exactly once since: the token before the live one is the one that was live then. */
async function expectOneRotation(deployment: Deployment, guid: string, before: SessionRow): Promise<void> {
  const after = await newestSession(deployment, guid)
  expect(after).toMatchObject({ sid: before.sid, previous_jti: before.jti, revoked_reason: null })
  expect(after.jti).not.toBe(before.jti)
  const handedOut = internet.exchanges
    .flatMap(({ cookies }) => cookies)
    .flatMap((cookie) => /^refresh_token=([^;]+)/.exec(cookie)?.[1] ?? [])
  expect(new Set(handedOut).size).toBe(1)
}

async function fillIn(page: Page, fields: Readonly<Record<string, string>>): Promise<void> {
  for (const [label, value] of Object.entries(fields)) await page.getByLabel(label).fill(value)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

function says(page: Page, words: string): Promise<void> {
  return page.getByText(words).waitFor({ timeout: 15_000 })
}

async function expectToStaySignedIn(at: Deployment, url: string, cookies: readonly string[]): Promise<void> {
  const { guid, email } = at
  const page = await openTab(context, url)
  await says(page, 'You are nobody')
  await fillIn(page, { 'E-mail': email, Password: PASSWORD })
  await says(page, `You are ${guid}`)
  expect(await jar()).toEqual(cookies)
  const before = await newestSession(at, guid)
  expect(before.ip).toBe(HOME)

  await letAccessTokenExpire()
  internet.exchanges.length = 0
  await page.reload()
  await says(page, `You are ${guid}`)
  await expectOneRotation(at, guid, before)

  await page.getByRole('button', { name: 'Sign out' }).click()
  await says(page, 'You are nobody')
  expect(await jar()).toEqual([])
  expect(await newestSession(at, guid)).toMatchObject({ revoked_reason: 'signed_out' })
}

/** Runs a test in a browser with settings of its own, instead of the usual one. */
async function withProfile({ hasThirdPartyCookies }: { hasThirdPartyCookies: boolean }, run: () => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-profile-'))
  await context.close()
  context = await startChromiumProfile({ folder, hasThirdPartyCookies, proxy: await internet.place(HOME) })
  try {
    await run()
  } finally {
    await context.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

describe('pages that keep their pair in cookies', () => {
  test.each([
    [
      'on the host of Tessera itself',
      'oneHost',
      'https://one.test/',
      ['access_token one.test / Strict', 'refresh_token one.test /tessera/refresh Strict'],
    ],
    [
      'on another host of its site',
      'hosts',
      'https://app.shop.test/',
      ['access_token .shop.test / Strict', 'refresh_token auth.shop.test /refresh Strict'],
    ],
  ] as const)('%s sign in, stay signed in, and sign out', async (_where, key, url, cookies) => {
    await expectToStaySignedIn(tessera[key], url, cookies)
  })

  test('on another site do so where a browser has cookies of third parties', async () => {
    await withProfile({ hasThirdPartyCookies: true }, async () => {
      const cookies = ['access_token auth.tessera.test / None', 'refresh_token auth.tessera.test /refresh None']
      await expectToStaySignedIn(tessera.sites, 'https://app.other.test/', cookies)
    })
  })

  test('on another site never know who signed in where a browser has none', async () => {
    await withProfile({ hasThirdPartyCookies: false }, async () => {
      const page = await openTab(context, 'https://app.other.test/')
      await says(page, 'You are nobody')
      const answered = ['/auth/session', '/auth/me'].map((path) => page.waitForResponse(`**${path}`))
      await fillIn(page, { 'E-mail': tessera.sites.email, Password: PASSWORD })

      const [signedIn, me] = await Promise.all(answered)
      expect([signedIn?.request().method(), signedIn?.status(), me?.status()]).toEqual(['POST', 200, 401])
      await says(page, 'You are nobody')
      expect(await jar()).toEqual([])
    })
  })
})

describe('a server that renders', () => {
  const GUID = 'a1f3c0de-0000-4000-8000-00000000ada0'
  const DEEP_LINK = 'https://www.shop.test/orders/7?page=2'

  /** Signs in at the application, with its own password. */
  async function signIn(): Promise<SessionRow> {
    const page = await openTab(context, DEEP_LINK)
    await fillIn(page, { Name: 'ada', Password: 'secret' })
    await says(page, `You are ${GUID}`)
    await page.close()
    internet.exchanges.length = 0
    return newestSession(tessera.hosts, GUID)
  }

  /** A page of another site that links to the application, in a tab of its own. */
  async function openLinking(): Promise<Page> {
    const page = await openTab(context, 'https://app.other.test/')
    await page.evaluate(`document.body.innerHTML = '<a href="${DEEP_LINK}">Look</a>'`)
    return page
  }

  test('signs people in by its own login and a ticket, and takes them where they wanted to go', async () => {
    const page = await openTab(context, DEEP_LINK)
    expect(new URL(page.url()).pathname).toBe('/sign-in')
    await fillIn(page, { Name: 'ada', Password: 'secret' })
    await says(page, `You are ${GUID}`)

    expect(page.url()).toBe(DEEP_LINK)
    const chain = internet.exchanges.map(({ method, url, status }) => `${method} ${url.replace(/\?.*/, '')} ${status}`)
    expect(chain.filter((line) => !/jwks|favicon/.test(line))).toEqual([
      'GET https://www.shop.test/orders/7 303',
      'GET https://auth.shop.test/refresh 303',
      'GET https://www.shop.test/sign-in 200',
      'POST https://auth.shop.test/auth/tickets 200',
      'POST https://www.shop.test/sign-in 303',
      `GET https://auth.shop.test/${GUID} 303`,
      'GET https://www.shop.test/orders/7 200',
    ])
    expect(await newestSession(tessera.hosts, GUID)).toMatchObject({ ip: HOME, previous_jti: null })
  })

  test('shows a page to whoever follows a deep link of a third site with an access token that is over, after one rotation', async () => {
    const before = await signIn()
    await letAccessTokenExpire()
    const page = await openLinking()
    await page.getByRole('link').click()

    await says(page, `You are ${GUID}`)
    expect(page.url()).toBe(DEEP_LINK)
    await expectOneRotation(tessera.hosts, GUID, before)
  })

  test('does the same for three tabs at once, and rotates once for all of them', async () => {
    const before = await signIn()
    await letAccessTokenExpire()
    const tabs = [await openLinking(), await openLinking(), await openLinking()]
    await Promise.all(tabs.map((tab) => tab.getByRole('link').click()))

    await Promise.all(tabs.map((tab) => says(tab, `You are ${GUID}`)))
    expect(tabs.map((tab) => tab.url())).toEqual(tabs.map(() => DEEP_LINK))
    await expectOneRotation(tessera.hosts, GUID, before)
  })

  test.each([
    ['of the same site, whose domain has none', 'www.tessera.test', 3],
    ['of another site', 'www.other.test', 6],
  ])('%s, that never sees the cookie, ends in a page that says what to check', async (_of, host, returns) => {
    const page = await openTab(context, `https://${host}/sign-in`)
    await fillIn(page, { Name: 'ada', Password: 'secret' })

    await says(page, 'You are being sent in circles')
    expect(await page.textContent('body')).toContain('COOKIE_DOMAIN')
    expect(new URL(page.url()).host).toBe('auth.tessera.test')
    const sent = internet.exchanges.filter(({ url, status }) => url === `https://${host}/` && status === 303)
    expect(sent).toHaveLength(returns)
  })
})

/** The back end keeps the access token, and no test can make it older. */
async function waiting(customer: Customer): Promise<Customer> {
  await sleep(Math.max(0, customer.expiresAt - Date.now()))
  return customer
}

describe('a back end for the front end', () => {
  test('has sessions in the place of their browser, and goes on there', async () => {
    const { by, session } = await waiting(honest)
    expect(session).toMatchObject({ ip: HOME, user_agent: expect.stringContaining('Chrome') as string })
    expect(await jar(by)).toEqual(['__Host-session my.bank.test / Lax'])

    const tabs = await Promise.all([openTab(by, BANK), openTab(by, BANK)])
    await Promise.all(tabs.map((tab) => says(tab, `You are ${tessera.backEnd.guid}`)))
    expect(await sessionOf(tessera.backEnd, session.sid)).toMatchObject({
      previous_jti: session.jti,
      ip: HOME,
      revoked_reason: null,
    })
  })

  test('is refused for a cookie that was stolen: the session ends, for its owner as well', async () => {
    const { by, session } = await waiting(robbed)
    const thief = await openBrowser(ELSEWHERE)
    await thief.addCookies(await by.cookies())

    await says(await openTab(thief, BANK), 'You were signed out')
    await thief.close()
    expect(await sessionOf(tessera.backEnd, session.sid)).toMatchObject({ revoked_reason: 'location' })
    await says(await openTab(by, BANK), 'You are nobody')
  })
})
