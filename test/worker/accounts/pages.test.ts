/** The pages of accounts, as a browser without scripts uses them: forms, redirects, cookies, and what each says. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import {
  GOOD_PASSWORD,
  kindsTo,
  linkTo,
  mailsTo,
  OTHER_PASSWORD,
  registered,
  userRow,
} from '../../support/account-life.ts'
import { createAccount, insertPlace, PASSWORD } from '../../support/accounts.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { faultyDatabase } from '../../support/faulty-bindings.ts'
import { keepLog } from '../../support/log.ts'
import { form, refreshByCookies } from '../../support/requests.ts'
import { open } from '../../support/sessions.ts'
import {
  type CallOptions,
  ELSEWHERE,
  pairOf,
  setCookies,
  startWorker,
  type TestWorker,
  worker,
} from '../../support/worker.ts'

stopClock()
keepLog('warn')

type Cookies = ReturnType<typeof pairOf>

/** A browser with the cookies of a session, or with none. */
let cookies: Cookies | undefined

beforeEach(() => {
  cookies = undefined
})

function go(path: string, options: CallOptions = {}, by: TestWorker = worker) {
  return by.call(path, { ...(cookies !== undefined && { cookies }), ...options })
}

function send(path: string, fields: Readonly<Record<string, string>>, options: CallOptions = {}, by?: TestWorker) {
  const { headers, body } = form(fields)
  const sent = {
    ...options,
    method: 'POST',
    headers: { ...headers, ...(options.headers as object) },
    ...(body && { body }),
  }
  return go(path, { ...sent, headers: { ...sent.headers, 'Sec-Fetch-Site': 'same-origin' } }, by)
}

/** The text of a page, without its head. */
async function textOf(response: Response): Promise<string> {
  const [, body = ''] = (await response.text()).split('<body>')
  return body
}

function leadsTo(response: Response) {
  return [response.status, response.headers.get('Location')]
}

/** Where the form of the sign-in may lead to, under this `SIGN_IN_URL`. */
async function formAction(SIGN_IN_URL: string) {
  const { headers } = await go('/account/sign-in', {}, startWorker({ SIGN_IN_URL }))
  return headers.get('Content-Security-Policy')?.match(/form-action[^;]*/)?.[0]
}

/** Which languages the page of the account marks as that of its mails. */
async function chosenLanguages() {
  return (await textOf(await go('/account'))).match(/(?<=aria-current="true">)[^<]+/g)
}

/** Signs the browser in as a registered account. */
async function signIn() {
  const account = await registered()
  cookies = pairOf(await send('/account/sign-in', { primary_email: account.email, password: GOOD_PASSWORD }))
  return account
}

describe('signing in', () => {
  test('hands out the pair in cookies alone, and leads to the account', async () => {
    const { email } = await registered()
    const response = await send('/account/sign-in', { primary_email: email, password: GOOD_PASSWORD })
    expect(leadsTo(response)).toEqual([303, '/account'])
    expect(await response.text()).toBe('')
    cookies = pairOf(response)
    expect(await textOf(await go('/account'))).toContain(email)
  })

  test('leads to where somebody came from, if it may', async () => {
    const { email } = await registered()
    const fields = { primary_email: email, password: GOOD_PASSWORD }
    const by = startWorker({ RETURN_ORIGINS: 'https://app.example.com' })
    const shown = await go('/account/sign-in?to=https%3A%2F%2Fapp.example.com%2Fa', {}, by)
    expect(await textOf(shown.clone())).toContain('<input type="hidden" name="to" value="https://app.example.com/a"/>')
    expect(shown.headers.get('Content-Security-Policy')).toContain("form-action 'self' https://app.example.com;")
    const sent = await send('/account/sign-in', { ...fields, to: 'https://app.example.com/a' }, {}, by)
    expect(leadsTo(sent)).toEqual([303, 'https://app.example.com/a'])

    for (const to of ['https://evil.example', '//evil.example', 'javascript:alert(1)', '/\\evil.example']) {
      expect((await go(`/account/sign-in?to=${encodeURIComponent(to)}`, {}, by)).status).toBe(400)
      const refused = await send('/account/sign-in', { ...fields, to }, {}, by)
      expect([refused.status, setCookies(refused)], to).toEqual([400, {}])
    }
  })

  test.each([
    ['a wrong password', (email: string) => ({ primary_email: email, password: OTHER_PASSWORD })],
    ['an unknown address', () => ({ primary_email: 'nobody@example.com', password: GOOD_PASSWORD })],
  ])('by %s is the form again, with the address and without the password', async (_what, fieldsOf) => {
    const { email } = await registered()
    const fields = fieldsOf(email)
    const response = await send('/account/sign-in', fields)
    const text = await textOf(response)
    expect([response.status, setCookies(response)]).toEqual([401, {}])
    expect(text).toContain('The e-mail address and the password do not match')
    expect(text).toContain(`value="${fields.primary_email}"`)
    expect(text).toContain('href="/account/confirm"')
    expect(text).not.toContain(fields.password)
  })

  test('escapes what was typed', async () => {
    const typed = '"><script>alert(1)</script>'
    const text = await textOf(await send('/account/sign-in', { primary_email: typed, password: 'x' }))
    expect(text).not.toContain('<script>')
    expect(text).toContain('&quot;&gt;&lt;script&gt;')
  })

  test('is offered beside a registration only where there is one', async () => {
    expect(await textOf(await go('/account/sign-in'))).toContain('href="/account/register"')
    const closed = startWorker({ REGISTRATION: 'closed' })
    expect(await textOf(await go('/account/sign-in', {}, closed))).not.toContain('register')
    for (const path of ['/account/register', '/account/confirm']) {
      expect((await go(path, {}, closed)).status).toBe(404)
      expect((await send(path, { primary_email: 'a@example.com', password: GOOD_PASSWORD }, {}, closed)).status).toBe(
        404,
      )
    }
  })
})

