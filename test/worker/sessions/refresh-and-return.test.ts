/**
 * `GET /refresh?to=…`, by which a server that renders pages has a browser renew its pair: who is sent where, and what nobody's
 * cookies pay for.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { dumpTables } from '../../support/accounts.ts'
import { COMMON } from '../../support/answers.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { challengeOf, openBound } from '../../support/dbsc.ts'
import { claimsOf } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { onBehalfOf } from '../../support/requests.ts'
import { type Cookies, endOf, jtiOf, LIVE, openByGuid, sessionRow } from '../../support/sessions.ts'
import { textAnswer, TEXT_FORBIDDEN, TEXT_MALFORMED, textRefusal, TEXT_USED } from '../../support/text-answers.ts'
import { type CallOptions, ELSEWHERE, pairOf, setCookies, startWorker, type TestWorker } from '../../support/worker.ts'

const APP = 'https://app.example.com'
const SIGN_IN = 'https://app.example.com/sign-in'
const plain = startWorker({ RETURN_ORIGINS: APP })
const signingIn = startWorker({ RETURN_ORIGINS: APP, SIGN_IN_URL: SIGN_IN })

/** A D1 that answers nothing else. */
const OVERLOADED = {
  prepare: () => ({ bind: () => ({}) }),
  batch: () => Promise.reject(new Error('overloaded')),
}

stopClock()
const logged = keepLog('warn', 'error')

/** What a browser says of a navigation. */
function navigation(site: string): Readonly<Record<string, string>> {
  return {
    Accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
    'Sec-Fetch-Site': site,
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Dest': 'document',
  }
}

/** A browser with its cookie jar. Strict cookies are not sent with what another site started. */
class Browser {
  readonly jar: Map<string, string>
  readonly answers: number[] = []
  readonly #by: TestWorker

  constructor(cookies: Partial<Cookies>, by: TestWorker = plain) {
    this.jar = new Map(Object.entries(cookies))
    this.#by = by
  }

  async go(path: string, site = 'same-site', options: CallOptions = {}): Promise<Response> {
    const sent = [...this.jar].filter(([name]) => site !== 'cross-site' || name === 'refresh_returns')
    const response = await this.#by.call(path, {
      headers: navigation(site),
      cookies: Object.fromEntries(sent),
      ...options,
    })
    for (const [name, { value }] of Object.entries(setCookies(response))) this.jar.set(name, value)
    this.answers.push(response.status)
    return response
  }
}

function to(address: string, more = ''): string {
  return `/refresh?to=${encodeURIComponent(address)}${more}`
}

async function sentTo(response: Response): Promise<string> {
  expect([response.status, await response.text()]).toEqual([303, ''])
  return response.headers.get('Location') ?? ''
}

/** Where a page goes on to by itself, and after how many seconds. */
async function pageOf(response: Response) {
  const text = await response.text()
  const [, seconds, url] = /<meta http-equiv="refresh" content="(\d+);url=([^"]*)"\/>/.exec(text) ?? []
  const [, href] = /<a class="button" href="([^"]*)">/.exec(text) ?? []
  const title = /<h1>([^<]*)<\/h1>/.exec(text)?.[1]
  expect(text).not.toMatch(/<script|<form|<iframe| on\w+=/i)
  return { title, seconds, url: url?.replaceAll('&amp;', '&'), href: href?.replaceAll('&amp;', '&') }
}

const WAITING = { title: 'One moment', seconds: '0' }

