/**
 * The playground of `npm start`, called as `wrangler dev` calls it: who may see it, what it changes of the requests that
 * are not its own, and what it shows of a database in any state. How it looks and works in a browser: `test/browser`.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import playground, { TokenService } from '../../../src/dev/index.ts'
import { createAccount, dumpTables, PASSWORD } from '../../support/accounts.ts'
import { bindTo } from '../../support/binding.ts'
import { DAY_SECONDS } from '../../support/clock.ts'
import { type CallOptions, type Overrides, pairOf, setCookies, startWorker } from '../../support/worker.ts'

const LOCAL = 'http://localhost:8787'
const SELF = '127.0.0.1'
const LISBON = '192.0.2.44'
const PAGE = 'Tessera playground'

const worker = start()

beforeEach(async () => {
  await env.DB.batch(
    ['users', 'sessions', 'allowed_places', 'notifications'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
  )
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  await press('/dev/place', { place: 'home' })
  await press('/dev/clock', { ahead: 'now' })
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

function start(overrides: Overrides & { DEMO_ACCOUNTS?: string } = {}) {
  const { call, ...rest } = startWorker(overrides, {}, playground)
  return {
    ...rest,
    call: (path: string, options: CallOptions = {}) => call(path, { origin: LOCAL, ip: SELF, ...options }),
  }
}

/** What a button of the page sends. */
function press(path: string, fields: Readonly<Record<string, string>> = {}, options: CallOptions = {}) {
  return worker.call(path, { method: 'POST', body: new URLSearchParams(fields), ...options })
}

async function page(options: CallOptions = {}): Promise<string> {
  const response = await worker.call('/dev', options)
  expect(response.status).toBe(200)
  return response.text()
}

async function sessionIps(): Promise<readonly unknown[]> {
  const { sessions = [] } = await dumpTables(env.DB)
  return sessions.map(({ ip }) => ip)
}

describe('the playground', () => {
  test.each(['http://localhost:8787', 'http://127.0.0.1:8787', 'http://[::1]:8787'])(
    'is there on %s',
    async (origin) => {
      expect(await page({ origin, headers: { Host: new URL(origin).host } })).toContain(PAGE)
    },
  )

  test.each([
    // Without PUBLIC_URL, no public name is served at all.
    ['under a public name', { origin: 'https://auth.example.com' }, 500],
    ['under a private address', { origin: 'http://192.168.1.7:8787' }, 500],
    ['under a name that only begins like ours', { origin: 'http://localhost.example.com:8787' }, 500],
    ['under a name that only ends like ours', { origin: 'http://not-localhost:8787' }, 500],
    ['for a foreign Host (DNS rebinding)', { headers: { Host: 'evil.example:8787' } }, 404],
    ['through the network of Cloudflare', { headers: { 'CF-Ray': '8c1d2e3f4a5b6c7d-FRA' } }, 404],
  ])('is not there %s: the real Worker answers', async (_name, options, status) => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    const account = await createAccount(env.DB, { passwordHash: null })
    for (const path of ['/dev', '/dev/mails/x', '/dev/mails/x/body']) {
      const text = await (await worker.call(path, options)).text()
      expect(text).toMatch(status === 500 ? /^$/ : /Wrong data structure|not_found/)
    }
    const before = await dumpTables(env.DB)
    for (const path of ['/dev/open', '/dev/place', '/dev/clock', '/dev/sessions/end', '/refresh/dev']) {
      const fields = { guid: account.guid, place: 'abroad', ahead: '86400', sid: 'x', how: 'refresh' }
      expect((await press(path, fields, options)).status).toBe(status)
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await page()).not.toContain('ahead</span>')
  })

  test('is not there where PUBLIC_URL is public, and is where that is this machine', async () => {
    const [elsewhere, here] = ['https://auth.example.com', 'http://localhost:8787'].map((url) =>
      start({ PUBLIC_URL: url, ISSUE_ACCESS: 'service' }),
    )

    expect((await elsewhere?.call('/dev'))?.status).toBe(421)
    expect(await (await here?.call('/dev'))?.text()).toContain(PAGE)
  })

  test.each([
    ['another site', { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' }],
    ['another port of this machine', { Origin: 'http://localhost:3000', 'Sec-Fetch-Site': 'same-site' }],
    ['a page without an origin', { Origin: 'null' }],
    ['a browser that hides the origin', { 'Sec-Fetch-Site': 'cross-site' }],
  ])('does nothing for a form of %s', async (_name, headers) => {
    const { guid } = await createAccount(env.DB)
    const before = await dumpTables(env.DB)
    for (const path of [
      '/dev/open',
      '/dev/place',
      '/dev/clock',
      '/refresh/dev',
      '/dev/sessions/end',
      '/dev/sign-out',
    ]) {
      const fields = { guid, place: 'abroad', ahead: '86400', how: 'refresh', sid: 'x' }
      expect((await press(path, fields, { headers })).status).toBe(403)
    }
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await page()).not.toContain('ahead</span>')
  })

  test('answers a form of its own page, and one of a shell', async () => {
    const own = { headers: { Origin: LOCAL, 'Sec-Fetch-Site': 'same-origin' } }
    expect((await press('/dev/place', { place: 'abroad' }, own)).status).toBe(303)
    expect((await press('/dev/place', { place: 'home' })).status).toBe(303)
  })

  test('refuses a form that it does not understand, and changes nothing', async () => {
    expect((await press('/dev/place', { place: 'thief' })).status).toBe(400)
    expect((await press('/dev/clock', { ahead: '-86400' })).status).toBe(400)
    expect((await press('/dev/open', { guid: 'x' })).status).toBe(400)
    expect(await page()).toMatch(/value="home" aria-pressed="true"/)
  })
})

