/** The links of a mail about a blocked refresh, and the pages behind them, to the byte but for the style sheet and the nonce. */

import { expect } from 'vitest'

import { type LinkPurpose, LINKS, signLink } from '../../src/domain/mails/links.ts'
import { readNotice, type StoredNotice } from '../../src/domain/mails/notice.ts'
import { createTokens } from '../../src/domain/tokens/tokens.ts'
import { renderMail } from '../../src/mail/render.ts'
import type { TestAccount } from './accounts.ts'
import { DEFAULT_SETTINGS } from './fakes.ts'
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
  const settings = { ...DEFAULT_SETTINGS, publicUrl, locationPolicy: 'address' } as const
  const { text } = await renderMail(noticeOf(row), settings, (purpose, notice) =>
    signLink({ tokens, settings }, purpose, notice),
  )
  return text
}

export function noticeOf(row: MailRow): StoredNotice {
  const notice = readNotice(String(row['kind']), String(row['facts']))
  const [language, timeZone] = [row['language'], row['time_zone']].map((value) =>
    value == null ? null : String(value),
  )
  const recipient = String(row['recipient'])
  return {
    id: row.id,
    account: Number(row['user_id']),
    recipient,
    language: language ?? null,
    timeZone: timeZone ?? null,
    ...notice,
  }
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

/** Presses the button. The answer is a redirect where it did something. */
export function post(
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

/** Presses the button, and goes where the answer leads, as a browser does. */
export async function press(purpose: Purpose, token: string, options: PressOptions = {}, by: TestWorker = worker) {
  const answer = await post(purpose, token, options, by)
  if (answer.status !== 303) return answer
  return by.call(`${LINKS[purpose].path}${answer.headers.get('Location') ?? ''}`, { ip: null })
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
  vary: 'Accept-Language',
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
      `<title>${title} · Tessera</title>[style]</head><body><header><div><span>Tessera</span></div></header>` +
      `<main><h1>${title}</h1>${content}</main></body></html>`,
    nonce: expect.stringMatching(/^[\w+/]{22}==$/) as string,
  }
}

const QUESTIONS = {
  end_sessions: [
    'End all your sessions?',
    'Every device that is signed in to your account will have to sign in again, this one included. Places that you allowed are taken back, and the other links of the mail stop working.',
    'End all my sessions',
    'That was not me: end all my sessions',
  ],
  allow_place: [
    'Was that you?',
    'If that was you, you can allow the place, so that your sessions may move there and back. If that was not you, end all your sessions.',
    'Allow this place',
    'That was me: allow this place',
  ],
} as const

interface Offered {
  readonly policy?: string
  readonly blocked: string
  readonly former: string | null
}

const OFFERED: Offered = { blocked: `The IP address ${ELSEWHERE}`, former: `the IP address ${HOME}` }

export function offer({ policy = 'address', blocked, former }: Offered): string {
  const box = '<input type="checkbox" name="former" value="yes"/>'
  const label =
    former === null
      ? ''
      : `<label class="check">${box}<span>Also where this session was before: ${former}</span></label>`
  const seen = `<input type="hidden" name="policy" value="${policy}"/>`
  return `<h2>What you would allow, for 90 days</h2><p>${blocked}.</p>${seen}${label}`
}

/** A row of the table: what it was before, where that is known, and what it is now. */
export type DetailRow = readonly [now: string, before?: string]

export function detailTable(details: Readonly<Record<string, DetailRow>>): string {
  const rows = Object.entries(details).map(([name, [now, before]]) => {
    const cells = before === undefined ? `<td colspan="2">${now}</td>` : `<td>${before}</td><td>${now}</td>`
    return `<tr><th scope="row">${name}</th>${cells}</tr>`
  })
  const head = '<tr><td></td><th scope="col">Before</th><th scope="col">Now</th></tr>'
  return `<table><tbody>${rows.join('').replace('<tr><th scope="row">City', `${head}$&`)}</tbody></table>`
}

/** The page of a link, of a mail whose other link is known. */
export function askPage(
  purpose: Purpose,
  links: Links,
  details: Readonly<Record<string, DetailRow>>,
  offered: Offered = OFFERED,
) {
  const [title, consequence, button] = QUESTIONS[purpose]
  const other = purpose === 'end_sessions' ? 'allow_place' : 'end_sessions'
  const href = `${ORIGIN}${LINKS[other].path}?token=${links[other]}`
  return page(
    title,
    `<p>${consequence}</p><h2>What happened</h2>${detailTable(details)}` +
      `<form method="post"><input type="hidden" name="token" value="${links[purpose]}"/>` +
      (purpose === 'allow_place' ? offer(offered) : '') +
      `<div class="buttons"><button type="submit"${purpose === 'end_sessions' ? ' class="danger"' : ''}>${button}</button>` +
      `<a class="button other" href="${href}">${QUESTIONS[other][3]}</a></div></form>`,
  )
}

const ACCOUNT = '<div class="buttons"><a class="button" href="/account">Go to your account</a></div>'

const INSTEAD =
  '<p>To see where you are signed in, and to end sessions, sign in and look at your sessions.</p>' +
  '<div class="buttons"><a class="button" href="/account/sessions">Look at your sessions</a>' +
  '<a class="button other" href="/account">Go to your account</a></div>'

export const DONE_PAGES = {
  end_sessions: page(
    'All your sessions have ended',
    `<p>Every device has to sign in again, the last of them within minutes. If somebody else may know your password, choose a new one.</p>${ACCOUNT}`,
  ),
  allow_place: page(
    'The place is allowed',
    `<p>The session that was blocked has ended all the same: sign in again.</p>${ACCOUNT}`,
  ),
}

export const USED_PAGE = page(
  'This link was used already',
  `<p>Each link of a mail works once, and no longer when what it is about has changed since.</p>${INSTEAD}`,
  401,
)

export function brokenPage(status: number) {
  return page(
    'This link does not work',
    `<p>It may be older than 24 hours, or it was not copied whole. Open it from the mail itself.</p>${INSTEAD}`,
    status,
  )
}
