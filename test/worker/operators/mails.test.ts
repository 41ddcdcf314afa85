/** The outbox as operators see it: what waits, what was parked, what was sent; a parked mail that is tried again, and mails that they have sent. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createOutbox } from '../../../src/db/mails/outbox.ts'
import { forgot, linkTo, mailsTo, register, reset, signedIn } from '../../support/account-life.ts'
import { createAccount, dumpTables, emptyTables, GUID } from '../../support/accounts.ts'
import { answer, FORBIDDEN, malformed, NOT_FOUND, okJson } from '../../support/answers.ts'
import { passSeconds, START } from '../../support/clock.ts'
import { answerMailApi, openMailbox, readOutbox, waitUntil } from '../../support/mailbox.ts'
import {
  accountOf,
  ACCEPTED,
  API,
  apiCall,
  blockRefresh,
  copyOf,
  losingQueue,
  OWNER,
  progress,
  refuse,
  startWithOwner,
} from '../../support/mails.ts'
import { SERVICE } from '../../support/requests.ts'
import { type CallOptions, HOME, startWorker, type TestWorker, worker } from '../../support/worker.ts'

beforeEach(() => emptyTables(env.DB))
startWithOwner()

const OPERATOR: CallOptions = {
  headers: { ...SERVICE, 'User-Agent': 'curl/8.5.0' },
  cf: { asn: 64_500, country: 'DE', city: 'Bonn' },
}

function ask(method: string, path: string, json?: unknown, by: TestWorker = worker) {
  return by.call(path, { ...OPERATOR, method, ...(json !== undefined && { json }) })
}

async function list(query: string, by: TestWorker = worker) {
  const response = await ask('GET', `/admin/mails${query}`, undefined, by)
  expect(response.status).toBe(200)
  return response.json<{ mails: Record<string, unknown>[]; next: string | null }>()
}

/** Every page of a list, from its beginning to its end. */
async function ids(query: string): Promise<readonly unknown[]> {
  const found: unknown[] = []
  for (let cursor = ''; ;) {
    const { mails, next } = await list(`${query}${cursor}`)
    found.push(...mails.map(({ id }) => id))
    if (next === null) return found
    if (found.length > 1000) throw new Error('the pages have no end')
    cursor = `&cursor=${next}`
  }
}

async function ledger() {
  const { results } = await env.DB.prepare('SELECT * FROM audit ORDER BY id').all()
  return results.map(({ id: _id, facts, ...row }) => ({ ...row, facts: JSON.parse(String(facts)) as unknown }))
}

function act(action: string, userId: number | null, facts: unknown) {
  const from = { ip: HOME, asn: 64_500, country: 'DE', city: 'Bonn', user_agent: 'curl/8.5.0' }
  return { at: Date.now() / 1000, actor: 'service', action, user_id: userId, facts, ...from }
}

