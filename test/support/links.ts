/** The links of a mail about a blocked refresh, and the pages behind them, to the byte but for the style sheet and the nonce. */

import { expect } from 'vitest'

import { type LinkPurpose, LINKS, signLink } from '../../src/domain/mails/links.ts'
import { readNotice, type StoredNotice } from '../../src/domain/mails/notice.ts'
import { createTokens } from '../../src/domain/tokens/tokens.ts'
import { renderMail } from '../../src/mail/render.ts'
import type { TestAccount } from './accounts.ts'
import { decodeToken, testKeys } from './forge.ts'
import { type MailRow, readOutbox } from './mailbox.ts'
import { type CallOptions, ELSEWHERE, HOME, ORIGIN, pairOf, type TestWorker, worker } from './worker.ts'

export const PURPOSES = ['end_sessions', 'allow_place'] as const satisfies readonly LinkPurpose[]

/** The links of this mail; other mails have others. */
export type Purpose = (typeof PURPOSES)[number]

export const FAR = { asn: 64_511, country: 'NZ', city: 'Nelson', asOrganization: 'Far Net' } as const

export const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

export const tokens = createTokens(testKeys)

interface Cookies extends Readonly<Record<string, string>> {
  readonly access_token: string
  readonly refresh_token: string
}

/** The tokens of the links in one mail. */
type Links = Readonly<Record<Purpose, string>>

export async function signIn(
  account: TestAccount,
  options: CallOptions = {},
  by: TestWorker = worker,
): Promise<Cookies> {
  return pairOf(await by.call(`/${account.guid}`, options))
}

/** The next pair, or the status of the refusal. */
export async function refreshFrom(cookies: Cookies, options: CallOptions = {}, by: TestWorker = worker) {
  const response = await by.call('/refresh', { ...options, cookies })
  return { status: response.status, next: response.status === 200 ? pairOf(response) : cookies }
}

/** Has a session of the account blocked, and returns the links of the mail about it. */
export async function block(account: TestAccount, options: CallOptions = {}, by: TestWorker = worker): Promise<Links> {
  const cookies = await signIn(account, { cf: { asn: 64_496, country: 'IS' } }, by)
  const { status } = await refreshFrom(cookies, { ip: ELSEWHERE, cf: FAR, ...options }, by)
  if (status !== 401) throw new Error(`not blocked but ${status}`)
  return linksOf(await textOfMail(cookies))
}

/** The plain text of the mail about a session, rendered from its row as the queue's consumer renders it. */
export async function textOfMail(session: Cookies, publicUrl?: string): Promise<string> {
  const { sid } = decodeToken(session.refresh_token).payload
  const row = (await readOutbox()).find((one) => String(one['dedupe_key']).endsWith(`:${String(sid)}`))
  if (row === undefined) throw new Error('no mail')
  const { text } = await renderMail(noticeOf(row), 'address', (purpose, notice) =>
    signLink({ tokens, settings: { publicUrl, basePath: '' } }, purpose, notice),
  )
  return text
}

export function noticeOf(row: MailRow): StoredNotice {
  const notice = readNotice(String(row['kind']), String(row['facts']))
  return { id: row.id, account: Number(row['user_id']), recipient: String(row['recipient']), ...notice }
}

export function linksOf(text: string): Links {
  const tokenAt = (purpose: Purpose) => text.split(`${ORIGIN}${LINKS[purpose].path}?token=`)[1]?.split(/\s/, 1)[0] ?? ''
  return { end_sessions: tokenAt('end_sessions'), allow_place: tokenAt('allow_place') }
}

export function show(purpose: Purpose, token: string, options: CallOptions = {}, by: TestWorker = worker) {
  return by.call(`${LINKS[purpose].path}?token=${token}`, options)
}

interface PressOptions extends CallOptions {
  /** Ticks the box of the former place. */
  readonly former?: true
}

export function press(
  purpose: Purpose,
  token: string,
  { former, ...options }: PressOptions = {},
  by: TestWorker = worker,
) {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  return by.call(LINKS[purpose].path, {
    headers,
    ...options,
    method: 'POST',
    body: new URLSearchParams({ token, ...(former && { former: 'yes' }) }).toString(),
  })
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
  'strict-transport-security': 'max-age=31536000',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'DENY',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
}

/** A page whole: its nonce by name, which has to be the one in its policy, and its style sheet left out. */
export async function read(response: Response) {
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

export function page(title: string, content: string, status = 200) {
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
    'Every device that is signed in to your account will have to sign in again, yours included. Places that you allowed are taken back, and any other link of the mail stops working.',
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

export function offer({ policy = 'address', blocked, former }: Offered): string {
  const box = '<input type="checkbox" name="former" value="yes"/>'
  const label = former === null ? '' : `<label>${box}<span>Also where this session had been: ${former}</span></label>`
  const seen = `<input type="hidden" name="policy" value="${policy}"/>`
  return `<h2>What you would allow, for 90 days</h2><p>${blocked}.</p>${seen}${label}`
}

export function askPage(
  purpose: Purpose,
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

export const DONE_PAGES = {
  end_sessions: page(
    'All your sessions have ended',
    `<p>Every device has to sign in again, the last of them within minutes. Change your password if it may be known.</p>${CLOSE}`,
  ),
  allow_place: donePage(`the address ${ELSEWHERE}`),
}

export function donePage(places: string) {
  const allowed = `<p>For 90 days, your sessions may be used from ${places}.</p>`
  const ended = '<p>The session that was blocked has ended all the same: sign in again.</p>'
  return page('This place is allowed', `${allowed}${ended}${CLOSE}`)
}

export const USED_PAGE = page(
  'This link was used already',
  '<p>Each link of a mail works once, none after all sessions were ended by it, and mails are forgotten after thirty days. To see where you are signed in, sign in and look at your sessions.</p>',
  401,
)

export function brokenPage(status: number) {
  return page(
    'This link does not work',
    '<p>It may be older than 24 hours, or it was not copied whole. Open it from the mail itself; if it is too old, sign in and look at your sessions there.</p>',
    status,
  )
}
