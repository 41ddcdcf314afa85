/**
 * Mail: from the transaction that makes one due to whoever takes it, over the real outbox, queue and binding. Nothing is
 * lost, nothing is sent twice, and what a stranger chooses stays a value.
 */

import { createMessageBatch } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { sign } from 'hono/jwt'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createOutbox } from '../../../src/db/mails.ts'
import { decodeToken, testKeys } from '../../support/forge.ts'
import {
  answerMailApi,
  closedGate,
  hurryTimeouts,
  type Mailbox,
  type MailRow,
  openMailbox,
  readOutbox,
  refuseWrites,
  waitUntil,
} from '../../support/mailbox.ts'
import { type CallOptions, ELSEWHERE, HOME, ORIGIN, pairOf, startWorker } from '../../support/worker.ts'

const GUID = '6f9619ff-8b86-d011-b42d-00c04fc964ff'
const OWNER = 'owner@example.com'
const START = Date.parse('2026-11-20T10:30:15Z') / 1000
const API = {
  MAIL_TRANSPORT: 'api',
  MAIL_API_URL: 'https://mail.example.net/emails',
  MAIL_API_KEY: 're_Zk3v9QmW2xT7',
}
const ACCEPTED = async () => Response.json({ id: 'accepted' })

/** What the log says of a write that D1 refused: the cause, too, in words that are D1's. */
const D1_REFUSED: unknown = expect.stringMatching(
  /^TesseraError: Service unavailable \(Error: D1_ERROR: refused: .+\)$/,
)