/** Mails of the owner: `state` says of which row it is what. */
async function insertMails(count: number, state = 'sent', guid = GUID): Promise<void> {
  await env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
     INSERT INTO notifications (id, kind, user_id, recipient, facts, dedupe_key, created_at, due_at, attempts, sent_at, failed_at, last_error)
     SELECT ?2 || '-' || i, 'token_reused', (SELECT id FROM users WHERE guid = ?3), 'owner@example.com', '{}', ?2 || i, ?4 + i / 3, ?4 + 300 - i / 3,
       1, iif(?2 = 'sent', ?4 + i, NULL), iif(?2 = 'parked', ?4 + i, NULL), iif(?2 = 'parked', 'MailError: HTTP 422', NULL) FROM n`,
  )
    .bind(count, state, guid, START)
    .run()
}

function names(state: string, from: number, to: number): readonly string[] {
  const step = from <= to ? 1 : -1
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => `${state}-${from + i * step}`)
}

describe('the list of mails', () => {
  test('shows each, and nothing of what it says', async () => {
    await insertMails(1, 'waiting')
    await insertMails(1, 'parked')
    await insertMails(1, 'sent')
    const common = { kind: 'token_reused', guid: GUID, recipient: OWNER }
    const times = { created_at: START, attempts: 1, due_at: START + 300 }
    const [sent, parked, waiting] = [
      { id: 'sent-1', ...common, state: 'sent', ...times, sent_at: START + 1, failed_at: null, last_error: null },
      {
        id: 'parked-1',
        ...common,
        state: 'parked',
        ...times,
        sent_at: null,
        failed_at: START + 1,
        last_error: 'MailError: HTTP 422',
      },
      { id: 'waiting-1', ...common, state: 'waiting', ...times, sent_at: null, failed_at: null, last_error: null },
    ]
    expect(await answer(await ask('GET', '/admin/mails'))).toEqual(
      okJson({ mails: [sent, parked, waiting], next: null }),
    )
    expect(await list('?state=sent')).toEqual({ mails: [sent], next: null })
    expect(await list('?state=parked')).toEqual({ mails: [parked], next: null })
    expect(await list('?state=waiting')).toEqual({ mails: [waiting], next: null })
    expect(await list(`?state=parked&guid=${GUID.toUpperCase()}`)).toEqual({ mails: [parked], next: null })
    expect(await list(`?guid=${crypto.randomUUID()}`)).toEqual({ mails: [], next: null })
  })

  test('shows mails to somebody who has no account yet', async () => {
    await register('new@example.com')
    expect((await list('')).mails).toMatchObject([
      { kind: 'confirm_address', guid: null, recipient: 'new@example.com' },
    ])
  })

  test.each([
    // The newest first; of those that wait the one that is due first.
    ['sent', names('sent', 7, 1)],
    ['parked', names('parked', 7, 1)],
    ['waiting', [...names('waiting', 6, 7), ...names('waiting', 3, 5), ...names('waiting', 1, 2)]],
  ])('has pages, and its order: %s', async (state, order) => {
    for (const one of ['sent', 'parked', 'waiting']) await insertMails(7, one)
    for (const limit of [1, 2, 3, 6, 7, 8]) expect(await ids(`?state=${state}&limit=${limit}`)).toEqual(order)
    expect(new Set(await ids('?limit=4'))).toEqual(
      new Set(['sent', 'parked', 'waiting'].flatMap((one) => names(one, 1, 7))),
    )
    expect((await list(`?state=${state}&limit=7`)).next).toBeNull()
  })

  test('shows no row twice and leaves none out while mails are stored', async () => {
    await insertMails(5, 'sent')
    const first = await list('?limit=2')
    await insertMails(3, 'parked')
    const second = await list(`?limit=3&cursor=${first.next}`)
    expect([...first.mails, ...second.mails].map(({ id }) => id)).toEqual(names('sent', 5, 1))
    expect(second.next).toBeNull()
  })

  test('ends a page after so many rows, and goes on behind them', async () => {
    const { guid } = await createAccount(env.DB)
    await insertMails(2, 'parked', guid)
    await insertMails(12_000, 'sent')
    for (const query of [`?guid=${guid}&limit=5`, '?state=waiting', `?state=sent&guid=${guid}`]) {
      const response = await ask('GET', `/admin/mails${query}`)
      expect(response.status).toBe(200)
    }
    expect(await list(`?guid=${guid}`)).toMatchObject({ mails: [] })
    expect(await ids(`?guid=${guid}&limit=5`)).toEqual(names('parked', 2, 1))
    // By their index.
    expect(await list(`?state=parked&guid=${guid}`)).toMatchObject({ mails: [{}, {}], next: null })
  })

  test.each([
    ['?state=lost', { state: ['Invalid option: expected one of "waiting"|"parked"|"sent"'] }],
    ['?guid=7', { guid: ['Invalid GUID'] }],
    ['?limit=0', { limit: ['Too small: expected number to be >=1'] }],
    ['?limit=101', { limit: ['Too big: expected number to be <=100'] }],
    ['?cursor=1', { cursor: ['must be the `next` of another page'] }],
  ])('says which parameter is wrong: %s', async (query, errors) => {
    expect(await answer(await ask('GET', `/admin/mails${query}`))).toEqual(malformed(errors))
  })
})

describe('a mail that was parked', () => {
  test('goes out once it is tried again: by its id', async () => {
    const calls = answerMailApi(async () => new Response('no such domain', { status: 422 }), ACCEPTED)
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)
    await box.settled({ id }, 1)
    expect(await progress()).toMatchObject({ failed_at: START, last_error: 'MailError: HTTP 422: no such domain' })
    expect((await list('?state=parked', box)).mails).toMatchObject([{ id, state: 'parked' }])
    passSeconds(5)

    expect(await answer(await ask('POST', `/admin/mails/${id}/requeue`, undefined, box))).toEqual({
      ...okJson({ id }),
      status: 202,
    })
    expect(await box.settled({ id }, 2)).toEqual(['ack', 'ack'])
    expect(calls).toEqual([await apiCall(id), await apiCall(id)])
    expect(await progress()).toEqual({
      attempts: 2,
      due_at: START + 305,
      sent_at: START + 5,
      failed_at: null,
      last_error: null,
    })
    expect(await ledger()).toEqual([act('mails_requeued', await accountOf(id), { count: 1, mail: id })])
    expect(await list('?state=parked', box)).toEqual({ mails: [], next: null })
  })

  test('goes out with all others that were', async () => {
    const box = openMailbox({ ...API, MAIL_QUEUE: losingQueue() })
    await insertMails(3, 'sent')
    await insertMails(2, 'waiting')
    await insertMails(1203, 'parked')
    const before = await readOutbox()

    expect(await answer(await ask('POST', '/admin/mails/requeue', undefined, box))).toEqual({
      ...okJson({ count: 1000 }),
      status: 202,
    })
    // Those first that were stored first.
    const { results } = await env.DB.prepare(
      'SELECT id FROM notifications WHERE failed_at IS NOT NULL ORDER BY rowid',
    ).all()
    expect(results.map(({ id }) => id)).toEqual(names('parked', 1001, 1203))
    expect((await readOutbox()).filter(({ id }) => !id.startsWith('parked'))).toEqual(
      before.filter(({ id }) => !id.startsWith('parked')),
    )
    expect(await (await ask('POST', '/admin/mails/requeue', undefined, box)).json()).toEqual({ count: 203 })
    expect(await (await ask('POST', '/admin/mails/requeue', undefined, box)).json()).toEqual({ count: 0 })
    expect(await ledger()).toEqual([
      act('mails_requeued', null, { count: 1000 }),
      act('mails_requeued', null, { count: 203 }),
    ])
  })

  test('is announced to the queue with all others, a hundred at a time', async () => {
    const queue = losingQueue()
    await insertMails(250, 'parked')
    await ask('POST', '/admin/mails/requeue', undefined, startWorker({ MAIL_QUEUE: queue }))
    const account = await accountOf('parked-1')
    expect(new Set(queue.taken)).toEqual(new Set(names('parked', 1, 250).map((id) => ({ id, account }))))
    expect(queue.taken).toHaveLength(250)
  })

  test('that a consumer is still sending is not sent twice', async () => {
    const calls = answerMailApi(ACCEPTED)
    const box = openMailbox({ ...API, MAIL_QUEUE: losingQueue() })
    const { id } = await blockRefresh(box)
    const consumer = createOutbox(env.DB)
    const mail = { id, account: await accountOf(id) }
    expect((await consumer.lease(mail, START)).state).toBe('leased')
    for (const path of [`/admin/mails/${id}/requeue`, '/admin/mails/requeue']) {
      // The queue has given up what the consumer still holds.
      await consumer.park(mail, null, START)
      expect((await ask('POST', path, undefined, box)).status).toBe(202)
      expect(await progress()).toMatchObject({ failed_at: null, due_at: START })
    }
    await box.queue(copyOf(id, 1))
    expect(await box.settled({ id }, 1)).toEqual(['retry in 60 s'])
    await consumer.markSent(mail, START + 3)
    await box.queue(copyOf(id, 2))
    expect(await box.settled({ id }, 2)).toEqual(['retry in 60 s', 'ack'])
    expect(calls).toEqual([])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START + 3, failed_at: null })
  })

  test('and that two operators have tried again at once is sent once', async () => {
    const calls = answerMailApi(async () => new Response(null, { status: 422 }), ACCEPTED)
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)
    await box.settled({ id }, 1)

    await Promise.all([1, 2].map(() => ask('POST', `/admin/mails/${id}/requeue`, undefined, box)))
    await box.settled({ id }, 3)
    await waitUntil(() => calls.length >= 2)
    expect(calls).toHaveLength(2)
    expect(await progress()).toMatchObject({ attempts: 2, sent_at: START })
  })

  test('is found by the sweep where the queue takes nothing', async () => {
    const calls = answerMailApi(async () => new Response(null, { status: 422 }), ACCEPTED)
    const box = openMailbox(API)
    const { id } = await blockRefresh(box)
    await box.settled({ id }, 1)
    for (const path of [`/admin/mails/${id}/requeue`, '/admin/mails/requeue']) {
      await env.DB.prepare('UPDATE notifications SET failed_at = 1').run()
      const deaf = startWorker({ ...API, MAIL_QUEUE: { send: refuse, sendBatch: refuse } })
      expect((await ask('POST', path, undefined, deaf)).status).toBe(202)
      expect(box.logged.at(-1)).toMatchObject({ event: 'mail_not_queued', id })
    }
    await box.scheduled()
    await box.settled({ id }, 2)
    expect(calls).toHaveLength(2)
    expect(await progress()).toMatchObject({ sent_at: START })
  })
})

describe('a mail that waits', () => {
  test('is tried at once, and the sweep finds it, too', async () => {
    const queue = losingQueue()
    await insertMails(1, 'waiting')
    const by = startWorker({ MAIL_QUEUE: queue })
    expect((await ask('POST', '/admin/mails/waiting-1/requeue', undefined, by)).status).toBe(202)
    const message = { id: 'waiting-1', account: await accountOf('waiting-1') }
    expect(queue.taken).toEqual([message])
    await by.scheduled()
    expect(queue.taken).toEqual([message, message])
  })
})

describe('nothing to try again', () => {
  test.each(['sent-1', 'unknown', GUID, '%00', "x' or 1=1"])('is 404 and leaves no trace: %s', async (id) => {
    await insertMails(1, 'sent')
    const before = await dumpTables(env.DB)
    expect(await answer(await ask('POST', `/admin/mails/${encodeURIComponent(id)}/requeue`))).toEqual(NOT_FOUND)
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

describe('a mail that an operator has sent', () => {
  const asked = { kind: 'reset_password', primary_email: OWNER }

  test('to choose a password: invites an account that has none', async () => {
    const box = openMailbox()
    const response = await ask('POST', '/admin/mails', { ...asked, primary_email: ' Owner@EXAMPLE.com' }, box)
    const [row] = await readOutbox()
    expect(await answer(response)).toEqual({ ...okJson({ id: row?.id }), status: 202 })
    expect(row).toMatchObject({ kind: 'reset_password', recipient: OWNER })
    expect(await ledger()).toEqual([
      act('mail_asked', await accountOf(String(row?.id)), { kind: 'reset_password', mail: row?.id }),
    ])
    await box.settled({ id: row?.id }, 1)
    expect(box.mails).toMatchObject([{ to: OWNER, subject: 'Tessera: choose a password' }])
    // Where the operator is, is not told.
    expect(JSON.stringify(box.mails)).not.toMatch(new RegExp(`${HOME.replaceAll('.', '\\.')}|Bonn|curl`))

    expect((await reset(await linkTo(OWNER, 'reset_password', 'reset_password'))).status).toBe(204)
    expect((await signedIn(OWNER, 'eleven loud geese downstream')).email).toBe(OWNER)
  })

  test('is none of the five a day that anybody may ask for', async () => {
    for (let i = 0; i < 6; i += 1) await forgot(OWNER)
    expect(await mailsTo(OWNER)).toHaveLength(5)
    expect((await ask('POST', '/admin/mails', asked)).status).toBe(202)
    await forgot(OWNER)
    expect(await mailsTo(OWNER)).toHaveLength(6)
  })

  test('to confirm an address: repeats the last registration', async () => {
    const email = 'new@example.com'
    await register(email, 'seven quiet herons upstream', { cf: { city: 'Kyiv', country: 'UA' } })
    const response = await ask('POST', '/admin/mails', { kind: 'confirm_address', primary_email: email })
    const mails = await mailsTo(email)
    expect([response.status, await response.json()]).toEqual([202, { id: mails[1]?.id }])
    expect(await ledger()).toEqual([act('mail_asked', null, { kind: 'confirm_address', mail: mails[1]?.id })])
    // It shows where the registration came from, and not the operator.
    expect(JSON.parse(String(mails[1]?.['facts']))).toMatchObject({ client: { city: 'Kyiv', country: 'UA' } })

    const token = await linkTo(email, 'confirm_address', 'confirm')
    expect((await worker.call('/auth/confirm', { method: 'POST', json: { token } })).status).toBe(204)
    expect((await signedIn(email)).email).toBe(email)
    const again = await ask('POST', '/admin/mails', { kind: 'confirm_address', primary_email: email })
    expect(await answer(again)).toEqual(NOT_FOUND)
  })

  test.each([
    ['an address without an account', { ...asked, primary_email: 'nobody@example.com' }],
    ['an account that is closed', { ...asked, primary_email: 'closed@example.com' }],
    ['an address that nobody registered', { kind: 'confirm_address', primary_email: 'nobody@example.com' }],
    ['an address that has an account', { kind: 'confirm_address', primary_email: 'both@example.com' }],
  ])('is none for %s: 404, and no trace', async (_what, json) => {
    await createAccount(env.DB, { email: 'closed@example.com', isActive: false })
    await register('both@example.com')
    await createAccount(env.DB, { email: 'both@example.com' })
    const before = await dumpTables(env.DB)
    expect(await answer(await ask('POST', '/admin/mails', json))).toEqual(NOT_FOUND)
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('is refused where the registration could not be confirmed', async () => {
    const closed = startWorker({ REGISTRATION: 'closed' })
    const response = await ask('POST', '/admin/mails', { kind: 'confirm_address', primary_email: OWNER }, closed)
    expect(await answer(response)).toEqual(FORBIDDEN)
  })

  test.each([
    [{}, { primary_email: ['Invalid input: expected string, received undefined'], kind: [expect.any(String)] }],
    [
      { ...asked, kind: 'password_changed' },
      { kind: ['Invalid option: expected one of "reset_password"|"confirm_address"'] },
    ],
  ])('says what is wrong with %o', async (json, errors) => {
    const response = await ask('POST', '/admin/mails', json)
    expect([response.status, (await response.json<{ errors: unknown }>()).errors]).toEqual([400, errors])
  })
})