describe('a refresh with `to`', () => {
  test.each([
    ['/inbox?a=b#c', '/inbox?a=b#c'],
    [`${APP}/inbox?a=b&c=d#e`, `${APP}/inbox?a=b&c=d#e`],
    [APP, `${APP}/`],
    ['https://auth.localhost/x', 'https://auth.localhost/x'],
  ])('sends the browser on to %s with the next pair', async (address, location) => {
    const { sid, jti, cookies } = await openByGuid()
    at(400)
    const response = await plain.call(to(address), { cookies, headers: navigation('same-site') })

    expect(Object.fromEntries([...response.headers].filter(([name]) => name !== 'set-cookie'))).toEqual({
      ...COMMON,
      location,
      vary: 'Sec-Fetch-Site, Sec-Purpose, Sec-Fetch-Mode, Sec-Fetch-Dest',
    })
    expect(await sentTo(response)).toBe(location)
    const attributes = ['HttpOnly', 'Secure', 'SameSite=Strict']
    expect(setCookies(response)).toEqual({
      access_token: { value: expect.any(String), attributes: ['Max-Age=864000', 'Path=/', ...attributes] },
      refresh_token: { value: expect.any(String), attributes: ['Max-Age=864000', 'Path=/refresh', ...attributes] },
      refresh_returns: {
        value: expect.stringMatching(/^1\.[\da-f]{8}$/),
        attributes: ['Max-Age=10', 'Path=/refresh', 'HttpOnly', 'Secure', 'SameSite=Lax'],
      },
    })
    expect(await sessionRow(sid)).toMatchObject({ jti: jtiOf(pairOf(response)), previous_jti: jti })
    expect(claimsOf(pairOf(response).access_token)).toMatchObject({ iat: T0 + 400 })
  })

  test('takes one round trip to D1', async () => {
    const { cookies } = await openByGuid()
    const { database, roundTrips } = countRoundTrips(env.DB)
    const response = await startWorker({ DB: database }).call(to('/inbox'), { cookies })

    expect([response.status, roundTrips()]).toEqual([303, 1])
  })

  test.each([
    to('https://evil.example/'),
    to('//evil.example'),
    to('/\\evil.example'),
    to('https://app.example.com@evil.example/'),
    to('https:app.example.com'),
    to('\t/inbox'),
    to('/in\nbox'),
    to(' /inbox'),
    to('javascript:alert(1)'),
    to(`/${'a'.repeat(2048)}`),
    '/refresh?to=',
    '/refresh?to',
    '/refresh?again=1&to',
    '/refresh?to=/a&to=/b',
    '/refresh?to=/a&%74o=/b',
    '/refresh?to=%00',
    '/refresh?to=%2f%2fevil.example',
    '/refresh?to=/+/evil.example',
  ])('is refused before anything else where it leads nowhere: %s', async (path) => {
    const { cookies } = await openByGuid()
    const before = await dumpTables(env.DB)
    const { database, roundTrips } = countRoundTrips(env.DB)
    const by = startWorker({ DB: database, RETURN_ORIGINS: APP, SIGN_IN_URL: SIGN_IN })

    for (const sent of [cookies, {}, { ...cookies, refresh_token: 'x' }]) {
      for (const site of ['same-origin', 'cross-site']) {
        const response = await by.call(path, { cookies: sent, headers: navigation(site), ip: null })
        expect(await textAnswer(response)).toEqual(TEXT_MALFORMED)
        expect(response.headers.has('Location')).toBe(false)
      }
    }
    expect([await dumpTables(env.DB), roundTrips()]).toEqual([before, 0])
    expect(logged.mock.calls.at(-1)).toEqual([
      { event: 'refused', code: 'wrong_data_structure', status: 400, cause: 'return address', route: '/refresh' },
    ])
  })

  test('to an origin that is not listed leads nowhere by default', async () => {
    const { cookies } = await openByGuid()
    expect(await textAnswer(await startWorker().call(to(`${APP}/`), { cookies }))).toEqual(TEXT_MALFORMED)
  })

  test('works below BASE_PATH, where a path in `to` is one of the whole host', async () => {
    const by = startWorker({ BASE_PATH: '/auth', SIGN_IN_URL: '/sign-in' })
    const cookies = pairOf(await by.call(`/auth/${crypto.randomUUID()}`))
    const page = await by.call(`/auth${to('/inbox')}`, { headers: navigation('cross-site') })
    expect((await pageOf(page)).url).toBe('?to=%2Finbox&again=1')
    const response = await by.call(`/auth${to('/inbox', '&again=1')}`, { cookies, headers: navigation('same-origin') })

    expect(await sentTo(response)).toBe('/inbox')
    expect(setCookies(response)['refresh_returns']?.attributes).toContain('Path=/auth/refresh')
    expect(await sentTo(await by.call(`/auth${to('/inbox')}`))).toBe('/sign-in?to=%2Finbox')
  })

  test('by POST is a refresh like any other', async () => {
    const { cookies } = await openByGuid()
    const response = await plain.call(to('https://evil.example'), { method: 'POST', cookies })

    expect([response.status, response.headers.get('Location'), Object.keys(setCookies(response))]).toEqual([
      200,
      null,
      ['access_token', 'refresh_token'],
    ])
  })

  test('by HEAD is refused', async () => {
    const { cookies } = await openByGuid()
    const { status, headers } = await plain.call(to('/inbox'), { method: 'HEAD', cookies })
    expect([status, headers.get('Allow'), headers.getSetCookie()]).toEqual([405, 'GET, POST', []])
  })
})