describe('signing up', () => {
  test('says that a mail is on its way, and so does a reload; the mail has the language of the page', async () => {
    const email = `${crypto.randomUUID()}@example.com`
    const headers = { 'Accept-Language': 'ru' }
    const sent = await send('/account/register', { primary_email: email, password: GOOD_PASSWORD }, { headers })
    expect(leadsTo(sent)).toEqual([303, '?done=1'])
    expect(await textOf(await go('/account/register?done=1'))).toContain('Check your mailbox')
    expect((await mailsTo(email)).map(({ kind, language }) => [kind, language])).toEqual([['confirm_address', 'ru']])

    const token = await linkTo(email, 'confirm_address', 'confirm')
    const pressed = await send('/links/confirm', { token })
    expect(pressed.status).toBe(303)
    const done = `/links/confirm${pressed.headers.get('Location')}`
    for (const path of [done, done]) expect(await textOf(await go(path))).toContain('Your account is open')
    expect((await send('/account/sign-in', { primary_email: email, password: GOOD_PASSWORD })).status).toBe(303)
  })

  test('names what is wrong, each beside its field', async () => {
    const response = await send('/account/register', { primary_email: 'nobody', password: 'short' })
    const text = await textOf(response)
    expect(response.status).toBe(400)
    expect(text).toContain('<p class="error" id="primary_email-error">This is not an e-mail address.</p>')
    expect(text).toContain('aria-invalid="true"')
    const tooShort = await send('/account/register', { primary_email: 'a@example.com', password: 'short' })
    expect(await textOf(tooShort)).toContain(
      '<p class="error" id="password-error">It needs at least 15 characters.</p>',
    )
    const ru = { headers: { 'Accept-Language': 'ru' } }
    const russian = await send('/account/register', { primary_email: 'a@example.com', password: 'short' }, ru)
    expect(await textOf(russian)).toContain('Нужно не меньше 15 знаков.')
  })
})

