/** The mail that a blocked stranger causes, whole: the request, the row, and what goes to the binding or to the API. */

import { createMessageBatch } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { sign } from 'hono/jwt'
import { afterEach, beforeEach, expect, vi } from 'vitest'

import { setClock, START } from './clock.ts'
import { testKeys } from './forge.ts'
import { type Mailbox, type MailRow, readOutbox } from './mailbox.ts'
import { type CallOptions, ELSEWHERE, ORIGIN, pairOf } from './worker.ts'
import { GUID } from './accounts.ts'

export const OWNER = 'owner@example.com'

export const API = {
  MAIL_TRANSPORT: 'api',
  MAIL_API_URL: 'https://mail.example.net/emails',
  MAIL_API_KEY: 're_Zk3v9QmW2xT7',
}

export const ACCEPTED = async () => Response.json({ id: 'accepted' })

/** What the log says of a write that D1 refused: the cause, too, in words that are D1's. */
export const D1_REFUSED: unknown = expect.stringMatching(
  /^TesseraError: Service unavailable \(Error: D1_ERROR: refused: .+\)$/,
)

export const STRANGER = {
  ip: ELSEWHERE,
  cf: { city: 'Oslo', country: 'NO', asn: 2116, asOrganization: 'Globalconnect' },
  headers: { 'User-Agent': 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0' },
} satisfies CallOptions

export const DETAILS = {
  When: '2026-11-20 10:30 UTC',
  City: 'Oslo',
  Country: 'Norway',
  Network: 'Globalconnect, AS2116',
  Address: ELSEWHERE,
  Device: 'Firefox on Windows',
}

const END_SESSIONS = { purpose: 'end_sessions', path: '/links/end-sessions', label: 'End all my sessions' }

const ALLOW_PLACE = {
  purpose: 'allow_place',
  path: '/links/allow-place',
  label: 'That was me, allow this place',
}

const LOCATION_BLOCKED = {
  subject: 'We blocked a sign-in from another place',
  headline: 'Somebody used your session from another place',
  explanation:
    'Your session was presented from a network that it was not opened from. We ended that session, so it cannot be used any more, from there or from anywhere else.',
  advice:
    'If this was you, sign in again. The second link below lets you allow the address 198.51.100.23 (and, if you tick it there, the address 203.0.113.7), for 90 days. If it was not you, end all your sessions and change your password: the first link also takes back the places that you allowed. The links work once, for 24 hours.',
  links: [END_SESSIONS, ALLOW_PLACE],
}

export const TOKEN_REUSED = {
  subject: 'We ended a session that was used twice',
  headline: 'A session of yours was used twice',
  explanation:
    'A key of your session that had been replaced already was presented again. That happens when somebody has a copy of it. That session has ended; your other sessions are not affected.',
  advice:
    'Sign in again. If you do not recognize the device above, end all your sessions and change your password. The link works once, for 24 hours.',
  links: [END_SESSIONS],
}

interface MailOptions {
  readonly wording?: typeof LOCATION_BLOCKED
  readonly at?: number
  readonly origin?: string
  readonly details?: Readonly<Record<string, string>>
  /** The details as the HTML shows them, where that differs. */
  readonly markup?: Readonly<Record<string, string>>
}

/** The whole mail of a row. */
export async function mail(id: string, options: MailOptions = {}) {
  const { wording = LOCATION_BLOCKED, at = START, origin = ORIGIN, details = DETAILS, markup = details } = options
  const { subject, headline, explanation, advice } = wording
  const lines = Object.entries(details).map(([name, value]) => `${name}: ${value}`)
  const rows = Object.entries(markup).map(
    ([name, value]) => `<tr>
        <th align="left" style="padding:4px 16px 4px 0;font-weight:normal;color:#57606a">${name}</th>
        <td style="padding:4px 0">${value}</td>
      </tr>`,
  )
  const account = await accountOf(id)
  const links = await Promise.all(
    wording.links.map(async ({ purpose, path, label }) => {
      const claims = { token_type: 'link', purpose, nid: id, account, iat: at, exp: at + 86_400 }
      return { label, url: `${origin}${path}?token=${await sign(claims, testKeys.link.signing)}` }
    }),
  )
  const buttons = links.map(
    ({ label, url }) => `<p>
        <a
          href="${url}"
          style="display:inline-block;padding:8px 16px;border:1px solid #1f2328;border-radius:6px;color:#1f2328"
          >${label}</a
        >
      </p>`,
  )
  const paragraphs = [
    headline,
    explanation,
    lines.join('\n'),
    advice,
    ...links.map(({ label, url }) => `${label}:\n${url}`),
  ]
  return {
    from: 'Tessera <tessera@example.com>',
    to: OWNER,
    subject,
    text: `${paragraphs.join('\n\n')}\n`,
    html: `<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${subject}</title>
      </head>
      <body style="margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1f2328;background:#fff">
        <div style="max-width:560px;margin:0 auto">
          <h1 style="font-size:20px">${headline}</h1>
          <p>${explanation}</p>
          <table style="border-collapse:collapse;margin:16px 0">
            ${rows.join('')}
          </table>
          <p>${advice}</p>
          ${buttons.join('')}
        </div>
      </body>
    </html>`,
  }
}

/** Whose mail it is. */
export async function accountOf(id: string): Promise<number | null> {
  return env.DB.prepare('SELECT user_id FROM notifications WHERE id = ?').bind(id).first<number>('user_id')
}

/** The call of the mail API that hands over the mail of a row. */
export async function apiCall(id: string, options: MailOptions = {}) {
  const headers = {
    authorization: `Bearer ${API.MAIL_API_KEY}`,
    'content-type': 'application/json',
    'idempotency-key': id,
  }
  return { url: API.MAIL_API_URL, method: 'POST', redirect: 'manual', headers, body: await mail(id, options) }
}

/** A session of the owner, and its refresh from elsewhere. */
export async function blockRefresh(box: Mailbox, stranger: CallOptions = STRANGER) {
  const pair = pairOf(await box.call(`/${GUID}`))
  const response = await box.call('/refresh', { ...stranger, cookies: pair })
  const { id } = await onlyRow()
  return { pair, response, id }
}

export async function onlyRow(): Promise<MailRow> {
  const [row, ...others] = await readOutbox()
  if (row === undefined || others.length > 0) throw new Error(`${others.length} rows too many, or none at all`)
  return row
}

export async function readSessions() {
  const { results } = await env.DB.prepare('SELECT revoked_at, revoked_reason FROM sessions').all()
  return results
}

/** What a row says about its delivery. */
export async function progress() {
  const { attempts, due_at, sent_at, failed_at, last_error } = await onlyRow()
  return { attempts, due_at, sent_at, failed_at, last_error }
}

/** A queue that takes every message and delivers none. */
export function losingQueue() {
  const taken: unknown[] = []
  const send = async (body: unknown) => void taken.push(body)
  const sendBatch = async (messages: { body: unknown }[]) => void taken.push(...messages.map(({ body }) => body))
  return { taken, send, sendBatch }
}

/** A delivery of a message, beside those of the queue. */
export function copyOf(id: string, attempts: number): MessageBatch {
  return createMessageBatch('tessera-mail', [{ id: 'copy', timestamp: new Date(), attempts, body: { id } }])
}

/** What an overloaded queue does. */
export function refuse(): Promise<never> {
  return Promise.reject(new Error('Queue send failed', { cause: new Error('Queue is overloaded') }))
}

export const sendBatch: Queue['sendBatch'] = (messages) => env.MAIL_QUEUE.sendBatch(messages)

/** Before each test of a file: half past ten on one day, and one account, which has mail. */
export function startWithOwner(): void {
  beforeEach(async () => {
    setClock(START)
    // Not after a test: one that failed may have D1 still refuse it.
    await env.DB.batch([
      ...['notifications', 'used_links', 'sessions', 'users'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
      env.DB.prepare('INSERT INTO users (guid, primary_email, created_at, updated_at) VALUES (?, ?, 0, 0)').bind(
        GUID,
        OWNER,
      ),
    ])
  })

  afterEach(() => {
    vi.restoreAllMocks()
    vi.useRealTimers()
  })
}
