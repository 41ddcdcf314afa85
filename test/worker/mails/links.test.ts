/**
 * The links of a mail about a blocked refresh, from the mail to what they do. Whoever merely opens one changes nothing,
 * whoever presses its button does so once, and no other token and no other page can stand in.
 */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { LINK_PATHS, signLink } from '../../../src/domain/mails/links.ts'
import type { NoticeFacts } from '../../../src/domain/mails/notice.ts'
import type { LinkPurpose } from '../../../src/domain/tokens/claims.ts'
import { createTokens } from '../../../src/domain/tokens/tokens.ts'
import { renderMail } from '../../../src/mail/message.ts'
import { createAccount, dumpTables, type TestAccount } from '../../support/accounts.ts'
import { at, T0 } from '../../support/clock.ts'
import { decodeToken, encodePart, forge, strangerKeys, testKeys } from '../../support/forge.ts'
import { type MailRow, openMailbox, readOutbox, waitUntil } from '../../support/mailbox.ts'
import {
  type CallOptions,
  ELSEWHERE,
  HOME,
  ORIGIN,
  pairOf,
  startWorker,
  type TestWorker,
} from '../../support/worker.ts'

const DAY_SECONDS = 86_400
const PURPOSES = ['end_sessions', 'allow_place'] as const satisfies readonly LinkPurpose[]
const FAR = { asn: 64_511, country: 'NZ', city: 'Nelson', asOrganization: 'Far Net' } as const
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

const worker = startWorker()
const tokens = createTokens(testKeys)