describe('a page of an account', () => {
  const PAGES = ['', '/sessions', '/password', '/email', '/leave']

  test.each(PAGES)('%s is for whoever is signed in', async (page) => {
    const path = `/account${page}`
    const first = await go(path)
    expect(leadsTo(first)).toEqual([303, `/refresh?to=${encodeURIComponent(path)}`])
    // There is no pair to refresh, so that the browser is sent on to the sign-in.
    const second = await go(`/refresh?to=${encodeURIComponent(path)}`)
    expect(leadsTo(second)).toEqual([303, `/account/sign-in?to=${encodeURIComponent(path)}`])
    await signIn()
    expect((await go(path)).status).toBe(200)
  })

  test('is reached by a refresh when the access token is over', async () => {
    await signIn()
    at(301)
    const first = await go('/account/sessions')
    expect(leadsTo(first)).toEqual([303, '/refresh?to=%2Faccount%2Fsessions'])
    const second = await go('/refresh?to=%2Faccount%2Fsessions')
    expect(leadsTo(second)).toEqual([303, '/account/sessions'])
    cookies = pairOf(second)
    expect((await go('/account/sessions')).status).toBe(200)
  })

  test('asks once more for what was typed when the session was renewed meanwhile', async () => {
    await signIn()
    at(301)
    const fields = { current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD }
    const sent = await send('/account/password', fields)
    expect(leadsTo(sent)).toEqual([303, '/refresh?to=%2Faccount%2Fpassword%3Fagain%3D1'])
    cookies = pairOf(await go('/refresh?to=%2Faccount%2Fpassword%3Fagain%3D1'))
    expect(await textOf(await go('/account/password?again=1'))).toContain('Please fill this in once more')
  })

  test('sends nobody to the sign-in when the trouble is ours', async () => {
    await signIn()
    const d1 = faultyDatabase(env.DB)
    d1.failForGood('before')
    const broken = startWorker({ DB: d1.database })
    const response = await go('/account', {}, broken)
    expect(response.status).toBe(503)
    expect(await textOf(response)).toContain('The trouble is on our side')
  })

  test('whose address is mistyped is a page for browsers alone, and leads on', async () => {
    const html = { headers: { Accept: 'text/html' } }
    for (const path of ['/account/', '/account/session']) {
      const response = await go(path, html)
      expect([response.status, response.headers.get('Content-Type')]).toEqual([404, 'text/html; charset=UTF-8'])
      expect(response.headers.get('Content-Security-Policy')).toContain("style-src 'nonce-")
      expect(await textOf(response)).toContain('href="/account"')
      expect((await go(path)).headers.get('Content-Type')).toBe('application/problem+json')
    }
    expect(await textOf(await go('/account/register', html, startWorker({ REGISTRATION: 'closed' })))).toContain(
      'Nobody can create an account here',
    )
  })

  test('tells a password manager whose password it asks for', async () => {
    const { email } = await signIn()
    const owner = `<input type="text" name="username" value="${email}" autocomplete="username" readonly hidden/>`
    for (const page of ['password', 'email', 'leave']) {
      expect(await textOf(await go(`/account/${page}`))).toContain(owner)
      expect(await textOf(await send(`/account/${page}`, {}))).toContain(owner)
    }
    await send('/account/forgot', { primary_email: email })
    const token = await linkTo(email, 'reset_password', 'reset_password')
    expect(await textOf(await go(`/links/reset-password?token=${token}`))).toContain(owner)
  })

  test('may send a form on to SIGN_IN_URL, where its session is over', async () => {
    expect(await formAction('https://app.example.com/login')).toBe("form-action 'self' https://app.example.com")
    expect(await formAction('/account/sign-in')).toBe("form-action 'self'")
  })

  test('has every address below BASE_PATH', async () => {
    const by = startWorker({ BASE_PATH: '/auth-service' })
    const { email } = await registered()
    const sent = await send('/auth-service/account/sign-in', { primary_email: email, password: GOOD_PASSWORD }, {}, by)
    expect(leadsTo(sent)).toEqual([303, '/auth-service/account'])
    const text = await textOf(await go('/auth-service/account', { cookies: pairOf(sent) }, by))
    const paths = [...text.matchAll(/(?:href|action)="([^"]*)"/g)].map(([, path]) => path)
    expect(paths.length).toBeGreaterThan(4)
    for (const path of paths) expect(path).toMatch(/^\/auth-service\/account/)
    expect(leadsTo(await go('/auth-service/account', {}, by))).toEqual([
      303,
      '/auth-service/refresh?to=%2Fauth-service%2Faccount',
    ])
    expect(leadsTo(await go('/auth-service/refresh?to=%2Fauth-service%2Faccount', {}, by))).toEqual([
      303,
      '/auth-service/account/sign-in?to=%2Fauth-service%2Faccount',
    ])
  })

  test('loads nothing but its style, stands in no frame, and is kept by no cache', async () => {
    const { headers } = await go('/account/sign-in')
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-type': 'text/html; charset=UTF-8',
      'x-frame-options': 'DENY',
      vary: 'Accept-Language',
    })
    expect(headers.get('Content-Security-Policy')).toMatch(
      /^default-src 'none'; style-src 'nonce-[\w+/]+=*'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    )
  })
})