describe('a request that is not for the playground', () => {
  test('is answered as the Worker answers it, to the byte', async () => {
    const real = startWorker()
    for (const path of ['/.well-known/jwks.json', '/auth/me', '/nothing/here', '/developer', '/refresh']) {
      const [ours, theirs] = await Promise.all([worker.call(path), real.call(path, { origin: LOCAL, ip: SELF })])
      expect([ours.status, [...ours.headers], await ours.text()]).toEqual([
        theirs.status,
        [...theirs.headers],
        await theirs.text(),
      ])
    }
  })

  test('comes from the pretended place, unless it names its own address', async () => {
    const { guid } = await createAccount(env.DB)
    await press('/dev/place', { place: 'abroad' })
    await worker.call(`/${guid}`)
    await worker.call(`/${guid}`, { ip: '198.51.100.9', cf: { city: 'Nelson', country: 'NZ' } })
    const { sessions = [] } = await dumpTables(env.DB)

    expect(new Set(sessions.map(({ ip, city, country, asn }) => [ip, city, country, asn].join()))).toEqual(
      new Set([`${LISBON},Lisbon,PT,64513`, '198.51.100.9,Nelson,NZ,']),
    )
  })

  test('keeps its method, body and other headers on the way', async () => {
    const { email } = await createAccount(env.DB)
    await press('/dev/place', { place: 'city' })
    const json = { primary_email: email, password: PASSWORD }
    const response = await worker.call('/auth/token', { method: 'POST', json, headers: { 'User-Agent': 'curl/8' } })

    expect(response.status).toBe(200)
    expect(await page()).toMatch(/curl · Dallas, US · 203\.0\.113\.80/)
  })

  test('is judged by the moved clock, and by that of the machine after the way back', async () => {
    const { guid } = await createAccount(env.DB)
    const cookies = pairOf(await worker.call(`/${guid}`))
    const verify = async (token: string) =>
      (await worker.call('/auth/token/verify', { method: 'POST', json: { token } })).status

    expect(await verify(cookies.access_token)).toBe(200)
    await press('/dev/clock', { ahead: '360' })
    expect(await verify(cookies.access_token)).toBe(401)
    expect(await verify(cookies.refresh_token)).toBe(200)
    await press('/dev/clock', { ahead: '950400' })
    expect(await verify(cookies.refresh_token)).toBe(401)
    expect((await worker.call('/refresh', { cookies })).status).toBe(401)
    await press('/dev/clock', { ahead: 'now' })
    expect(await verify(cookies.access_token)).toBe(200)
  })

  test('lets the cron run when time passes: what was due in the meantime is done', async () => {
    const { guid } = await createAccount(env.DB)
    const response = await worker.call(`/${guid}`)
    await worker.call('/auth/session', { method: 'DELETE', cookies: pairOf(response) })
    expect(await sessionIps()).toHaveLength(1)
    await press('/dev/clock', { ahead: String(DAY_SECONDS) })
    await press('/dev/clock', { ahead: '360' })

    expect(await sessionIps()).toEqual([])
  })
})