describe('another site', () => {
  test.each<[string, Readonly<Record<string, string>>]>([
    ['fetch', { 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'empty' }],
    ['an image', { 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' }],
    ['a frame', { 'Sec-Fetch-Dest': 'iframe' }],
    ['a prefetch', { 'Sec-Purpose': 'prefetch' }],
    ['a prerendered page', { 'Sec-Purpose': 'prefetch;prerender' }],
  ])('cannot rotate a pair by %s', async (_name, headers) => {
    const { cookies } = await openByGuid()
    const before = await dumpTables(env.DB)
    for (const site of ['same-site', 'cross-site']) {
      const response = await signingIn.call(to('/inbox'), { cookies, headers: { ...navigation(site), ...headers } })
      expect(await textAnswer(response)).toEqual(TEXT_FORBIDDEN)
    }
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('that leads here by a link gets a page that reloads itself, once, and rotates then', async () => {
    const { sid, jti, cookies } = await openByGuid()
    at(400)
    const { database, roundTrips } = countRoundTrips(env.DB)
    const browser = new Browser(cookies, startWorker({ DB: database, RETURN_ORIGINS: APP, SIGN_IN_URL: SIGN_IN }))
    const page = await browser.go(to(`${APP}/inbox?a=b&c='d'`), 'cross-site')
    // The quotes of a query are encoded by the parser, and once more as a part of this one.
    const address = `${APP}/inbox?a=b&c=%27d%27`
    const reload = `?to=${encodeURIComponent(address)}&again=1`

    expect([page.status, page.headers.getSetCookie(), roundTrips()]).toEqual([200, [], 0])
    expect(page.headers.get('Content-Security-Policy')).toMatch(
      /^default-src 'none'; style-src 'nonce-[\w+/]+=*'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    )
    expect(page.headers.get('Cache-Control')).toBe('no-store')
    expect(await pageOf(page)).toEqual({ ...WAITING, url: reload, href: reload })
    expect(await sentTo(await browser.go(`/refresh${reload}`, 'same-origin'))).toBe(address)
    expect(await sessionRow(sid)).toMatchObject({
      jti: jtiOf(Object.fromEntries(browser.jar) as Cookies),
      previous_jti: jti,
    })
    expect(roundTrips()).toBe(1)
  })

  test.each([
    ['both cookies', {}],
    ['the refresh cookie', { access_token: 'x' }],
    ['the access cookie', { refresh_token: 'x' }],
  ])('gets that page where %s did not come along, and no second one', async (_name, cookies) => {
    const first = await signingIn.call(to('/inbox'), { cookies, headers: navigation('cross-site') })
    expect((await pageOf(first)).url).toBe('?to=%2Finbox&again=1')
    for (const site of ['cross-site', 'same-origin']) {
      const second = await signingIn.call(to('/inbox', '&again=1'), { cookies, headers: navigation(site) })
      expect(await sentTo(second)).toBe(`${SIGN_IN}?to=https%3A%2F%2Fauth.localhost%2Finbox`)
    }
  })

  test.each(['same-site', 'same-origin', 'none'])('is not %s, which gets no page', async (site) => {
    expect(await sentTo(await signingIn.call(to(APP), { headers: navigation(site) }))).toBe(
      `${SIGN_IN}?to=${encodeURIComponent(`${APP}/`)}`,
    )
  })

  test('that leads here with cookies gets the page, too, which takes its window out of reach before anything is rotated', async () => {
    const { sid, jti, cookies } = await openByGuid()
    const path = to('/inbox')
    const page = await plain.call(path, { cookies, headers: navigation('cross-site') })

    expect(page.headers.get('Cross-Origin-Opener-Policy')).toBe('same-origin')
    expect((await pageOf(page)).url).toBe('?to=%2Finbox&again=1')
    const pretended = await signingIn.call(`${path}&again=1`, { cookies, headers: navigation('cross-site') })
    expect(await textAnswer(pretended)).toMatchObject({ status: 403, body: 'Forbidden', cookies: [] })
    expect(await sessionRow(sid)).toMatchObject({ jti })
    const reloaded = await plain.call(`${path}&again=1`, { cookies, headers: navigation('same-origin') })
    expect(await sentTo(reloaded)).toBe('/inbox')
  })
})

test('a page of a listed origin on another site fetches it as it does without `to`', async () => {
  const listing = startWorker({ RETURN_ORIGINS: APP, CORS_ORIGINS: APP, COOKIE_SAMESITE: 'none' })
  const { sid, jti, cookies } = await openByGuid()
  const headers = { ...navigation('cross-site'), Origin: APP, 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty' }

  const without = await textAnswer(await listing.call(to('/inbox'), { headers }))
  expect(without).toMatchObject({ status: 401, body: 'Access token is missing' })
  expect(await sentTo(await listing.call(to('/inbox'), { cookies, headers }))).toBe('/inbox')
  expect(await sessionRow(sid)).toMatchObject({ previous_jti: jti })
})

describe('three tabs with one link of another site', () => {
  test('rotate once, one after the other', async () => {
    const { sid, jti, cookies } = await openByGuid()
    at(400)
    const browser = new Browser(cookies)
    for (let tab = 0; tab < 3; tab += 1) await browser.go(to(`${APP}/inbox`), 'cross-site')
    for (let tab = 0; tab < 3; tab += 1) {
      expect(await sentTo(await browser.go(to(`${APP}/inbox`, '&again=1'), 'same-origin'))).toBe(`${APP}/inbox`)
    }

    expect(browser.answers).toEqual([200, 200, 200, 303, 303, 303])
    expect(await sessionRow(sid)).toMatchObject({ previous_jti: jti, revoked_at: null })
  })

  test('rotate once at the same moment: the others wait for a second, and go on', async () => {
    const { sid, jti, cookies } = await openByGuid()
    at(400)
    const tabs = [1, 2, 3].map(() => new Browser(cookies, signingIn))
    const answers = await Promise.all(tabs.map((tab) => tab.go(to(`${APP}/inbox`, '&again=1'), 'same-origin')))

    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 303])
    for (const answer of answers.filter(({ status }) => status === 200)) {
      expect(Object.keys(setCookies(answer))).toEqual(['refresh_returns'])
      expect(await pageOf(answer)).toEqual({ ...WAITING, seconds: '1', url: `${APP}/inbox`, href: `${APP}/inbox` })
    }
    expect(await sessionRow(sid)).toMatchObject({ previous_jti: jti, revoked_at: null })
  })

  test('that were not reloaded rotate, however young their token is', async () => {
    const { cookies } = await openByGuid()
    const browser = new Browser(cookies)
    await browser.go(to('/inbox'))
    expect(browser.jar.get('refresh_token')).not.toBe(cookies.refresh_token)
    const second = browser.jar.get('refresh_token')
    await browser.go(to('/inbox'))
    expect(browser.jar.get('refresh_token')).not.toBe(second)
  })

  test.each([
    ['ten seconds old', 10, (good: string) => good],
    ['forged', 0, (good: string) => `${good.slice(0, -8)}AAAAAAAA`],
    ['a refresh token', 0, (_good: string, refresh: string) => refresh],
  ])('do not pass by a token that is %s', async (_name, seconds, make) => {
    const { jti, sid, cookies } = await openByGuid()
    at(seconds)
    const sent = { ...cookies, access_token: make(cookies.access_token, cookies.refresh_token) }
    const response = await signingIn.call(to('/inbox', '&again=1'), {
      cookies: sent,
      headers: navigation('same-origin'),
    })
    const { jti: now } = (await sessionRow(sid)) ?? {}
    expect([await sentTo(response), now === jti]).toEqual(
      seconds === 10 ? ['/inbox', false] : [expect.stringContaining(SIGN_IN), true],
    )
  })
})

describe('a refusal', () => {
  test.each<[string, (good: Cookies) => Partial<Cookies>, string]>([
    ['no cookies', () => ({}), 'Access token is missing'],
    ['no refresh token', ({ access_token }) => ({ access_token }), 'Refresh token is missing'],
    ['no form', (good) => ({ ...good, refresh_token: 'x' }), 'Wrong data structure'],
    [
      'a bad signature',
      (good) => ({ ...good, refresh_token: `${good.refresh_token.slice(0, -8)}AAAAAAAA` }),
      'Not valid token',
    ],
    [
      'a cookie sent twice',
      (good) => ({ ...good, refresh_token: `${good.refresh_token}; access_token=x` }),
      'Wrong data structure',
    ],
  ])('for %s leads to where people sign in, and is text without such a place', async (_name, spoil, detail) => {
    const { cookies } = await openByGuid()
    const sent = spoil(cookies)
    const before = await dumpTables(env.DB)
    const answer = await signingIn.call(to(`${APP}/a?b=c&d`), { cookies: sent, headers: navigation('same-site') })

    expect([answer.headers.getSetCookie(), answer.headers.get('WWW-Authenticate')]).toEqual([[], null])
    expect(await sentTo(answer)).toBe(`${SIGN_IN}?to=${encodeURIComponent(`${APP}/a?b=c&d`)}`)
    const text = await plain.call(to(`${APP}/a`), { cookies: sent, headers: navigation('same-site') })
    expect(await textAnswer(text)).toMatchObject({ body: detail, type: 'text/plain; charset=UTF-8', cookies: [] })
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test.each([
    ['/sign-in', '/inbox', '/sign-in?to=%2Finbox'],
    ['/sign-in?a=b#c', '/inbox', '/sign-in?a=b&to=%2Finbox#c'],
    [`${SIGN_IN}?a=b`, '/inbox', `${SIGN_IN}?a=b&to=https%3A%2F%2Fauth.localhost%2Finbox`],
    ['https://auth.localhost/sign-in', '/inbox', 'https://auth.localhost/sign-in?to=%2Finbox'],
    ['/sign-in', `${APP}/a#b`, `/sign-in?to=${encodeURIComponent(`${APP}/a#b`)}`],
  ])('with SIGN_IN_URL=%s and to=%s leads to %s', async (url, address, location) => {
    const by = startWorker({ RETURN_ORIGINS: APP, SIGN_IN_URL: url })
    expect(await sentTo(await by.call(to(address), { headers: navigation('same-site') }))).toBe(location)
  })

  test('where the sign-in page itself sends people who are not signed in ends in a page that says so', async () => {
    const browser = new Browser({}, signingIn)
    const [first, second] = [await browser.go(to(SIGN_IN)), await browser.go(to(`${SIGN_IN}?a=b&to=%2Finbox`))]

    expect(await sentTo(first)).toBe(`${SIGN_IN}?to=${encodeURIComponent(SIGN_IN)}`)
    expect([second.status, second.headers.get('WWW-Authenticate')]).toEqual([401, 'Bearer'])
    expect(second.headers.get('Content-Security-Policy')).toContain("default-src 'none'; style-src 'nonce-")
    const text = await second.clone().text()
    expect(await pageOf(second)).toEqual({ title: 'You are being sent in circles' })
    expect(text).toContain('leave it out of what your application protects')
    expect(await textAnswer(await signingIn.call(to(`${SIGN_IN}?to=%2F`)))).toMatchObject({ status: 401, allow: null })
    expect(await sentTo(await browser.go(to(`${APP}/sign-in/help?to=%2F`)))).toContain(`${SIGN_IN}?to=`)
    const { cookies } = await openByGuid()
    const good = await signingIn.call(to(`${SIGN_IN}?to=%2F`), { cookies, headers: navigation('same-site') })
    expect(await sentTo(good)).toBe(`${SIGN_IN}?to=%2F`)
  })

  test('is logged as ever, and ends what it ends', async () => {
    const { sid, guid, cookies } = await openByGuid()
    logged.mockClear()
    const response = await signingIn.call(to('/inbox'), {
      cookies,
      headers: navigation('same-site'),
      ip: ELSEWHERE,
    })

    expect(await sentTo(response)).toContain(SIGN_IN)
    expect(await endOf(sid)).toEqual({ revoked_at: T0, revoked_reason: 'location' })
    expect(logged.mock.calls).toEqual([
      [{ event: 'session_blocked', guid, sid }],
      [{ event: 'session_ended', guid, sid, reason: 'location' }],
      [{ event: 'refused', code: 'location_blocked', status: 401, cause: 'moved', guid, sid, route: '/refresh' }],
    ])
  })

  test('of a token that was used before leads to the sign-in, and never to a page that waits', async () => {
    const { sid, cookies } = await openByGuid()
    await plain.call('/refresh', { cookies })
    at(11)
    const response = await signingIn.call(to('/inbox'), { cookies, headers: navigation('same-site') })
    expect(await sentTo(response)).toContain(SIGN_IN)
    expect(await endOf(sid)).toMatchObject({ revoked_reason: 'reuse' })
  })

  test('that is no fault of the cookies leads nowhere', async () => {
    const { cookies } = await openByGuid()
    const headers = navigation('same-site')
    const noAddress = await signingIn.call(to('/inbox'), { cookies, headers, ip: 'x' })
    expect(await textAnswer(noAddress)).toEqual(TEXT_MALFORMED)
    const misnamed = await signingIn.call(to('/inbox'), { cookies, headers: { ...headers, ...onBehalfOf('x') } })
    expect(await textAnswer(misnamed)).toEqual(textRefusal(400, 'Tessera-Client-IP is not valid'))

    const broken = startWorker({ SIGN_IN_URL: SIGN_IN, DB: OVERLOADED })
    const page = await broken.call(to('/inbox'), { cookies, headers })
    expect([page.status, page.headers.get('Retry-After'), page.headers.getSetCookie()]).toEqual([503, '1', []])
    expect(await pageOf(page)).toMatchObject({ title: 'This did not work just now', href: '?to=%2Finbox' })
    const text = await textAnswer(await broken.call(to('/inbox'), { cookies }))
    expect(text).toMatchObject({ status: 503, body: 'Service unavailable', retryAfter: '1' })
    const lost = await signingIn.call(to('/inbox'), { cookies, headers, ip: null })
    expect([lost.status, lost.headers.get('Location')]).toEqual([503, null])
  })
})

describe('an application that does not see its cookie', () => {
  test('sends the browser back twice, and the third time it is told what to check', async () => {
    const { sid, cookies } = await openByGuid()
    const browser = new Browser(cookies, signingIn)
    logged.mockClear()
    await browser.go(to(`${APP}/inbox`))
    at(4)
    await browser.go(to(`${APP}/inbox`))
    at(8)
    const before = await dumpTables(env.DB)
    const page = await browser.go(to(`${APP}/inbox`))

    expect(browser.answers).toEqual([303, 303, 429])
    expect([page.headers.get('Retry-After'), page.headers.getSetCookie()]).toEqual(['10', []])
    const text = await page.clone().text()
    expect(await pageOf(page)).toEqual({ title: 'You are being sent in circles', href: `${APP}/inbox` })
    expect(text).toContain('<dt>Signed in at</dt><dd>auth.localhost</dd><dt>Sent back by</dt><dd>app.example.com</dd>')
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(logged.mock.calls).toEqual([
      [{ event: 'refused', code: 'too_many_requests', status: 429, cause: 'return loop', route: '/refresh' }],
    ])
    expect(await endOf(sid)).toEqual(LIVE)
  })

  test('and of another site sends it back more often, since tabs with one link look the same', async () => {
    const { cookies } = await openByGuid()
    at(400)
    const browser = new Browser(cookies)
    for (let round = 0; round < 6; round += 1) {
      await browser.go(to(`${APP}/inbox`), 'cross-site')
      await browser.go(to(`${APP}/inbox`, '&again=1'), 'same-origin')
    }
    expect(browser.answers.filter((_, i) => i % 2 === 1)).toEqual([303, 303, 303, 303, 303, 429])
  })

  test('is not what tabs of different pages look like, or returns that are ten seconds apart', async () => {
    const { cookies } = await openByGuid()
    const browser = new Browser(cookies)
    for (const path of ['/a', '/b', '/c', '/a', '/b', '/c']) await browser.go(to(path))
    for (const seconds of [10, 20, 30, 40]) {
      at(seconds)
      await browser.go(to('/a'))
    }
    expect(browser.answers).toEqual(Array(10).fill(303))
  })

  test.each(['9', '9.', '9.zzzzzzzz', '99.00000000', '-1.00000000', '2.00000000', ''])(
    'is not seen in a cookie that is none of ours: %j',
    async (value) => {
      const { cookies } = await openByGuid()
      const browser = new Browser(cookies)
      browser.jar.set('refresh_returns', value)
      expect(await sentTo(await browser.go(to('/inbox')))).toBe('/inbox')
      expect(browser.jar.get('refresh_returns')).toMatch(/^1\./)
    },
  )

  test('with an answer that got lost waits twice, and then has people sign in, before anybody takes it for a thief', async () => {
    const { sid, cookies } = await openByGuid()
    at(400)
    await plain.call('/refresh', { cookies })
    const browser = new Browser(cookies, signingIn)
    for (const seconds of [401, 402, 403]) {
      at(seconds)
      await browser.go(to('/inbox'))
    }
    expect(browser.answers).toEqual([200, 200, 303])
    expect(await endOf(sid)).toEqual(LIVE)
  })
})

test('an answer without `to` is what it was', async () => {
  const { cookies } = await openByGuid()
  const browser = new Browser(cookies, signingIn)
  await browser.go(to('/inbox'))
  const response = await browser.go('/refresh', 'same-origin')

  expect(Object.keys(setCookies(response))).toEqual(['access_token', 'refresh_token'])
  expect(response.headers.get('Vary')).toBe('Sec-Fetch-Site, Sec-Purpose')
  expect(await textAnswer(await signingIn.call('/refresh', { cookies }))).toEqual(TEXT_USED)
  expect(await textAnswer(await signingIn.call('/refresh', { headers: navigation('cross-site'), cookies }))).toEqual(
    TEXT_FORBIDDEN,
  )
})

describe('the browser of a bound session', () => {
  const offering = startWorker({ RETURN_ORIGINS: APP, SIGN_IN_URL: SIGN_IN, DEVICE_BINDING: 'offer' })

  test('is sent on with the pair that it has, until that looks like a loop', async () => {
    const { jar } = await openBound(offering, crypto.randomUUID())
    at(100)
    const browser = new Browser(jar, offering)
    for (let i = 0; i < 2; i += 1) {
      const response = await browser.go(to(`${APP}/inbox`))
      expect(Object.keys(setCookies(response))).toEqual(['refresh_returns'])
      expect(await sentTo(response)).toBe(`${APP}/inbox`)
    }
    expect((await browser.go(to(`${APP}/inbox`))).status).toBe(429)
  })

  test('that opens several tabs by one link of another site is no loop before the sixth', async () => {
    const { jar } = await openBound(offering, crypto.randomUUID())
    at(100)
    const browser = new Browser(jar, offering)
    for (let i = 0; i < 6; i += 1) await browser.go(to(`${APP}/inbox`, '&again=1'))
    expect(browser.answers).toEqual([303, 303, 303, 303, 303, 429])
  })

  test('that has not proved its key waits twice, and then signs in; nothing changes', async () => {
    const { jar } = await openBound(offering, crypto.randomUUID())
    at(301)
    const before = await dumpTables(env.DB)
    const browser = new Browser({ refresh_token: jar.refresh_token }, offering)
    for (let i = 0; i < 2; i += 1) {
      const waiting = await browser.go(to(`${APP}/inbox`))
      expect(await pageOf(waiting)).toMatchObject({ ...WAITING, seconds: '1', url: `${APP}/inbox` })
    }
    expect(await sentTo(await browser.go(to(`${APP}/inbox`)))).toBe(
      `${SIGN_IN}?to=${encodeURIComponent(`${APP}/inbox`)}`,
    )
    expect(browser.answers).toEqual([200, 200, 303])
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('is told so at once where a script asks', async () => {
    const { jar } = await openBound(startWorker({ RETURN_ORIGINS: APP, DEVICE_BINDING: 'offer' }), crypto.randomUUID())
    at(301)
    const asked = await plain.call(to(APP), { cookies: jar, headers: { 'Sec-Fetch-Site': 'same-origin' } })
    expect([asked.status, challengeOf(asked).id]).toEqual([403, claimsOf(jar.refresh_token)['sid']])
  })
})