describe('the account', () => {
  test('signs out', async () => {
    const { email } = await signIn()
    const response = await send('/account/sign-out', {})
    expect(leadsTo(response)).toEqual([303, '/account/sign-in?done=signed-out'])
    expect(response.headers.getSetCookie().every((cookie) => cookie.includes('Max-Age=0'))).toBe(true)
    expect((await refreshByCookies(cookies ?? {})).status).toBe(401)
    expect(await textOf(await go('/account/sign-in?done=signed-out'))).toContain('You are signed out.')
    expect(await kindsTo(email)).toEqual(['confirm_address'])
  })

  test('chooses the language of its mails, and their time zone', async () => {
    const { id } = await signIn()
    expect(await chosenLanguages()).toEqual(['English'])
    const response = await send('/account', { language: 'ru' }, { cf: { timezone: 'Asia/Yekaterinburg' } })
    expect(await chosenLanguages()).toEqual(['Русский'])
    expect(leadsTo(response)).toEqual([303, '?done=language'])
    expect(await userRow(id)).toMatchObject({ language: 'ru', time_zone: 'Asia/Yekaterinburg' })
    expect((await send('/account', { language: 'xx' })).status).toBe(400)
    expect(await userRow(id)).toMatchObject({ language: 'ru' })
  })

  test('gets another password, and ends its other sessions', async () => {
    const { email, refresh } = await signIn()
    const wrong = await send('/account/password', { current_password: 'x', new_password: OTHER_PASSWORD })
    expect([wrong.status, await textOf(wrong)]).toEqual([
      400,
      expect.stringContaining('This is not the password of your account.'),
    ])
    const response = await send('/account/password', { current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD })
    expect(leadsTo(response)).toEqual([303, '/account?done=password'])
    expect(await textOf(await go('/account?done=password'))).toContain('Your password was changed.')
    expect((await worker.call('/auth/token/refresh', { method: 'POST', json: { refresh } })).status).toBe(401)
    expect((await send('/account/sign-in', { primary_email: email, password: OTHER_PASSWORD })).status).toBe(303)
  })

  test('gets another address', async () => {
    await signIn()
    const email = `${crypto.randomUUID()}@example.com`
    const response = await send('/account/email', { new_email: email, password: GOOD_PASSWORD })
    expect(leadsTo(response)).toEqual([303, '/account?done=email'])
    await send('/links/confirm-email', { token: await linkTo(email, 'confirm_email', 'confirm_email') })
    expect(await textOf(await go('/account'))).toContain(email)
  })

  test('is left, and says so', async () => {
    const { email, id } = await signIn()
    expect((await send('/account/leave', { password: 'x' })).status).toBe(400)
    const response = await send('/account/leave', { password: GOOD_PASSWORD })
    expect(leadsTo(response)).toEqual([303, '/account/sign-in?done=left'])
    expect(await textOf(await go('/account/sign-in?done=left'))).toContain('Your account was deleted.')
    expect(await userRow(id)).toMatchObject({ primary_email: null, left_at: T0 })
    expect((await kindsTo(email)).at(-1)).toBe('account_left')
  })
})