describe('an action', () => {
  test('hands on the cookies of the answer, for the paths that they are for, and shows both sides of it', async () => {
    // The second may change between the pair and its cookies, which then live for one less.
    vi.setSystemTime(new Date())
    const { email } = await createAccount(env.DB)
    const answered = await press('/dev/sign-in', { primary_email: email ?? '', password: PASSWORD })

    expect([answered.status, answered.headers.get('Location')]).toEqual([303, '/dev#browser'])
    expect(setCookies(answered)).toMatchObject({
      access_token: { attributes: ['Max-Age=864000', 'Path=/', 'HttpOnly', 'SameSite=Strict'] },
      refresh_token: { attributes: ['Max-Age=864000', 'Path=/refresh', 'HttpOnly', 'SameSite=Strict'] },
    })
    const { access_token, refresh_token } = pairOf(answered)
    const text = await page({ cookies: { access_token } })
    expect(text).toContain('POST /auth/session')
    expect(text).toContain('200 OK')
    for (const token of [access_token, refresh_token]) expect(text).not.toContain(token)
  })

  test('of a thief gives this browser nothing, and the mail about it is there at once', async () => {
    const { guid, email } = await createAccount(env.DB)
    const cookies = pairOf(await worker.call(`/${guid}`))
    const answered = await press('/refresh/dev', { how: 'steal' }, { cookies })

    expect(answered.headers.getSetCookie()).toEqual([])
    const text = await page({ cookies: { access_token: cookies.access_token } })
    expect(text).toContain('You&#39;re location is blocked')
    expect(text).toContain('ended: used from elsewhere')
    const id = /\/dev\/mails\/([\w-]+)/.exec(text)?.[1] ?? ''
    expect(await (await worker.call(`/dev/mails/${id}`)).text()).toContain(`To ${email}`)
    const body = await worker.call(`/dev/mails/${id}/body`)
    expect(body.headers.get('Content-Security-Policy')).toMatch(/default-src 'none'.*sandbox allow-popups/)
    expect(await body.text()).toMatch(
      /<base target="_blank" \/>[\s\S]*http:\/\/localhost:8787\/links\/allow-place\?token=/,
    )
  })

  test('of a thief who gets through gives this browser nothing either: the pair is the thief’s', async () => {
    const { guid } = await createAccount(env.DB)
    const lax = start({ LOCATION_POLICY: 'off' })
    const cookies = pairOf(await lax.call(`/${guid}`))
    const body = new URLSearchParams({ how: 'steal' })
    const answered = await lax.call('/refresh/dev', { method: 'POST', body, cookies })

    expect(answered.headers.getSetCookie()).toEqual([])
    expect(await (await lax.call('/dev', { cookies })).text()).toMatch(/Use the pair from elsewhere[\s\S]*200 OK/)
    expect((await lax.call('/refresh', { cookies })).status).toBe(401)
  })

  test('that presents the previous pair is a race at first, and theft after six minutes', async () => {
    const { guid } = await createAccount(env.DB)
    const first = pairOf(await worker.call(`/${guid}`))
    const again = async (pair: Readonly<Record<string, string>>) => {
      await press('/refresh/dev', { how: 'again' }, { cookies: pair })
      return page({ cookies: pair })
    }
    expect(await again(first)).toContain('refresh first')
    // A refresh of any client is seen, not only those of the page.
    const second = pairOf(await worker.call('/refresh', { cookies: first }))

    expect(await again(second)).toMatch(/Token used before[\s\S]*cause=<\/span>race[\s\S]*1 live/)
    await press('/dev/clock', { ahead: '360' })
    expect(await again(second)).toMatch(/ended: used twice[\s\S]*cause=<\/span>reused[\s\S]*0 live/)
  })

  test('that ends a session ends that one alone', async () => {
    const { guid } = await createAccount(env.DB)
    const [one, other] = [pairOf(await worker.call(`/${guid}`)), pairOf(await worker.call(`/${guid}`))]
    const sid = JSON.parse(atob(one.access_token.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? '')).sid
    await press('/dev/sessions/end', { sid })

    expect((await worker.call('/refresh', { cookies: one })).status).toBe(401)
    expect((await worker.call('/refresh', { cookies: other })).status).toBe(200)
  })
})

