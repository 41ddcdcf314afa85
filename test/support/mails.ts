/** The mail that a blocked stranger causes, whole: the request, the row, and what goes to the binding or to the API. */

import { createMessageBatch } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { sign } from 'hono/jwt'
import { afterEach, beforeEach, expect, vi } from 'vitest'

import { renderMail } from '../../src/mail/render.ts'
import { setClock, START } from './clock.ts'
import { DEFAULT_SETTINGS } from './fakes.ts'
import { testKeys } from './forge.ts'
import { noticeOf } from './links.ts'
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

interface MailOptions {
  /** What it was about, where that is not the refresh of a stranger. */
  readonly kind?: 'token_reused'
  readonly at?: number
  readonly origin?: string
}

/**
 * The whole mail of a row: what `renderMail` makes of it, which test/unit/mails has, in the settings of the Worker under test, with links that
 * are signed here.
 */
export async function mail(id: string, { kind, at = START, origin = ORIGIN }: MailOptions = {}) {
  const row = (await readOutbox()).find((one) => one.id === id)
  if (row === undefined) throw new Error('no such mail')
  expect(row['kind']).toBe(kind ?? 'location_blocked')
  const settings = { ...DEFAULT_SETTINGS, publicUrl: origin }
  const account = await accountOf(id)
  const content = await renderMail(noticeOf(row), settings, async (purpose) => {
    const claims = { token_type: 'link', purpose, nid: id, account, iat: at, exp: at + 86_400 }
    const path = `/links/${purpose.replace('_', '-')}`
    return `${origin}${path}?token=${await sign(claims, testKeys.link.signing)}`
  })
  return { from: 'Tessera <tessera@example.com>', to: OWNER, ...content }
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