describe('sessions and places', () => {
  test('are listed, and ended one by one or all but this one', async () => {
    const account = await createAccount(env.DB)
    const others = [await open(account), await open(account), await open(account)]
    cookies = pairOf(await send('/account/sign-in', { primary_email: String(account.email), password: PASSWORD }))
    const text = await textOf(await go('/account/sessions'))
    expect(text.match(/<li>/g)).toHaveLength(4)
    expect(text.match(/class="tag"/g)).toHaveLength(1)
    // Buttons that say the same are told apart by what stands beside each.
    const described = [...text.matchAll(/aria-describedby="([^"]*)"/g)].map(([, id]) => id)
    expect(new Set(described).size).toBe(3)
    for (const id of described) expect(text.split(`id="${id}"`)).toHaveLength(2)

    const [first, ...rest] = others
    expect(leadsTo(await send('/account/sessions', { end: first?.sid ?? '' }))).toEqual([303, '?done=1'])
    expect((await refreshByCookies(first?.cookies ?? {})).status).toBe(401)
    expect((await textOf(await go('/account/sessions?done=1'))).match(/<li>/g)).toHaveLength(3)
    await send('/account/sessions', { others: '1' })
    for (const other of rest) expect((await refreshByCookies(other.cookies)).status).toBe(401)
    expect((await textOf(await go('/account/sessions'))).match(/<li>/g)).toHaveLength(1)
  })

  test('say which are bound to their device, and what that means', async () => {
    const account = await createAccount(env.DB)
    const { sid } = await open(account)
    cookies = pairOf(await send('/account/sign-in', { primary_email: String(account.email), password: PASSWORD }))
    expect(await textOf(await go('/account/sessions'))).not.toContain('Bound to this device')
    await env.DB.prepare("UPDATE sessions SET bound_key = 'x.y', bound_by = 'dbsc' WHERE sid = ?").bind(sid).run()
    expect((await textOf(await go('/account/sessions'))).match(/Bound to this device: copied/g)).toHaveLength(1)
  })

  test('of somebody else stay', async () => {
    const stranger = await open()
    await insertPlace(env.DB, stranger.account, 'asn:64500', { createdAt: T0, expiresAt: T0 + 90 })
    const place = await env.DB.prepare('SELECT id FROM allowed_places WHERE user_id = ?')
      .bind(stranger.account.id)
      .first('id')
    await signIn()
    await send('/account/sessions', { end: stranger.sid })
    await send('/account/sessions', { place: String(place) })
    expect((await refreshByCookies(stranger.cookies)).status).toBe(200)
    expect(await env.DB.prepare('SELECT count(*) AS n FROM allowed_places WHERE id = ?').bind(place).first('n')).toBe(1)
  })

  test('show the places that were allowed, and take them back', async () => {
    const { id } = await signIn()
    const place = { createdAt: T0, expiresAt: T0 + 86_400 }
    const owned = await insertPlace(env.DB, { id, guid: '', email: '', group: '' }, 'country:NZ', place)
    expect(await textOf(await go('/account/sessions'))).toContain('New Zealand')
    await send('/account/sessions', { place: String(owned) })
    expect(await textOf(await go('/account/sessions'))).not.toContain('New Zealand')
  })

  test.each([
    ['address:198.51.100.23/32', 'The IP address 198.51.100.23<'],
    ['address:2001:db8:4a7:1c00::/64', 'Every IP address that starts with 2001:<wbr/>db8:<wbr/>4a7:<wbr/>1c00<'],
    ['subnet:198.51.100.0/24', 'Every IP address that starts with 198.51.100<'],
    ['asn:64500', '(AS64500)<'],
    ['country:NZ', 'All of New Zealand<'],
    ['planet:earth', 'planet:earth<'],
  ])('name the place %s as its mail did', async (place, text) => {
    const { id } = await signIn()
    await insertPlace(env.DB, { id, guid: '', email: '', group: '' }, place, { createdAt: T0, expiresAt: T0 + 60 })
    expect(await textOf(await go('/account/sessions'))).toContain(text)
  })

  test('are shown from their own place alone, and who moved is told why they have to sign in', async () => {
    await signIn()
    expect((await go('/account/sessions', { ip: ELSEWHERE })).status).toBe(303)
    const moved = await go('/refresh?to=%2Faccount%2Fsessions', { ip: ELSEWHERE })
    expect(leadsTo(moved)).toEqual([303, '/account/sign-in?to=%2Faccount%2Fsessions&done=blocked'])
    expect(await textOf(await go(String(moved.headers.get('Location'))))).toContain('so we blocked it, and told you')
    // The next time there is nothing new to say.
    const again = await go('/refresh?to=%2Faccount%2Fsessions', { ip: ELSEWHERE })
    expect(leadsTo(again)).toEqual([303, '/account/sign-in?to=%2Faccount%2Fsessions'])
  })
})

/** The pages that its page leads to, and whether it says that it was used. */
async function leadsOn(response: Response) {
  const text = await textOf(response)
  const buttons = [...text.matchAll(/class="button(?: other)?" href="([^"]*)"/g)].map(([, path]) => path)
  return [response.status, text.includes('This link was used already'), buttons]
}

describe('a link of an account that does nothing any more', () => {
  test('of a registration leads to the sign-in, and to that mail again', async () => {
    const { email } = await registered()
    const token = await linkTo(email, 'confirm_address', 'confirm')
    const next = ['/account/sign-in', '/account/confirm', '/account']
    expect(await leadsOn(await go(`/links/confirm?token=${token}`))).toEqual([401, true, next])
    expect(await leadsOn(await send('/links/confirm', { token }))).toEqual([401, true, next])
    expect(await leadsOn(await go('/links/confirm?token=x'))).toEqual([400, false, next])
  })

  test('of a forgotten password leads to another mail', async () => {
    const { email } = await registered()
    await send('/account/forgot', { primary_email: email })
    const token = await linkTo(email, 'reset_password', 'reset_password')
    at(3601)
    const late = await go(`/links/reset-password?token=${token}`)
    expect(await leadsOn(late)).toEqual([401, false, ['/account/forgot', '/account']])
  })

  test('since there were too many tries says to wait, and blames nobody', async () => {
    const by = startWorker({ RATE_BY_ADDRESS: { limit: () => Promise.resolve({ success: false }) } })
    const response = await send('/links/reset-password', { token: 'x', new_password: GOOD_PASSWORD }, {}, by)
    const text = await textOf(response)
    expect([response.status, response.headers.get('Retry-After')]).toEqual([429, '60'])
    expect(text).toContain('Too many tries from here. Please wait for a minute.')
    expect(text).not.toContain('trouble is on our side')
  })
})