const STRANGER = {
  ip: ELSEWHERE,
  cf: { city: 'Oslo', country: 'NO', asn: 2116, asOrganization: 'Globalconnect' },
  headers: { 'User-Agent': 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0' },
} satisfies CallOptions

const DETAILS = {
  When: '2026-11-20 10:30 UTC',
  City: 'Oslo',
  Country: 'Norway',
  Network: 'Globalconnect, AS2116',
  Address: ELSEWHERE,
  Device: 'Firefox on Windows',
}

const END_SESSIONS = { purpose: 'end_sessions', path: '/links/end-sessions', label: 'End all my sessions' }
const ALLOW_PLACE = { purpose: 'allow_place', path: '/links/allow-place', label: 'That was me, allow this place' }

const LOCATION_BLOCKED = {
  subject: 'We blocked a sign-in from another place',
  headline: 'Somebody used your session from another place',
  explanation:
    'Your session was presented from a network that it was not opened from. We ended that session, so it cannot be used any more, from there or from anywhere else.',
  advice:
    'If this was you, sign in again. The second link below lets you allow the address 198.51.100.23 (and, if you tick it there, the address 203.0.113.7), for 90 days. If it was not you, end all your sessions and change your password: the first link also takes back the places that you allowed. The links work once, for 24 hours.',
  links: [END_SESSIONS, ALLOW_PLACE],
}

const TOKEN_REUSED = {
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
async function mail(id: string, options: MailOptions = {}) {
  const { wording = LOCATION_BLOCKED, at = START, origin = ORIGIN, details = DETAILS, markup = details } = options
  const { subject, headline, explanation, advice } = wording
  const lines = Object.entries(details).map(([name, value]) => `${name}: ${value}`)
  const rows = Object.entries(markup).map(
    ([name, value]) => `<tr>
        <th align="left" style="padding:4px 16px 4px 0;font-weight:normal;color:#57606a">${name}</th>
        <td style="padding:4px 0">${value}</td>
      </tr>`,
  )
  const links = await Promise.all(
    wording.links.map(async ({ purpose, path, label }) => {
      const claims = { token_type: 'link', purpose, nid: id, iat: at, exp: at + 86_400 }
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

/** The call of the mail API that hands over the mail of a row. */
async function apiCall(id: string, options: MailOptions = {}) {
  const headers = {
    authorization: `Bearer ${API.MAIL_API_KEY}`,
    'content-type': 'application/json',
    'idempotency-key': id,
  }
  return { url: API.MAIL_API_URL, method: 'POST', redirect: 'manual', headers, body: await mail(id, options) }
}

/** A session of the owner, and its refresh from elsewhere. */
async function blockRefresh(box: Mailbox, stranger: CallOptions = STRANGER) {
  const pair = pairOf(await box.call(`/${GUID}`))
  const response = await box.call('/refresh', { ...stranger, cookies: pair })
  const { id } = await onlyRow()
  return { pair, response, id }
}

async function onlyRow(): Promise<MailRow> {
  const [row, ...others] = await readOutbox()
  if (row === undefined || others.length > 0) throw new Error(`${others.length} rows too many, or none at all`)
  return row
}

async function readSessions() {
  const { results } = await env.DB.prepare('SELECT revoked_at, revoked_reason FROM sessions').all()
  return results
}

/** What a row says about its delivery. */
async function progress() {
  const { attempts, due_at, sent_at, failed_at, last_error } = await onlyRow()
  return { attempts, due_at, sent_at, failed_at, last_error }
}

/** A queue that takes every message and delivers none. */
function losingQueue() {
  const taken: unknown[] = []
  const send = async (body: unknown) => void taken.push(body)
  const sendBatch = async (messages: { body: unknown }[]) => void taken.push(...messages.map(({ body }) => body))
  return { taken, send, sendBatch }
}

/** A queue that takes what the sweep finds. Returns the ids of each call. */
function countingQueue() {
  const batches: string[][] = []
  const takeBatch = async (messages: { body: { id: string } }[]) =>
    void batches.push(messages.map(({ body }) => body.id))
  return { queue: { sendBatch: takeBatch }, batches }
}

/** Rows that nobody sent, the one with the highest number overdue for longest. */
async function insertOverdue(count: number): Promise<void> {
  await env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
     INSERT INTO notifications (id, kind, user_id, recipient, facts, dedupe_key, created_at, due_at)
     SELECT 'mail-' || i, 'location_blocked', 1, 'a@example.com', '{}', i, ?2, ?2 - i FROM n`,
  )
    .bind(count, START)
    .run()
}

/** A delivery of a message, beside those of the queue. */
function copyOf(id: string, attempts: number): MessageBatch {
  return createMessageBatch('tessera-mail', [{ id: 'copy', timestamp: new Date(), attempts, body: { id } }])
}

/** What an overloaded queue does. */
function refuse(): Promise<never> {
  return Promise.reject(new Error('Queue send failed', { cause: new Error('Queue is overloaded') }))
}

const sendBatch: Queue['sendBatch'] = (messages) => env.MAIL_QUEUE.sendBatch(messages)

function setClock(seconds: number): void {
  vi.setSystemTime(seconds * 1000)
}

beforeEach(async () => {
  setClock(START)
  // Not after a test: one that failed may have D1 still refuse it.
  await env.DB.batch([
    ...['notifications', 'sessions', 'users'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
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

describe('a session that ends because of another place or a used token', () => {
  test('is told to its owner by mail, once, through the mail API', async () => {
    const calls = answerMailApi(ACCEPTED)
    const box = openMailbox(API)
    const { response, id } = await blockRefresh(box)

    expect([response.status, await response.text()]).toEqual([401, "You're location is blocked"])
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(calls).toEqual([await apiCall(id)])
    expect(box.bodies).toEqual([{ id }])
    expect(await onlyRow()).toEqual({
      id: expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/),
      kind: 'location_blocked',
      user_id: expect.any(Number),
      recipient: OWNER,
      facts: expect.any(String),
      dedupe_key: expect.stringMatching(/^location_blocked:[\da-f-]{36}$/),
      created_at: START,
      attempts: 1,
      leased_until: START + 60,
      due_at: START + 300,
      sent_at: START,
      failed_at: null,
      last_error: null,
      sessions_ended_at: null,
      place_allowed_at: null,
    })
    expect(await readSessions()).toEqual([{ revoked_at: START, revoked_reason: 'location' }])
  })

  test('is told to its owner by mail, once, through the send_email binding', async () => {
    const box = openMailbox()
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
    expect(box.bodies).toEqual([{ id }])
    expect(await progress()).toEqual({
      attempts: 1,
      due_at: START + 300,
      sent_at: START,
      failed_at: null,
      last_error: null,
    })
  })

  test.each([
    ['subnet', 'every address that starts with 198.51.100', 'every address that starts with 203.0.113'],
    ['country', 'all of New Zealand', 'all of Austria'],
  ])('is told how far each place reaches that can be allowed under %s', async (LOCATION_POLICY, blocked, former) => {
    const box = openMailbox({ LOCATION_POLICY })
    const pair = pairOf(await box.call(`/${GUID}`, { cf: { country: 'AT' } }))
    expect((await box.call('/refresh', { ip: '198.51.100.23', cf: { country: 'NZ' }, cookies: pair })).status).toBe(401)
    const { id } = await onlyRow()

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    const words = `lets you allow ${blocked} (and, if you tick it there, ${former}), for 90 days`
    const [{ text, html }] = box.mails as [{ text: string; html: string }]
    expect([text, html]).toEqual([expect.stringContaining(words), expect.stringContaining(words)])
  })

  test('is told in other words when a used token was presented again', async () => {
    const box = openMailbox()
    const pair = pairOf(await box.call(`/${GUID}`))
    await box.call('/refresh', { cookies: pair })
    setClock(START + 11)
    const response = await box.call('/refresh', { ...STRANGER, cookies: pair })
    const { id } = await onlyRow()

    expect([response.status, await response.text()]).toEqual([401, 'Token used before'])
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id, { wording: TOKEN_REUSED, at: START + 11 })])
    expect(await readSessions()).toEqual([{ revoked_at: START + 11, revoked_reason: 'reuse' }])
  })

  test('lives on when its mail cannot be stored: both happen, or neither', async () => {
    const box = openMailbox()
    const pair = pairOf(await box.call(`/${GUID}`))
    const allowWrites = await refuseWrites('INSERT ON notifications')
    const refused = await box.call('/refresh', { ...STRANGER, cookies: pair })
    await allowWrites()

    expect([refused.status, await refused.text()]).toEqual([503, 'Service unavailable'])
    expect(await readSessions()).toEqual([{ revoked_at: null, revoked_reason: null }])
    expect(await readOutbox()).toEqual([])
    expect((await box.call('/refresh', { cookies: pair })).status).toBe(200)
  })

  test('stores and queues one mail, however many strangers come at once', async () => {
    const box = openMailbox()
    const pair = pairOf(await box.call(`/${GUID}`))
    const responses = await Promise.all(
      Array.from({ length: 5 }, () => box.call('/refresh', { ...STRANGER, cookies: pair })),
    )
    const later = await box.call('/refresh', { ...STRANGER, cookies: pair })
    const { id } = await onlyRow()

    const details = await Promise.all([...responses, later].map((response) => response.text()))
    expect(details.toSorted()).toEqual([...Array(5).fill('Token used before'), "You're location is blocked"])
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.bodies).toEqual([{ id }])
    expect(box.mails).toEqual([await mail(id)])
  })

  test('is told of reuse when the owner was faster, and the stranger comes with a used token', async () => {
    const queue = losingQueue()
    let batches = 0
    const DB = new Proxy(env.DB, {
      get(database, name) {
        if (name === 'prepare') return (text: string) => database.prepare(text)
        return async (statements: D1PreparedStatement[]) => {
          batches += 1
          // The third one would end the session that the second one found.
          if (batches === 3) await database.prepare("UPDATE sessions SET previous_jti = jti, jti = 'next'").run()
          return database.batch(statements)
        }
      },
    })
    const box = openMailbox({ DB, MAIL_QUEUE: queue })
    const pair = pairOf(await box.call(`/${GUID}`))
    const response = await box.call('/refresh', { ...STRANGER, cookies: pair })

    expect([batches, response.status, await response.text()]).toEqual([4, 401, 'Token used before'])
    expect(await readSessions()).toEqual([{ revoked_at: START, revoked_reason: 'reuse' }])
    const stored = await readOutbox()
    expect(stored.map(({ kind }) => kind)).toEqual(['token_reused'])
    expect(queue.taken).toEqual(stored.map(({ id }) => ({ id })))
  })

  test('leaves no row and no message when the account has no e-mail', async () => {
    await env.DB.prepare('UPDATE users SET primary_email = NULL').run()
    const queue = losingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    const pair = pairOf(await box.call(`/${GUID}`))
    const response = await box.call('/refresh', { ...STRANGER, cookies: pair })

    expect([response.status, await response.text()]).toEqual([401, "You're location is blocked"])
    expect(await readSessions()).toEqual([{ revoked_at: START, revoked_reason: 'location' }])
    expect(await readOutbox()).toEqual([])
    expect(queue.taken).toEqual([])
  })

  test('is told to the address that the account had when it happened', async () => {
    const queue = losingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    const { id } = await blockRefresh(box)
    await env.DB.prepare("UPDATE users SET primary_email = 'thief@example.com'").run()
    await env.MAIL_QUEUE.send({ id })

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
  })

  test.each([
    {
      name: 'in cookies',
      present: (cookies: ReturnType<typeof pairOf>) => ['/refresh', { cookies }] as const,
      type: 'text/plain; charset=UTF-8',
      body: "You're location is blocked",
    },
    {
      name: 'in JSON',
      present: ({ refresh_token: refresh }: ReturnType<typeof pairOf>) =>
        ['/auth/token/refresh', { method: 'POST', json: { refresh } }] as const,
      type: 'application/problem+json',
      body: '{"type":"about:blank","title":"Unauthorized","status":401,"detail":"You\'re location is blocked","code":"location_blocked"}',
    },
  ])('answers as ever when the queue is down: $name', async ({ present, type, body }) => {
    const box = openMailbox({ MAIL_QUEUE: { send: refuse } })
    const [path, options] = present(pairOf(await box.call(`/${GUID}`)))
    const response = await box.call(path, { ...STRANGER, ...options })

    expect({
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: await response.text(),
    }).toEqual({
      status: 401,
      headers: {
        'cache-control': 'no-store',
        'content-type': type,
        'www-authenticate': 'Bearer',
        'x-content-type-options': 'nosniff',
      },
      body,
    })
    const { id } = await onlyRow()
    const error = 'Error: Queue send failed (Error: Queue is overloaded)'
    expect(box.logged).toContainEqual({ event: 'mail_not_queued', id, error })
    expect(await progress()).toEqual({
      attempts: 0,
      due_at: START + 300,
      sent_at: null,
      failed_at: null,
      last_error: null,
    })
  })
})

describe('a message', () => {
  test('that is delivered again after the mail was sent sends nothing', async () => {
    const calls = answerMailApi(ACCEPTED)
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)
    await box.settled({ id }, 1)
    await env.MAIL_QUEUE.send({ id })

    expect(await box.settled({ id }, 2)).toEqual(['ack', 'ack'])
    expect(calls).toEqual([await apiCall(id)])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START })
  })

  test('that is delivered twice at the same time sends once: the second delivery waits for the first', async () => {
    const gate = closedGate()
    const calls = answerMailApi(async () => {
      await gate.passed()
      return ACCEPTED()
    })
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)
    await waitUntil(() => calls.length === 1)
    await box.queue(copyOf(id, 1))
    expect(await box.settled({ id }, 1)).toEqual(['retry in 60 s'])
    gate.open()

    expect(await box.settled({ id }, 2)).toEqual(['retry in 60 s', 'ack'])
    await box.queue(copyOf(id, 2))
    expect(await box.settled({ id }, 3)).toEqual(['retry in 60 s', 'ack', 'ack'])
    expect(calls).toEqual([await apiCall(id)])
  })

  test('comes back until the mail API took the mail', async () => {
    const calls = answerMailApi(
      async () => new Response('down', { status: 500 }),
      () => Promise.reject(new TypeError('fetch failed', { cause: new Error('Network connection lost.') })),
      ACCEPTED,
    )
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 3)).toEqual(['retry in 1 s', 'retry in 2 s', 'ack'])
    expect(calls).toEqual([await apiCall(id), await apiCall(id), await apiCall(id)])
    expect(await progress()).toEqual({
      attempts: 3,
      due_at: START + 303,
      sent_at: START + 3,
      failed_at: null,
      last_error: null,
    })
    expect(box.logged.slice(1)).toEqual([
      { event: 'mail_postponed', id, error: 'MailError: HTTP 500: down', delaySeconds: 1 },
      {
        event: 'mail_postponed',
        id,
        error: 'TypeError: fetch failed (Error: Network connection lost.)',
        delaySeconds: 2,
      },
    ])
  })

  test.each([302, 422])('is done with when the mail API answers %i', async (status) => {
    const calls = answerMailApi(async () => new Response(`no mail to ${OWNER}`, { status }), ACCEPTED)
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    const parked = {
      attempts: 1,
      due_at: START + 300,
      sent_at: null,
      failed_at: START,
      last_error: `MailError: HTTP ${status}: no mail to [withheld]`,
    }
    expect(await progress()).toEqual(parked)
    expect(box.logged.slice(1)).toEqual([{ event: 'mail_parked', id, error: parked.last_error }])

    setClock(START + 86_400)
    await box.scheduled()
    await env.MAIL_QUEUE.send({ id })
    expect(await box.settled({ id }, 2)).toEqual(['ack', 'ack'])
    expect(calls).toHaveLength(1)
    expect(await progress()).toEqual(parked)
  })

  test('that was done with is sent once an operator frees its row', async () => {
    const calls = answerMailApi(async () => new Response(null, { status: 403 }), ACCEPTED)
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)
    expect(await box.settled({ id }, 1)).toEqual(['ack'])

    setClock(START + 7200)
    // As docs/storage.md has it.
    await env.DB.prepare('UPDATE notifications SET failed_at = NULL, due_at = 0 WHERE failed_at IS NOT NULL').run()
    await box.scheduled()
    expect(await box.settled({ id }, 2)).toEqual(['ack', 'ack'])
    expect(calls).toEqual([await apiCall(id), await apiCall(id)])
    expect(await progress()).toMatchObject({ attempts: 2, sent_at: START + 7200, failed_at: null, last_error: null })
  })

  test('is done with when its row cannot be read, and holds up no other', async () => {
    const box = openMailbox({ MAIL_QUEUE: losingQueue() })
    const { id } = await blockRefresh(box)
    const unreadable = { kind: 'password_reset', noJson: '{', otherFacts: '{"at":"2026-11-20"}' }
    await env.DB.prepare(
      `INSERT INTO notifications (id, kind, user_id, recipient, facts, dedupe_key, created_at, due_at)
       SELECT key, iif(key = 'kind', value, kind), user_id, recipient, iif(key = 'kind', facts, value), key, created_at, due_at
       FROM notifications, json_each(?)`,
    )
      .bind(JSON.stringify(unreadable))
      .run()
    const others = Object.keys(unreadable)
    await env.MAIL_QUEUE.sendBatch([...others, id].map((row) => ({ body: { id: row } })))

    for (const row of [...others, id]) expect(await box.settled({ id: row }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
    const error = 'MailError: the row cannot be read'
    expect(new Set(box.logged.slice(1))).toEqual(
      new Set(others.map((row) => ({ event: 'mail_parked', id: row, error }))),
    )
    const rows = await readOutbox()
    const ends = rows.map((row) => [
      row.id,
      { sent: row['sent_at'], failed: row['failed_at'], error: row['last_error'] },
    ])
    const parked = { sent: null, failed: START, error }
    expect(Object.fromEntries(ends)).toEqual({
      [id]: { sent: START, failed: null, error: null },
      kind: parked,
      noJson: parked,
      otherFacts: parked,
    })
  })

  test('comes back when the mail API has no time, or is still at an earlier try', async () => {
    const statuses = [408, 409, 425]
    const [first, ...answers] = statuses.map((status) => async () => new Response(OWNER, { status }))
    const calls = answerMailApi(first ?? ACCEPTED, ...answers, ACCEPTED)
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 4)).toEqual(['retry in 1 s', 'retry in 2 s', 'retry in 4 s', 'ack'])
    expect(calls).toEqual(Array(4).fill(await apiCall(id)))
    expect(box.logged.slice(1)).toEqual(
      statuses.map((status, retry) => ({
        event: 'mail_postponed',
        id,
        error: `MailError: HTTP ${status}: [withheld]`,
        delaySeconds: 2 ** retry,
      })),
    )
  })

  test.each([
    { status: 429, retryAfter: null, delay: 1 },
    { status: 429, retryAfter: '120', delay: 120 },
    { status: 503, retryAfter: '7200', delay: 7200 },
    { status: 503, retryAfter: '999999', delay: 43_200 },
    { status: 502, retryAfter: 'soon', delay: 1 },
  ])('waits $delay s when the mail API answers $status, Retry-After: $retryAfter', async (row) => {
    const headers = row.retryAfter === null ? {} : { 'Retry-After': row.retryAfter }
    const calls = answerMailApi(async () => new Response(null, { status: row.status, headers }), ACCEPTED)
    const queue = losingQueue()
    const box = openMailbox({ ...API, MAIL_QUEUE: queue })
    const { id } = await blockRefresh(box)
    await box.queue(copyOf(id, 1))

    const postponed = {
      attempts: 1,
      due_at: START + row.delay + 300,
      sent_at: null,
      failed_at: null,
      last_error: `MailError: HTTP ${row.status}`,
    }
    expect(await box.settled({ id }, 1)).toEqual([`retry in ${row.delay} s`])
    expect(await progress()).toEqual(postponed)

    // The sweep keeps its hands off what the queue still holds.
    setClock(START + row.delay)
    await box.scheduled()
    expect(queue.taken).toEqual([{ id }])
    await box.queue(copyOf(id, 2))
    expect(await box.settled({ id }, 2)).toEqual([`retry in ${row.delay} s`, 'ack'])
    expect(calls).toEqual([await apiCall(id), await apiCall(id)])
    expect(await progress()).toMatchObject({ attempts: 2, sent_at: START + row.delay, last_error: null })
  })

  test('waits ten seconds for the mail API, and then comes back', async () => {
    const waits = hurryTimeouts()
    const gate = closedGate()
    const calls = answerMailApi(async () => {
      await gate.passed()
      return ACCEPTED()
    }, ACCEPTED)
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 2)).toEqual(['retry in 1 s', 'ack'])
    expect(waits).toEqual([10_000, 10_000])
    expect(calls).toEqual([await apiCall(id), await apiCall(id)])
    expect(box.logged.slice(1)).toEqual([
      {
        event: 'mail_postponed',
        id,
        error: 'TimeoutError: The operation was aborted due to timeout',
        delaySeconds: 1,
      },
    ])
  })

  test('waits ten seconds for the send_email binding, and then comes back', async () => {
    const waits = hurryTimeouts()
    const gate = closedGate()
    const send = vi.fn<(mail: unknown) => Promise<unknown>>().mockImplementationOnce(gate.passed).mockResolvedValue({})
    const box = openMailbox({ EMAIL: { send } })
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 2)).toEqual(['retry in 1 s', 'ack'])
    expect(waits).toEqual([10_000, 10_000])
    expect(send.mock.calls).toEqual([[await mail(id)], [await mail(id)]])
    expect(await progress()).toMatchObject({ attempts: 2, sent_at: START + 1, last_error: null })
    expect(box.logged.slice(1)).toEqual([
      { event: 'mail_postponed', id, error: 'MailError: no answer in time', delaySeconds: 1 },
    ])
  })

  test('does not wait for the end of the answer', async () => {
    answerMailApi(async () => new Response(new ReadableStream()))
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START })
  })

  test.each(['E_SENDER_NOT_VERIFIED', 'E_RECIPIENT_SUPPRESSED'])(
    'is done with when the binding says %s',
    async (code) => {
      const send = () => Promise.reject(Object.assign(new Error(`no mail to ${OWNER}`), { code }))
      const box = openMailbox({ EMAIL: { send } })
      const { id } = await blockRefresh(box)

      expect(await box.settled({ id }, 1)).toEqual(['ack'])
      expect(await progress()).toMatchObject({
        sent_at: null,
        failed_at: START,
        last_error: `MailError: ${code}: no mail to [withheld]`,
      })
    },
  )

  test.each([
    {
      says: 'E_RATE_LIMIT_EXCEEDED',
      code: 'E_RATE_LIMIT_EXCEEDED',
      error: 'MailError: E_RATE_LIMIT_EXCEEDED: no mail to [withheld]',
    },
    {
      says: 'nothing that it is known for',
      code: undefined,
      error: 'MailError: send_email failed: no mail to [withheld]',
    },
  ])('comes back when the binding says $says', async ({ code, error }) => {
    const refusal = Object.assign(new Error(`no mail to ${OWNER}`), { code })
    const send = vi.fn<(mail: unknown) => Promise<unknown>>().mockRejectedValueOnce(refusal).mockResolvedValue({})
    const box = openMailbox({ EMAIL: { send } })
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 2)).toEqual(['retry in 1 s', 'ack'])
    expect(send.mock.calls).toEqual([[await mail(id)], [await mail(id)]])
    expect(box.logged.slice(1)).toEqual([{ event: 'mail_postponed', id, error, delaySeconds: 1 }])
    expect(await progress()).toMatchObject({ attempts: 2, sent_at: START + 1, last_error: null })
  })

  test('that is not one of ours is dropped and logged, and holds up no other', async () => {
    const junk = [null, 'text', 7, [], {}, { id: 7 }, { ids: ['x'] }]
    const queue = losingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    const { id } = await blockRefresh(box)
    await env.MAIL_QUEUE.sendBatch([...junk, { id: 'unknown' }, { id }].map((body) => ({ body })))

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    for (const body of [...junk, { id: 'unknown' }]) expect(await box.settled(body, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
    const dropped = { event: 'mail_message_not_valid', messageId: expect.stringMatching(/^[\da-f]{32}$/) }
    expect(box.logged.slice(1)).toEqual(junk.map(() => dropped))
  })

  test('comes back when D1 is down', async () => {
    const allowWrites = await refuseWrites('UPDATE OF leased_until ON notifications', `new.due_at = ${START + 300}`)
    const box = openMailbox()
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 2)).toEqual(['retry in 1 s', 'ack'])
    await allowWrites()
    expect(box.mails).toEqual([await mail(id)])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START + 1 })
    expect(box.logged.slice(1)).toEqual([{ event: 'mail_outbox_unreachable', id, error: D1_REFUSED }])
  })

  test('comes back when D1 goes down after the mail was taken, with the same idempotency key', async () => {
    const calls = answerMailApi(ACCEPTED)
    const allowWrites = await refuseWrites('UPDATE OF sent_at ON notifications', 'old.attempts = 1')
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)

    // At first the lease of the delivery that failed is still running.
    expect(await box.settled({ id }, 3)).toEqual(['retry in 1 s', 'retry in 60 s', 'ack'])
    await allowWrites()
    expect(calls).toEqual([await apiCall(id), await apiCall(id)])
    expect(await progress()).toMatchObject({ attempts: 2, sent_at: START + 61, failed_at: null, last_error: null })
    expect(box.logged.slice(1)).toEqual([{ event: 'mail_outbox_unreachable', id, error: D1_REFUSED }])
  })

  test('whose consumer died is sent by the next delivery, once the lease has ended', async () => {
    const box = openMailbox({ MAIL_QUEUE: losingQueue() })
    const { id } = await blockRefresh(box)
    expect(await createOutbox(env.DB).lease(id, START)).toMatchObject({ state: 'leased' })
    await env.MAIL_QUEUE.send({ id })

    expect(await box.settled({ id }, 2)).toEqual(['retry in 60 s', 'ack'])
    expect(box.mails).toEqual([await mail(id)])
    expect(await progress()).toMatchObject({ attempts: 2, sent_at: START + 60 })
  })
})

describe('the dead letter queue', () => {
  test('gets a mail that failed for a day; its row keeps the error', { timeout: 20_000 }, async () => {
    const calls = answerMailApi(async () => new Response(null, { status: 500 }))
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)

    const doubling = Array.from({ length: 12 }, (_, retry) => 2 ** retry)
    const hourly = Array<number>(24).fill(3600)
    expect(await box.settled({ id }, 37, 15_000)).toEqual([
      ...[...doubling, ...hourly].map((delay) => `retry in ${delay} s`),
      'dead: ack',
    ])
    expect(calls).toEqual(Array(36).fill(await apiCall(id)))
    // What the last delivery asked for did not come: the queue had enough.
    expect(await progress()).toMatchObject({
      attempts: 36,
      sent_at: null,
      failed_at: START + 4095 + 23 * 3600,
      last_error: 'MailError: HTTP 500',
    })
    expect(box.logged.at(-1)).toEqual({ event: 'mail_given_up', id })

    setClock(START + 2 * 86_400)
    await box.scheduled()
    await env.MAIL_QUEUE.send({ id })
    expect((await box.settled({ id }, 38)).at(-1)).toBe('ack')
    expect(calls).toHaveLength(36)
  })

  test('is emptied of what is not one of ours, and tries again when D1 is down', async () => {
    const allowWrites = await refuseWrites('UPDATE OF failed_at ON notifications', `new.failed_at = ${START}`)
    const box = openMailbox({ MAIL_QUEUE: losingQueue() })
    const { id } = await blockRefresh(box)
    await env.MAIL_DEAD_LETTERS.sendBatch([{ body: 'junk' }, { body: { id } }])

    expect(await box.settled({ id }, 2)).toEqual(['dead: retry in 1 s', 'dead: ack'])
    await allowWrites()
    expect(await box.settled('junk', 1)).toEqual(['dead: ack'])
    expect(await progress()).toMatchObject({ sent_at: null, failed_at: START + 1, last_error: null })
    expect(box.mails).toEqual([])
    expect(box.logged.slice(1)).toEqual([
      { event: 'mail_outbox_unreachable', id, error: D1_REFUSED },
      { event: 'mail_given_up', id },
    ])
  })

  test('does not touch a mail that was sent', async () => {
    const box = openMailbox()
    const { id } = await blockRefresh(box)
    await box.settled({ id }, 1)
    await env.MAIL_DEAD_LETTERS.send({ id })

    expect(await box.settled({ id }, 2)).toEqual(['ack', 'dead: ack'])
    expect(await progress()).toMatchObject({ sent_at: START, failed_at: null })
  })

  test('gives up a mail that is just being sent: once it is sent, it did not fail', async () => {
    const gate = closedGate()
    const calls = answerMailApi(async () => {
      await gate.passed()
      return ACCEPTED()
    })
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)
    await waitUntil(() => calls.length === 1)
    await env.MAIL_DEAD_LETTERS.send({ id })
    expect(await box.settled({ id }, 1)).toEqual(['dead: ack'])
    expect(await progress()).toMatchObject({ sent_at: null, failed_at: START })
    gate.open()

    expect(await box.settled({ id }, 2)).toEqual(['dead: ack', 'ack'])
    expect(calls).toEqual([await apiCall(id)])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START, failed_at: null, last_error: null })
  })
})

describe('the sweep', () => {
  test('sends what the queue lost, five minutes later and not before', async () => {
    const box = openMailbox({ MAIL_QUEUE: { send: refuse, sendBatch } })
    const { id } = await blockRefresh(box)

    setClock(START + 299)
    await box.scheduled()
    expect(await progress()).toMatchObject({ attempts: 0, due_at: START + 300 })

    setClock(START + 301)
    await box.scheduled()
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.bodies).toEqual([{ id }])
    expect(box.mails).toEqual([await mail(id)])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START + 301 })
    expect(box.logged.at(-1)).toEqual({ event: 'mail_requeued', count: 1 })

    setClock(START + 86_400)
    await box.scheduled()
    expect(box.bodies).toEqual([{ id }])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START + 301 })
  })

  test('queues a mail once, and again only when that message is lost too', async () => {
    const queue = losingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    const { id } = await blockRefresh(box)

    setClock(START + 301)
    await Promise.all([box.scheduled(), box.scheduled()])
    await box.scheduled()
    expect(queue.taken).toEqual([{ id }, { id }]) // one of the request, one of the first sweep
    setClock(START + 301 + 899)
    await box.scheduled()
    expect(queue.taken).toHaveLength(2)
    setClock(START + 301 + 900)
    await box.scheduled()
    expect(queue.taken).toEqual([{ id }, { id }, { id }])
  })

  test('finds a mail whose consumer died', async () => {
    const box = openMailbox({ MAIL_QUEUE: { ...losingQueue(), sendBatch } })
    const { id } = await blockRefresh(box)
    await createOutbox(env.DB).lease(id, START + 200)

    setClock(START + 499)
    await box.scheduled()
    expect(await progress()).toMatchObject({ attempts: 1, due_at: START + 500 })
    setClock(START + 500)
    await box.scheduled()
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
    expect(await progress()).toMatchObject({ attempts: 2, sent_at: START + 500 })
  })

  test('takes the longest overdue first, a hundred at a time, two thousand at most', async () => {
    const { queue, batches } = countingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    await insertOverdue(2101)

    await box.scheduled()
    const sizes = Array<number>(20).fill(100)
    expect(batches.map((ids) => ids.length)).toEqual(sizes)
    expect(new Set(batches.flat())).toEqual(new Set(Array.from({ length: 2000 }, (_, i) => `mail-${2101 - i}`)))
    expect(batches[0]).toContain('mail-2101')
    expect(batches[0]).not.toContain('mail-2001')
    expect(box.logged).toEqual(sizes.map((count) => ({ event: 'mail_requeued', count })))

    await box.scheduled()
    expect(batches.slice(20).map((ids) => ids.length)).toEqual([100, 1])
    expect(batches.at(-1)).toEqual(['mail-1'])
    expect(new Set(batches.flat()).size).toBe(2101)
  })

  test('calls the queue with no empty batch', async () => {
    const { queue, batches } = countingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    await insertOverdue(100)

    await box.scheduled()
    await box.scheduled()
    expect(batches.map((ids) => ids.length)).toEqual([100])
  })

  test('loses nothing when the queue is down', async () => {
    const once = vi.fn<Queue['sendBatch']>().mockImplementation(sendBatch).mockImplementationOnce(refuse)
    const box = openMailbox({ MAIL_QUEUE: { send: refuse, sendBatch: once } })
    const { id } = await blockRefresh(box)

    setClock(START + 300)
    await expect(box.scheduled()).rejects.toThrow('Queue send failed')
    setClock(START + 1200)
    await box.scheduled()
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
  })
})

describe('one run of the cron trigger', () => {
  beforeEach(async () => {
    await startWorker().call(`/${GUID}`)
    await env.DB.prepare('UPDATE sessions SET expires_at = 0').run()
  })

  // What is looked at as soon as a run is over: the platform may end whatever it left running.
  test('sweeps to the end when the purge fails, and then fails', async () => {
    const { queue, batches } = countingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    await insertOverdue(500)
    const allowWrites = await refuseWrites('DELETE ON sessions')

    await expect(box.scheduled()).rejects.toThrow('Service unavailable')
    expect(batches.map((ids) => ids.length)).toEqual([100, 100, 100, 100, 100])
    await allowWrites()
    expect(await readSessions()).toHaveLength(1)
  })

  test('purges to the end when the sweep fails, and then fails', async () => {
    const box = openMailbox({ MAIL_QUEUE: { sendBatch: refuse } })
    await insertOverdue(1)

    await expect(box.scheduled()).rejects.toThrow('Queue send failed')
    expect(box.logged).toEqual([{ event: 'purged', rows: 1 }])
    expect(await readSessions()).toEqual([])
  })
})

describe('what a stranger chooses', () => {
  test('stays a value: no header, no line of the text, no tag of the HTML', async () => {
    const calls = answerMailApi(ACCEPTED)
    const box = openMailbox(API)
    const { id } = await blockRefresh(box, {
      ip: ELSEWHERE,
      cf: {
        city: 'Oslo\r\nBcc: thief@example.com\r\n\r\n<h1>Sign in again</h1>',
        country: '<b>' as Iso3166Alpha2Code,
        asOrganization: 'Evil\u2028Address: 203.0.113.7\u202E& "Sons"\u0000',
      },
      headers: { 'User-Agent': `<a href='https://evil.example'>sign in</a>` },
    })

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    const details = {
      When: '2026-11-20 10:30 UTC',
      City: 'Oslo Bcc: thief@example.com <h1>Sign in again</h1>',
      Country: 'unknown',
      Network: 'Evil Address: 203.0.113.7 & "Sons"',
      Address: ELSEWHERE,
      Device: 'unknown',
    }
    const markup = {
      ...details,
      City: 'Oslo Bcc: thief@example.com &lt;h1&gt;Sign in again&lt;/h1&gt;',
      Network: 'Evil Address: 203.0.113.7 &amp; &quot;Sons&quot;',
    }
    expect(calls).toEqual([await apiCall(id, { details, markup })])
  })

  test('is of an unknown device nothing at all', async () => {
    const box = openMailbox()
    const { id } = await blockRefresh(box, {
      ...STRANGER,
      headers: { 'User-Agent': 'Tessera-Mobile/4.2 (sign in at https://evil.example) or call +47 555 01 234' },
    })

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id, { details: { ...DETAILS, Device: 'unknown' } })])
  })

  test.each([
    {
      name: 'of the token, whatever name of this machine is asked',
      publicUrl: '',
      asked: 'http://evil.localhost',
      origin: ORIGIN,
    },
    {
      name: 'of PUBLIC_URL, also for a token of another',
      publicUrl: 'https://login.localhost',
      asked: 'http://evil.localhost',
      origin: 'https://login.localhost',
    },
  ])('is not where the links lead: they lead to the issuer $name', async ({ publicUrl, asked, origin }) => {
    const issuing = startWorker()
    const [moved, reused] = [pairOf(await issuing.call(`/${GUID}`)), pairOf(await issuing.call(`/${GUID}`))]
    await issuing.call('/refresh', { cookies: reused })
    const box = openMailbox({ PUBLIC_URL: publicUrl })
    const evil = { ...STRANGER, origin: asked }
    const json = { refresh: moved.refresh_token }

    expect((await box.call('/auth/token/refresh', { ...evil, method: 'POST', json })).status).toBe(401)
    const { id } = await onlyRow()
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    setClock(START + 11)
    expect((await box.call('/refresh', { ...evil, cookies: reused })).status).toBe(401)
    const [later] = (await readOutbox()).slice(1).map((row) => row.id)
    expect(await box.settled({ id: later }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([
      await mail(id, { origin }),
      await mail(String(later), { origin, wording: TOKEN_REUSED, at: START + 11 }),
    ])
  })

  test('is called unknown where nothing is known', async () => {
    const box = openMailbox()
    const { id } = await blockRefresh(box, { ip: ELSEWHERE, cf: { city: '\r\n', asOrganization: ' ' } })

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    const unknown = { City: 'unknown', Country: 'unknown', Network: 'unknown', Device: 'unknown' }
    expect(box.mails).toEqual([await mail(id, { details: { ...DETAILS, ...unknown } })])
  })
})

describe('secrets', () => {
  test('are in no message, no row and no log, and neither is an address in a log', async () => {
    answerMailApi(
      // As a service that repeats what it was sent, link and all.
      async (call) => {
        const link = /https:[^\s"\\]+/.exec(JSON.stringify(call.body))?.[0] ?? ''
        return new Response(`${API.MAIL_API_KEY} ${OWNER} ${link}`, { status: 500 })
      },
      () => Promise.reject(new TypeError('Network connection lost.')),
      ACCEPTED,
    )
    const box = openMailbox(API)
    const { pair, id } = await blockRefresh(box)
    await box.settled({ id }, 3)
    const row = await onlyRow()

    expect(box.bodies).toEqual([{ id }, { id }, { id }])
    expect(JSON.parse(String(row['facts']))).toEqual({
      at: START,
      client: {
        address: ELSEWHERE,
        asn: 2116,
        country: 'NO',
        city: 'Oslo',
        network: 'Globalconnect',
        userAgent: STRANGER.headers['User-Agent'],
      },
      usual: { address: HOME, asn: null, country: null, city: null, network: null },
      origin: ORIGIN,
    })
    const { jti, sid } = decodeToken(pair.refresh_token).payload
    const links = (await mail(id)).text.match(/(?<=token=)\S+/g) ?? []
    expect(links).toHaveLength(2)
    const written = JSON.stringify([row, box.logged])
    for (const secret of [pair.access_token, pair.refresh_token, String(jti), API.MAIL_API_KEY, ...links]) {
      expect(written).not.toContain(secret)
    }
    expect(JSON.stringify(box.logged)).not.toContain(OWNER)
    expect(box.logged).toEqual([
      { event: 'refused', code: 'location_blocked', status: 401, cause: 'moved', sid, route: '/refresh' },
      { event: 'mail_postponed', id, error: 'MailError: HTTP 500: [withheld] [withheld] [link]', delaySeconds: 1 },
      { event: 'mail_postponed', id, error: 'TypeError: Network connection lost.', delaySeconds: 2 },
    ])
  })

  test('are in no log when one cannot be used: the Worker says which key, and takes no message', async () => {
    const box = openMailbox({ ...API, MAIL_API_KEY: 're_Zk3v9\u2026QmW2xT7' })
    const response = await box.call(`/${GUID}`)
    const reason = 'Configuration: MAIL_API_KEY must be printable ASCII without spaces'

    expect([response.status, await response.text()]).toEqual([500, ''])
    expect(box.logged).toEqual([reason])
    await expect(box.queue(copyOf('mail-1', 1))).rejects.toThrow(reason)
  })
})
