/**
 * A queue message, from its delivery to the end of its mail: sent once, tried again, or given up, by what the mail service
 * and D1 say.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'

import { createOutbox } from '../../../src/db/mails/outbox.ts'
import { GUID } from '../../support/accounts.ts'
import { setClock, START } from '../../support/clock.ts'
import {
  answerMailApi,
  closedGate,
  hurryTimeouts,
  openMailbox,
  readOutbox,
  refuseWrites,
  waitUntil,
} from '../../support/mailbox.ts'
import {
  accountOf,
  ACCEPTED,
  API,
  apiCall,
  blockRefresh,
  copyOf,
  D1_REFUSED,
  losingQueue,
  mail,
  OWNER,
  progress,
  startWithOwner,
} from '../../support/mails.ts'

startWithOwner()

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
    expect(box.loggedOfMails()).toEqual([
      { event: 'mail_postponed', id, guid: GUID, error: 'MailError: HTTP 500: down', delaySeconds: 1 },
      {
        event: 'mail_postponed',
        id,
        guid: GUID,
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
    expect(box.loggedOfMails()).toEqual([{ event: 'mail_parked', id, guid: GUID, error: parked.last_error }])

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
    expect(new Set(box.loggedOfMails())).toEqual(
      new Set(others.map((row) => ({ event: 'mail_parked', id: row, guid: GUID, error }))),
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
    expect(box.loggedOfMails()).toEqual(
      statuses.map((status, retry) => ({
        event: 'mail_postponed',
        id,
        guid: GUID,
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
    expect(queue.taken).toEqual([{ id, account: await accountOf(id) }])
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
    expect(box.loggedOfMails()).toEqual([
      {
        event: 'mail_postponed',
        id,
        guid: GUID,
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
    expect(box.loggedOfMails()).toEqual([
      { event: 'mail_postponed', id, guid: GUID, error: 'MailError: no answer in time', delaySeconds: 1 },
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
    expect(box.loggedOfMails()).toEqual([{ event: 'mail_postponed', id, guid: GUID, error, delaySeconds: 1 }])
    expect(await progress()).toMatchObject({ attempts: 2, sent_at: START + 1, last_error: null })
  })

  test('that is not one of ours is dropped and logged, and holds up no other', async () => {
    const junk = [null, 'text', 7, [], {}, { id: 7 }, { ids: ['x'] }, { id: 'x', account: '1' }]
    const queue = losingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    const { id } = await blockRefresh(box)
    await env.MAIL_QUEUE.sendBatch([...junk, { id: 'unknown' }, { id }].map((body) => ({ body })))

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    for (const body of [...junk, { id: 'unknown' }]) expect(await box.settled(body, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
    const dropped = { event: 'mail_message_not_valid', messageId: expect.stringMatching(/^[\da-f]{32}$/) }
    expect(box.loggedOfMails()).toEqual(junk.map(() => dropped))
  })

  test('of an earlier version, which names no account, is delivered', async () => {
    const box = openMailbox({ MAIL_QUEUE: losingQueue() })
    const { id } = await blockRefresh(box)
    await env.MAIL_QUEUE.send({ id })

    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    expect(box.mails).toEqual([await mail(id)])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START })
  })

  test('in the name of another account is dropped, and its mail is for the sweep', async () => {
    const box = openMailbox({ MAIL_QUEUE: losingQueue() })
    const { id } = await blockRefresh(box)
    const body = { id, account: Number(await accountOf(id)) + 1 }
    await env.MAIL_QUEUE.send(body)
    expect(await box.settled({ id }, 1)).toEqual(['ack'])
    await env.MAIL_DEAD_LETTERS.send(body)
    expect(await box.settled({ id }, 2)).toEqual(['ack', 'dead: ack'])

    expect(box.mails).toEqual([])
    expect(await progress()).toMatchObject({ attempts: 0, sent_at: null, failed_at: null, last_error: null })
  })

  test('comes back when D1 is down', async () => {
    const allowWrites = await refuseWrites('UPDATE OF leased_until ON notifications', `new.due_at = ${START + 300}`)
    const box = openMailbox()
    const { id } = await blockRefresh(box)

    expect(await box.settled({ id }, 2)).toEqual(['retry in 1 s', 'ack'])
    await allowWrites()
    expect(box.mails).toEqual([await mail(id)])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START + 1 })
    const userId = (await readOutbox())[0]?.['user_id']
    expect(box.loggedOfMails()).toEqual([{ event: 'mail_outbox_unreachable', id, userId, error: D1_REFUSED }])
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
    const userId = (await readOutbox())[0]?.['user_id']
    expect(box.loggedOfMails()).toEqual([{ event: 'mail_outbox_unreachable', id, userId, error: D1_REFUSED }])
  })

  test('whose consumer died is sent by the next delivery, once the lease has ended', async () => {
    const box = openMailbox({ MAIL_QUEUE: losingQueue() })
    const { id } = await blockRefresh(box)
    expect(await createOutbox(env.DB).lease({ id, account: await accountOf(id) }, START)).toMatchObject({
      state: 'leased',
    })
    await env.MAIL_QUEUE.send({ id })

    expect(await box.settled({ id }, 2)).toEqual(['retry in 60 s', 'ack'])
    expect(box.mails).toEqual([await mail(id)])
    expect(await progress()).toMatchObject({ attempts: 2, sent_at: START + 60 })
  })
})