describe('the page', () => {
  test('has nothing to show of an empty database, and says how it fills', async () => {
    const text = await page()

    expect(text).toContain('No accounts yet')
    expect(text).toContain('None. Every sign-in opens one')
    expect(text).toContain('its owner gets one')
  })

  test('of a database that is not migrated says what to run; so do its buttons, and time may still pass', async () => {
    await env.DB.exec('ALTER TABLE notifications RENAME TO hidden')
    try {
      expect(await page()).toMatch(/The database cannot be read\..*not migrated.*npm start/)
      expect((await worker.call('/dev/mails/x')).status).toBe(404)
      expect((await press('/dev/clock', { ahead: '360' })).status).toBe(303)
      expect(await page()).toContain('6 min ahead')
    } finally {
      await env.DB.exec('ALTER TABLE hidden RENAME TO notifications')
    }
  })

  test('of a Worker that cannot start says why, and no secret', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    const response = await start({ AUTH_SECRET: 'too-short-for-a-secret' }).call('/dev')
    const text = await response.text()

    expect(response.status).toBe(500)
    expect(text).toContain('AUTH_SECRET needs at least 43 characters')
    expect(text).not.toContain('too-short-for-a-secret')
  })

  test('escapes whatever others wrote: addresses, devices, errors, requests', async () => {
    const evil = '<img src=x onerror=alert(1)>'
    const { guid } = await createAccount(env.DB, { email: `${evil}@example.com` })
    const cookies = pairOf(await worker.call(`/${guid}`, { headers: { 'User-Agent': `Safe ${evil}` } }))
    await press('/refresh/dev', { how: 'steal' }, { cookies })
    await env.DB.prepare('UPDATE notifications SET failed_at = 1, last_error = ?').bind(evil).run()
    await press('/dev/sign-in', { primary_email: evil, password: evil })
    const text = await page({ cookies })
    const mail = await (await worker.call(/\/dev\/mails\/[\w-]+/.exec(text)?.[0] ?? '')).text()

    for (const shown of [text, mail]) {
      expect(shown).toContain('&lt;img src=x')
      expect(shown).not.toContain('<img')
    }
    expect(mail).toContain('Given up: &lt;img')
  })

  test('shows a mail that no version can read as such', async () => {
    const { guid } = await createAccount(env.DB)
    const cookies = pairOf(await worker.call(`/${guid}`))
    await press('/refresh/dev', { how: 'steal' }, { cookies })
    await env.DB.exec(`UPDATE notifications SET facts = '{}'`)

    expect(await page()).toContain('unreadable: location_blocked')
  })

  test('has no script, and lets in nothing but its own style and the frame of a mail', async () => {
    const response = await worker.call('/dev')
    const policy = response.headers.get('Content-Security-Policy')

    expect(policy).toMatch(
      /^default-src 'none'; style-src 'nonce-[\w+/=]+'; form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    )
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expect(await response.text()).not.toMatch(/<script|javascript:|\son\w+=/i)
  })

  test('signs in with the passwords that npm start handed over', async () => {
    await createAccount(env.DB, { email: 'demo@example.com' })
    const accounts = { demo: { guid: 'x', primary_email: 'demo@example.com', password: 'known "here"' } }
    const text = await (await start({ DEMO_ACCOUNTS: JSON.stringify(accounts) }).call('/dev')).text()

    expect(text).toContain('aria-label="Sign in as demo@example.com"')
    expect(text).toContain('value="known &quot;here&quot;"')
    expect(await page()).toContain('aria-label="Open a session for demo@example.com"')
  })
})

describe('below a prefix, with a cookie of a domain', () => {
  const HERE = 'http://auth.tessera.localhost:8787'
  const prefixed = start({ BASE_PATH: '/auth-service', PUBLIC_URL: HERE, COOKIE_DOMAIN: 'tessera.localhost' })
  const pressBelow = (path: string, fields: Readonly<Record<string, string>>, options: CallOptions = {}) =>
    prefixed.call(path, { method: 'POST', body: new URLSearchParams(fields), origin: HERE, ...options })

  test('the playground asks there, and its refresh is where the cookie goes', async () => {
    const { guid } = await createAccount(env.DB)
    const first = pairOf(await pressBelow('/dev/open', { guid }))
    const cookies = pairOf(await pressBelow('/auth-service/refresh/dev', { how: 'refresh' }, { cookies: first }))
    await pressBelow('/auth-service/refresh/dev', { how: 'again' }, { cookies })
    const text = await (await prefixed.call('/dev', { cookies, origin: HERE })).text()

    expect(text).toContain('action="/auth-service/refresh/dev"')
    expect(text).toContain('GET /auth-service/refresh')
    expect(text).toContain('Token used before')
    expect((await pressBelow('/refresh/dev', { how: 'refresh' }, { cookies })).status).toBe(404)
  })
})

test('a Worker that is bound to it meets the clock of the run, also where its call is the first of all', async () => {
  const { access_token: access } = pairOf(await worker.call(`/${crypto.randomUUID()}`))
  const other = start()
  const tessera = bindTo(other, {}, TokenService)
  expect(await tessera.verify(access)).toMatchObject({ ok: true })
  await press('/dev/clock', { ahead: '360' })
  expect(await tessera.verify(access)).toMatchObject({ ok: false, code: 'token_not_valid' })
})