beforeEach(async () => {
  await env.DB.batch(
    ['users', 'sessions', 'allowed_places', 'notifications'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
  )
  vi.useFakeTimers({ toFake: ['Date'] })
  at(0)
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

interface Cookies extends Readonly<Record<string, string>> {
  readonly access_token: string
  readonly refresh_token: string
}

/** The tokens of the links in one mail. */
type Links = Readonly<Record<LinkPurpose, string>>

async function open(account: TestAccount, options: CallOptions = {}, by: TestWorker = worker): Promise<Cookies> {
  return pairOf(await by.call(`/${account.guid}`, options))
}

/** The next pair, or the status of the refusal. */
async function refresh(cookies: Cookies, options: CallOptions = {}, by: TestWorker = worker) {
  const response = await by.call('/refresh', { ...options, cookies })
  return { status: response.status, next: response.status === 200 ? pairOf(response) : cookies }
}

/** Has a session of the account blocked, and returns the links of the mail about it. */
async function block(account: TestAccount, options: CallOptions = {}, by: TestWorker = worker): Promise<Links> {
  const cookies = await open(account, { cf: { asn: 64_496, country: 'IS' } }, by)
  const { status } = await refresh(cookies, { ip: ELSEWHERE, cf: FAR, ...options }, by)
  if (status !== 401) throw new Error(`not blocked but ${status}`)
  return linksOf(await textOfMail(cookies))
}

/** The plain text of the mail about a session, rendered from its row as the queue's consumer renders it. */
async function textOfMail(session: Cookies, publicUrl?: string): Promise<string> {
  const { sid } = decodeToken(session.refresh_token).payload
  const row = (await readOutbox()).find((one) => String(one['dedupe_key']).endsWith(`:${String(sid)}`))
  if (row === undefined) throw new Error('no mail')
  const { text } = await renderMail(noticeOf(row), 'address', (purpose, notice) =>
    signLink({ tokens, settings: { publicUrl } }, purpose, notice),
  )
  return text
}

function noticeOf(row: MailRow) {
  return {
    id: row.id,
    kind: row['kind'] === 'token_reused' ? ('token_reused' as const) : ('location_blocked' as const),
    recipient: String(row['recipient']),
    facts: JSON.parse(String(row['facts'])) as NoticeFacts,
  }
}

function linksOf(text: string): Links {
  const tokenAt = (purpose: LinkPurpose) =>
    text.split(`${ORIGIN}${LINK_PATHS[purpose]}?token=`)[1]?.split(/\s/, 1)[0] ?? ''
  return { end_sessions: tokenAt('end_sessions'), allow_place: tokenAt('allow_place') }
}

function show(purpose: LinkPurpose, token: string, options: CallOptions = {}, by: TestWorker = worker) {
  return by.call(`${LINK_PATHS[purpose]}?token=${token}`, options)
}

interface PressOptions extends CallOptions {
  /** Ticks the box of the former place. */
  readonly former?: true
}

function press(
  purpose: LinkPurpose,
  token: string,
  { former, ...options }: PressOptions = {},
  by: TestWorker = worker,
) {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  return by.call(LINK_PATHS[purpose], {
    headers,
    ...options,
    method: 'POST',
    body: new URLSearchParams({ token, ...(former && { former: 'yes' }) }).toString(),
  })
}

/** All that is stored, the uses of links included. */
async function allRows() {
  const used = await env.DB.prepare('SELECT id, sessions_ended_at, place_allowed_at FROM notifications').all()
  return { ...(await dumpTables(env.DB)), used: used.results }
}

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; style-src 'nonce-NONCE'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'content-type': 'text/html; charset=UTF-8',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
}

/** A page whole: its nonce by name, which has to be the one in its policy, and its style sheet left out. */
async function read(response: Response) {
  const headers = Object.fromEntries(response.headers)
  const body = await response.text()
  const nonce = /'nonce-([\w+/=]+)'/.exec(headers['content-security-policy'] ?? '')?.[1] ?? 'none'
  return {
    status: response.status,
    headers: { ...headers, 'content-security-policy': headers['content-security-policy']?.replace(nonce, 'NONCE') },
    body: body.replace(/<style nonce="([^"]*)">[^<]*<\/style>/, (_all, own) => (own === nonce ? '[style]' : '[?]')),
    nonce,
  }
}

function page(title: string, content: string, status = 200) {
  const authenticate: Record<string, string> = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
  return {
    status,
    headers: { ...HEADERS, ...authenticate },
    body:
      '<!doctype html><html lang="en"><head><meta charset="utf-8"/>' +
      '<meta name="viewport" content="width=device-width, initial-scale=1"/><meta name="robots" content="noindex"/>' +
      `<title>${title}</title>[style]</head><body><main><h1>${title}</h1>${content}</main></body></html>`,
    nonce: expect.stringMatching(/^[\w+/]{22}==$/) as string,
  }
}

const QUESTIONS = {
  end_sessions: [
    'End all your sessions?',
    'Every device that is signed in to your account will have to sign in again, yours included. Places that you allowed are taken back, and the other link of the mail stops working.',
    'End all my sessions',
  ],
  allow_place: [
    'Was that you?',
    'If you recognize this, you can allow the place: for 90 days your sessions may move there and back. If you do not, leave this page and end all your sessions by the other link of the mail.',
    'That was me, allow this place',
  ],
} as const

interface Offered {
  readonly policy?: string
  readonly blocked: string
  readonly former: string | null
}

const OFFERED: Offered = { blocked: `The address ${ELSEWHERE}`, former: `the address ${HOME}` }

function offer({ policy = 'address', blocked, former }: Offered): string {
  const box = '<input type="checkbox" name="former" value="yes"/>'
  const label = former === null ? '' : `<label>${box}<span>Also where this session had been: ${former}</span></label>`
  const seen = `<input type="hidden" name="policy" value="${policy}"/>`
  return `<h2>What you would allow, for 90 days</h2><p>${blocked}.</p>${seen}${label}`
}

function askPage(
  purpose: LinkPurpose,
  token: string,
  details: Readonly<Record<string, string>>,
  offered: Offered = OFFERED,
) {
  const [title, consequence, button] = QUESTIONS[purpose]
  const list = Object.entries(details).map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`)
  return page(
    title,
    `<p>${consequence}</p><h2>What happened</h2><dl>${list.join('')}</dl>` +
      `<form method="post"><input type="hidden" name="token" value="${token}"/>` +
      (purpose === 'allow_place' ? offer(offered) : '') +
      `<button type="submit"${purpose === 'end_sessions' ? ' class="danger"' : ''}>${button}</button></form>`,
  )
}

const CLOSE = '<p class="quiet">You can close this page.</p>'
const DONE_PAGES = {
  end_sessions: page(
    'All your sessions have ended',
    `<p>Every device has to sign in again, the last of them within minutes. Change your password if it may be known.</p>${CLOSE}`,
  ),
  allow_place: donePage(`the address ${ELSEWHERE}`),
}

function donePage(places: string) {
  const allowed = `<p>For 90 days, your sessions may be used from ${places}.</p>`
  const ended = '<p>The session that was blocked has ended all the same: sign in again.</p>'
  return page('This place is allowed', `${allowed}${ended}${CLOSE}`)
}

const USED_PAGE = page(
  'This link was used already',
  '<p>Each link of a mail works once, none after all sessions were ended by it, and mails are forgotten after thirty days. To see where you are signed in, sign in and look at your sessions.</p>',
  401,
)

function brokenPage(status: number) {
  return page(
    'This link does not work',
    '<p>It may be older than 24 hours, or it was not copied whole. Open it from the mail itself; if it is too old, sign in and look at your sessions there.</p>',
    status,
  )
}

describe('a mail', () => {
  test('about a blocked refresh carries both links, in text and HTML, and no other mail of its kind the same', async () => {
    const mailbox = openMailbox()
    const account = await createAccount(env.DB)
    const links = await block(account, {}, mailbox)
    await waitUntil(() => mailbox.mails.length === 1)
    const mail = mailbox.mails[0] as { text: string; html: string }

    expect(linksOf(mail.text)).toEqual(links)
    for (const purpose of PURPOSES) {
      expect(mail.html).toContain(`href="${ORIGIN}${LINK_PATHS[purpose]}?token=${links[purpose]}"`)
      expect(decodeToken(links[purpose])).toEqual({
        header: { alg: 'HS256', typ: 'JWT', kid: testKeys.link.signing.kid },
        payload: {
          token_type: 'link',
          purpose,
          nid: (await readOutbox())[0]?.['id'],
          iat: T0,
          exp: T0 + DAY_SECONDS,
        },
      })
    }
    expect(await block(account)).not.toEqual(links)
  })

  test('about reuse carries the link that ends all sessions, and not the other', async () => {
    const account = await createAccount(env.DB)
    const first = await open(account)
    const { next } = await refresh(first)
    at(11)
    await refresh(first)
    const links = linksOf(await textOfMail(first))

    expect(links).toEqual({ end_sessions: expect.stringMatching(/./) as string, allow_place: '' })
    const other = await open(account)
    expect(await read(await press('end_sessions', links.end_sessions))).toEqual(DONE_PAGES.end_sessions)
    expect((await refresh(other)).status).toBe(401)
    expect((await refresh(next)).status).toBe(401)
  })

  test("about a pair that came out of somebody's Worker offers no place, since anybody can run one", async () => {
    const account = await createAccount(env.DB)
    const session = await open(account)
    const shared = { ip: '2a06:98c0:3600::103' }
    expect((await refresh(session, shared)).status).toBe(401)
    const text = await textOfMail(session)
    const links = linksOf(text)

    expect(links).toEqual({ end_sessions: expect.stringMatching(/./) as string, allow_place: '' })
    expect(text).toContain('the place cannot be allowed')
    const [row] = await readOutbox()
    if (row === undefined) throw new Error('no mail')
    const services = { tokens, settings: { publicUrl: undefined } }
    const made = (await signLink(services, 'allow_place', noticeOf(row))).split('token=')[1] ?? ''
    for (const answer of [await show('allow_place', made), await press('allow_place', made, { former: true })]) {
      expect(await read(answer)).toEqual(brokenPage(401))
    }
    expect((await dumpTables(env.DB))['allowed_places']).toEqual([])
    expect((await press('end_sessions', links.end_sessions)).status).toBe(200)
  })

  test('links to PUBLIC_URL', async () => {
    const session = await open(await createAccount(env.DB))
    await refresh(session, { ip: ELSEWHERE })
    const text = await textOfMail(session, 'https://login.example.org')

    expect(text.match(/https:\/\/[\w.]+\/links\/[\w-]+/g)).toEqual([
      'https://login.example.org/links/end-sessions',
      'https://login.example.org/links/allow-place',
    ])
  })
})

describe.each(PURPOSES)('the page of %s', (purpose) => {
  const details = {
    When: '2027-01-15 08:00 UTC',
    City: 'Nelson',
    Country: 'New Zealand',
    Network: 'Far Net, AS64511',
    Address: ELSEWHERE,
    Device: 'Firefox on Linux',
  }

  test('says what happened and what its button does, under a policy that lets nothing else in', async () => {
    const links = await block(await createAccount(env.DB), { headers: { 'User-Agent': FIREFOX } })

    expect(await read(await show(purpose, links[purpose]))).toEqual(askPage(purpose, links[purpose], details))
  })

  test('opens from a mail program, which is another site, and asks for no address', async () => {
    const links = await block(await createAccount(env.DB), { headers: { 'User-Agent': FIREFOX } })
    const options = { ip: null, headers: { 'Sec-Fetch-Site': 'cross-site', 'Sec-Purpose': 'prefetch' } }

    expect(await read(await show(purpose, links[purpose], options))).toEqual(askPage(purpose, links[purpose], details))
  })

  test('calls unknown what nobody knows', async () => {
    const links = await block(await createAccount(env.DB), { cf: {} })

    expect(await read(await show(purpose, links[purpose]))).toEqual(
      askPage(purpose, links[purpose], {
        ...details,
        City: 'unknown',
        Country: 'unknown',
        Network: 'unknown',
        Device: 'unknown',
      }),
    )
  })

  test('escapes what a stranger chose', async () => {
    const links = await block(await createAccount(env.DB), {
      cf: {
        ...FAR,
        city: '"><script>alert(1)</script>',
        asOrganization: "</dd></dl><img src=x onerror='alert(1)'>\r\nAddress: 192.0.2.1\u202e",
        country: '<b>' as 'T1',
      },
      headers: { 'User-Agent': 'Go/1 <svg onload=alert(1)> https://evil.example' },
    })

    expect(await read(await show(purpose, links[purpose]))).toEqual(
      askPage(purpose, links[purpose], {
        ...details,
        City: '&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;',
        Country: 'unknown',
        Network: '&lt;/dd&gt;&lt;/dl&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt; Address: 192.0.2.1, AS64511',
        Device: 'unknown',
      }),
    )
  })

  test('has a nonce of its own each time', async () => {
    const links = await block(await createAccount(env.DB))
    const pages = await Promise.all(Array.from({ length: 5 }, () => show(purpose, links[purpose]).then(read)))

    expect(new Set(pages.map(({ nonce }) => nonce)).size).toBe(5)
  })

  test('changes nothing, however often it is opened', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const session = await open(account)
    const before = await allRows()

    for (const method of ['HEAD', 'GET', 'GET', 'GET', 'HEAD']) {
      const response = await show(purpose, links[purpose], { method })
      const { status, body } = await read(response)
      expect({ method, status, isEmpty: body === '' }).toEqual({ method, status: 200, isEmpty: method === 'HEAD' })
    }
    expect(await allRows()).toEqual(before)
    expect((await refresh(session)).status).toBe(200)
    expect(await read(await press(purpose, links[purpose]))).toEqual(DONE_PAGES[purpose])
  })
})

describe('pressing the button', () => {
  test.each(PURPOSES)('of %s works once; then the page says so', async (purpose) => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    at(60)
    expect(await read(await press(purpose, links[purpose]))).toEqual(DONE_PAGES[purpose])
    const session = await open(account)
    await env.DB.prepare('DELETE FROM allowed_places').run()
    const before = await allRows()

    // In the same second and later.
    for (const seconds of [60, 61, DAY_SECONDS - 1]) {
      at(seconds)
      expect(await read(await press(purpose, links[purpose]))).toEqual(USED_PAGE)
      expect(await read(await show(purpose, links[purpose]))).toEqual(USED_PAGE)
    }
    expect(await allRows()).toEqual(before)
    expect((await refresh(session)).status).toBe(200)
  })

  test.each(PURPOSES)('of %s eight times at once does it once', async (purpose) => {
    const links = await block(await createAccount(env.DB))
    const statuses = await Promise.all(
      Array.from({ length: 8 }, async () => (await press(purpose, links[purpose])).status),
    )

    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 401, 401, 401, 401, 401, 401, 401])
  })

  test('of allow_place leaves end_sessions to be used', async () => {
    const links = await block(await createAccount(env.DB))

    expect(await read(await press('allow_place', links.allow_place))).toEqual(DONE_PAGES.allow_place)
    expect((await show('end_sessions', links.end_sessions)).status).toBe(200)
    expect(await read(await press('end_sessions', links.end_sessions))).toEqual(DONE_PAGES.end_sessions)
  })

  test('of end_sessions voids the other link of that mail, and no other mail', async () => {
    const account = await createAccount(env.DB)
    const [links, later] = [await block(account), await block(account)]
    await press('end_sessions', links.end_sessions)
    const before = await allRows()

    expect(await read(await show('allow_place', links.allow_place))).toEqual(USED_PAGE)
    expect(await read(await press('allow_place', links.allow_place))).toEqual(USED_PAGE)
    expect(await allRows()).toEqual(before)
    expect((await press('allow_place', later.allow_place)).status).toBe(200)
  })

  test('of both links at once ends everything, and whatever was allowed is taken back or was not', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const session = await open(account)
    const [ended] = await Promise.all([
      press('end_sessions', links.end_sessions),
      press('allow_place', links.allow_place),
    ])

    expect(ended.status).toBe(200)
    expect((await dumpTables(env.DB))['allowed_places']).toEqual([])
    expect((await refresh(session)).status).toBe(401)
  })

  test('of allow_place allows nothing when its page said less than it would do today, and the link stays good', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const wide = startWorker({ LOCATION_POLICY: 'country' })
    const before = await allRows()
    const seen = await (await show('allow_place', links.allow_place)).text()
    const fields = [...seen.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value])
    const pressed = (by: TestWorker) =>
      by.call(LINK_PATHS.allow_place, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(fields).toString(),
      })

    expect(await read(await pressed(wide))).toEqual(brokenPage(401))
    expect(await allRows()).toEqual(before)
    expect((await pressed(worker)).status).toBe(200)
  })

  test('of allow_place allows nothing when end_sessions was pressed while it was being carried out', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const slow = new Proxy(env.DB, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (name !== 'batch') return typeof member === 'function' ? member.bind(target) : member
        return async (statements: D1PreparedStatement[]) => {
          expect((await press('end_sessions', links.end_sessions)).status).toBe(200)
          return target.batch(statements)
        }
      },
    })

    const late = await press('allow_place', links.allow_place, { former: true }, startWorker({ DB: slow }))
    expect(await read(late)).toEqual(USED_PAGE)
    expect((await dumpTables(env.DB))['allowed_places']).toEqual([])
  })

  test('of end_sessions takes back what that account had allowed, and nothing of another', async () => {
    const [account, stranger] = [await createAccount(env.DB), await createAccount(env.DB)]
    for (const owner of [account, stranger]) await press('allow_place', (await block(owner)).allow_place)
    await press('end_sessions', (await block(account, { ip: '192.0.2.1' })).end_sessions)

    const { allowed_places: left } = await dumpTables(env.DB)
    expect(left?.map((row) => row['user_id'])).toEqual([stranger.id])
  })

  test('of end_sessions ends every session of that account, and of no other', async () => {
    const account = await createAccount(env.DB)
    const stranger = await createAccount(env.DB)
    const links = await block(account)
    const [one, two] = [await open(account), await open(account, { ip: ELSEWHERE })]
    const foreign = await open(stranger)
    at(60)
    await press('end_sessions', links.end_sessions)

    // One row says it of all of them.
    const rows = await env.DB.prepare('SELECT id, ended_before, ended_except FROM users ORDER BY id').all()
    expect(rows.results).toEqual([
      { id: account.id, ended_before: T0 + 60, ended_except: null },
      { id: stranger.id, ended_before: null, ended_except: null },
    ])
    expect((await refresh(one)).status).toBe(401)
    expect((await refresh(two, { ip: ELSEWHERE })).status).toBe(401)
    expect((await refresh(foreign)).status).toBe(200)
    expect((await refresh(await open(account))).status).toBe(200)
  })

  test('of end_sessions ends the session, too, that had ended all others: it may have been a thief', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const thief = await open(account)
    const { access_token } = thief
    expect((await worker.call('/auth/sessions', { method: 'DELETE', cookies: { access_token } })).status).toBe(204)
    expect((await worker.call('/auth/me', { cookies: { access_token } })).status).toBe(200)

    expect((await press('end_sessions', links.end_sessions)).status).toBe(200)
    expect((await worker.call('/auth/me', { cookies: { access_token } })).status).toBe(401)
    expect((await refresh(thief)).status).toBe(401)
  })

  test('of allow_place ends no session and opens none', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    await open(account)
    const { sessions: before } = await dumpTables(env.DB)
    await press('allow_place', links.allow_place)

    expect((await dumpTables(env.DB))['sessions']).toEqual(before)
  })

  test.each(PURPOSES)('of %s on a page of another site is forbidden, and the link stays good', async (purpose) => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    await open(account)
    const before = await allRows()
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'cross-site' }

    expect(await read(await press(purpose, links[purpose], { headers }))).toEqual(brokenPage(403))
    expect(await allRows()).toEqual(before)
    expect(await read(await press(purpose, links[purpose]))).toEqual(DONE_PAGES[purpose])
  })

  test.each(PURPOSES)(
    'of %s in a request without Sec-Fetch-Site or address works: not every client has them',
    async (p) => {
      const links = await block(await createAccount(env.DB))

      expect(await read(await press(p, links[p], { ip: null }))).toEqual(DONE_PAGES[p])
    },
  )
})

/** Tries a token on both methods of a page, and sees that nothing is written. */
async function tryOut(purpose: LinkPurpose, token: string) {
  const before = await allRows()
  const got = [await read(await show(purpose, token)), await read(await press(purpose, token))]
  expect(await allRows()).toEqual(before)
  return got
}

describe('a link that is none', () => {
  test.each(PURPOSES)('gets a page at %s, and never a 500', async (purpose) => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const { access_token: access, refresh_token: refreshToken } = await open(account)
    const token = links[purpose]
    const { header, payload } = decodeToken(token)
    const { signing } = testKeys.link
    const previous = [...testKeys.refresh.verifying.values()].at(-1) ?? signing
    const cases: Readonly<Record<string, readonly [string, number]>> = {
      'for the other purpose': [links[purpose === 'end_sessions' ? 'allow_place' : 'end_sessions'], 401],
      'of another deployment': [
        await forge({ ...header, kid: strangerKeys.link.signing.kid }, payload, strangerKeys.link.signing),
        401,
      ],
      'under the name of our key': [await forge(header, payload, strangerKeys.link.signing), 401],
      'signed with the refresh key': [await forge(header, payload, testKeys.refresh.signing), 401],
      'signed with the refresh key, and saying so': [
        await forge({ ...header, kid: testKeys.refresh.signing.kid }, payload, testKeys.refresh.signing),
        401,
      ],
      'signed with an old refresh key': [await forge(header, payload, previous), 401],
      unsigned: [`${encodePart({ ...header, alg: 'none' })}.${encodePart(payload)}.`, 401],
      'altered in its last character': [`${token.slice(0, -1)}${token.endsWith('A') ? 'E' : 'A'}`, 401],
      'an access token': [access, 401],
      'a refresh token': [refreshToken, 401],
      'a good signature over another purpose': [await forge(header, { ...payload, purpose: 'admin' }, signing), 400],
      'a good signature over no mail': [await forge(header, { ...payload, nid: undefined }, signing), 400],
      'a good signature over an access token': [
        await forge(header, { ...payload, token_type: 'access' }, signing),
        401,
      ],
      'a good signature over no expiry': [await forge(header, { ...payload, exp: undefined }, signing), 400],
      'from the future': [await forge(header, { ...payload, iat: T0 + 61 }, signing), 401],
      garbage: ['garbage', 400],
      'a script': ['%22%3E%3Cscript%3Ealert(1)%3C/script%3E', 400],
      'cut short': [token.slice(0, 40), 400],
      empty: ['', 400],
      'too long': ['x'.repeat(5000), 400],
    }

    for (const [name, [text, status]] of Object.entries(cases)) {
      const expected = { name, ...brokenPage(status) }
      for (const got of await tryOut(purpose, text)) expect({ name, ...got }).toEqual(expected)
    }
    expect(await read(await press(purpose, token))).toEqual(DONE_PAGES[purpose])
  })

  test.each(PURPOSES)('%s of a mail that is gone does nothing', async (purpose) => {
    const links = await block(await createAccount(env.DB))
    await env.DB.prepare('DELETE FROM notifications').run()

    for (const got of await tryOut(purpose, links[purpose])) expect(got).toEqual(USED_PAGE)
  })

  test.each(PURPOSES)('%s is over after 24 hours, to the second', async (purpose) => {
    const account = await createAccount(env.DB)
    const [one, two] = [await block(account), await block(account)]
    at(DAY_SECONDS - 1)
    expect(await read(await press(purpose, one[purpose]))).toEqual(DONE_PAGES[purpose])
    at(DAY_SECONDS)

    for (const got of await tryOut(purpose, two[purpose])) expect(got).toEqual(brokenPage(401))
  })

  test.each<[string, CallOptions, number]>([
    ['no body', {}, 415],
    ['an empty form', { body: '', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }, 400],
    ['another field', { body: 'code=x', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }, 400],
    ['JSON', { json: { token: 'x' } }, 415],
    [
      'more than 16 KiB',
      { body: `token=${'x'.repeat(16_384)}`, headers: { 'Content-Type': 'application/x-www-form-urlencoded' } },
      413,
    ],
  ])('posted as %s gets a page', async (_name, options, status) => {
    for (const purpose of PURPOSES) {
      const response = await worker.call(LINK_PATHS[purpose], { ...options, method: 'POST' })
      expect(await read(response)).toEqual(brokenPage(status))
    }
  })

  test('without a token at all gets a page', async () => {
    for (const purpose of PURPOSES) {
      expect(await read(await worker.call(LINK_PATHS[purpose]))).toEqual(brokenPage(400))
    }
  })

  test('and a link is no token of a session', async () => {
    const { end_sessions: token } = await block(await createAccount(env.DB))
    const headers = { Authorization: `Bearer ${token}` }
    const json = { token, refresh: token }
    const statuses = {
      me: (await worker.call('/auth/me', { headers })).status,
      refresh: (await worker.call('/auth/token/refresh', { method: 'POST', json })).status,
      verify: (await worker.call('/auth/token/verify', { method: 'POST', json })).status,
    }

    expect(statuses).toEqual({ me: 401, refresh: 401, verify: 401 })
  })
})

describe('an allowed place', () => {
  const there = { ip: ELSEWHERE, cf: FAR } as const
  const home = { ip: HOME, cf: { asn: 64_496, country: 'IS' } } as const

  test('may be refreshed from, there and back, and the session stays at home', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const session = await open(account, home)
    await press('allow_place', links.allow_place)
    const visit = await refresh(session, there)
    const longer = await refresh(visit.next, there)

    expect([visit.status, longer.status]).toEqual([200, 200])
    expect(decodeToken(longer.next.refresh_token).payload).toMatchObject({ ip: HOME })
    const back = await refresh(longer.next, home)
    expect(back.status).toBe(200)
    expect((await refresh(back.next, { ip: '192.0.2.1' })).status).toBe(401)
  })

  test('is the former one only where its box was ticked: then whoever signs in again over there may go home', async () => {
    const strict = await createAccount(env.DB)
    await press('allow_place', (await block(strict)).allow_place)
    expect((await refresh(await open(strict, there), home)).status).toBe(401)

    const account = await createAccount(env.DB)
    const response = await press('allow_place', (await block(account)).allow_place, { former: true })
    expect(await read(response)).toEqual(donePage(`the address ${ELSEWHERE}, and from the address ${HOME}`))
    const back = await refresh(await open(account, there), home)
    expect(back.status).toBe(200)
    expect((await refresh(back.next, there)).status).toBe(200)
  })

  test.each([
    ['address', 'the address 198.51.100.23', 'the address 203.0.113.7'],
    ['subnet', 'every address that starts with 198.51.100', 'every address that starts with 203.0.113'],
    ['asn', 'the whole network of Far Net (AS64511)', 'the whole network of Home Net (AS64496)'],
    ['country', 'all of New Zealand', 'all of Iceland'],
  ])('reaches as far under %s as the page says', async (policy, blocked, former) => {
    const by = startWorker({ LOCATION_POLICY: policy })
    const account = await createAccount(env.DB)
    const session = await open(account, { ip: HOME, cf: { ...home.cf, asOrganization: 'Home Net' } }, by)
    await refresh(session, there, by)
    const { allow_place: token } = linksOf(await textOfMail(session))
    const { body } = await read(await show('allow_place', token, {}, by))

    const upper = `${blocked.charAt(0).toUpperCase()}${blocked.slice(1)}`
    expect(body).toContain(offer({ policy, blocked: upper, former }))
    expect(await read(await press('allow_place', token, { former: true }, by))).toEqual(
      donePage(`${blocked}, and from ${former}`),
    )
  })

  test.each([
    ['country', 'address', false],
    ['asn', 'address', false],
    ['subnet', 'address', false],
    ['country', 'asn', false],
    ['asn', 'country', false],
    ['asn', 'subnet', false],
    ['address', 'subnet', true],
    ['address', 'asn', true],
    ['address', 'country', true],
    ['subnet', 'asn', true],
    ['subnet', 'country', true],
    ['country', 'country', true],
  ] as const)('that was allowed under %s holds under %s: %s', async (then, today, holds) => {
    const [before, by] = [startWorker({ LOCATION_POLICY: then }), startWorker({ LOCATION_POLICY: today })]
    const account = await createAccount(env.DB)
    await press('allow_place', (await block(account, {}, before)).allow_place, {}, before)
    const session = await open(account, home, by)

    expect((await refresh(session, there, by)).status).toBe(holds ? 200 : 401)
  })

  test('is allowed for that account alone', async () => {
    const account = await createAccount(env.DB)
    const stranger = await open(await createAccount(env.DB), home)
    await press('allow_place', (await block(account)).allow_place)

    expect((await refresh(stranger, there)).status).toBe(401)
  })

  test('is allowed for 90 days, to the second, and for 90 more when it is allowed again', async () => {
    const account = await createAccount(env.DB)
    at(100)
    await press('allow_place', (await block(account)).allow_place)
    at(100 + 90 * DAY_SECONDS - 1)
    const [one, two] = [await open(account, home), await open(account, home)]

    expect((await refresh(one, there)).status).toBe(200)
    at(100 + 90 * DAY_SECONDS)
    expect((await refresh(two, there)).status).toBe(401)
    await press('allow_place', linksOf(await textOfMail(two)).allow_place)
    at(100 + 180 * DAY_SECONDS - 1)
    expect((await refresh(await open(account, home), there)).status).toBe(200)
  })

  test.each([
    ['address', `address:${ELSEWHERE}/32`, `address:${HOME}/32`],
    ['subnet', 'subnet:198.51.100.0/24', 'subnet:203.0.113.0/24'],
    ['asn', 'asn:64511', 'asn:64496'],
    ['country', 'country:NZ', 'country:IS'],
  ])('is listed as %s has it, and can be taken back', async (policy, blocked, usual) => {
    const by = startWorker({ LOCATION_POLICY: policy })
    const account = await createAccount(env.DB)
    const links = await block(account, {}, by)
    at(60)
    expect((await press('allow_place', links.allow_place, { former: true }, by)).status).toBe(200)
    const session = await open(account, home, by)
    const cookies = { access_token: session.access_token }
    const times = { created_at: T0 + 60, expires_at: T0 + 60 + 90 * DAY_SECONDS }
    const [first, second] = await (await by.call('/auth/places', { cookies, ...home })).json<{ id: number }[]>()

    expect([first, second]).toEqual([
      { id: first?.id, place: blocked, city: 'Nelson', country: 'NZ', network: 'Far Net', ...times },
      { id: second?.id, place: usual, city: null, country: 'IS', network: null, ...times },
    ])
    const visit = await refresh(session, there, by)
    expect(visit.status).toBe(200)
    expect((await by.call(`/auth/places/${first?.id}`, { method: 'DELETE', cookies, ...home })).status).toBe(204)
    expect((await refresh(visit.next, there, by)).status).toBe(401)
  })
})

function refuse(): Promise<never> {
  return Promise.reject(new Error('D1_ERROR: Network connection lost'))
}

describe('when D1 is down', () => {
  const statement = new Proxy(env.DB.prepare('SELECT 1'), {
    get: (_target, name) => (name === 'bind' ? () => statement : refuse),
  })
  const down = startWorker({
    DB: new Proxy(env.DB, { get: (_target, name) => (name === 'prepare' ? () => statement : refuse) }),
  })
  const trouble = page(
    'This did not work just now',
    '<p>The trouble is on our side. It may have been done all the same: please try again in a minute.</p>',
    503,
  )
  const expected = { ...trouble, headers: { ...trouble.headers, 'retry-after': '1' } }

  test.each(PURPOSES)('the page of %s says to try again, and the link stays good', async (purpose) => {
    const links = await block(await createAccount(env.DB))

    expect(await read(await show(purpose, links[purpose], {}, down))).toEqual(expected)
    expect(await read(await press(purpose, links[purpose], {}, down))).toEqual(expected)
    expect(await read(await press(purpose, links[purpose]))).toEqual(DONE_PAGES[purpose])
  })

  test('a link that is none is told so all the same', async () => {
    expect(await read(await show('end_sessions', 'garbage', {}, down))).toEqual(brokenPage(400))
  })
})
