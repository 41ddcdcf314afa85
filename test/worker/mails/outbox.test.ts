/**
 * What brings mails back that the queue lost, and what becomes of those that nobody could send: the sweep, the cron trigger
 * and the dead letter queue.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test, vi } from 'vitest'

import { createOutbox } from '../../../src/db/mails/outbox.ts'
import { setClock, START } from '../../support/clock.ts'
import { answerMailApi, closedGate, openMailbox, refuseWrites, waitUntil } from '../../support/mailbox.ts'
import { GUID } from '../../support/accounts.ts'
import {
  accountOf,
  ACCEPTED,
  API,
  apiCall,
  blockRefresh,
  D1_REFUSED,
  losingQueue,
  mail,
  progress,
  readSessions,
  refuse,
  sendBatch,
  startWithOwner,
} from '../../support/mails.ts'
import { startWorker } from '../../support/worker.ts'

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

startWithOwner()

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
    expect(box.logged.at(-1)).toEqual({ event: 'mail_given_up', id, guid: GUID })

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
    expect(box.loggedOfMails()).toEqual([
      { event: 'mail_outbox_unreachable', id, userId: null, error: D1_REFUSED },
      { event: 'mail_given_up', id, guid: GUID },
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
    expect(box.bodies).toEqual([{ id, account: await accountOf(id) }])
    expect(box.mails).toEqual([await mail(id)])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START + 301 })
    expect(box.logged.at(-1)).toEqual({ event: 'mail_requeued', count: 1 })

    setClock(START + 86_400)
    await box.scheduled()
    expect(box.bodies).toEqual([{ id, account: await accountOf(id) }])
    expect(await progress()).toMatchObject({ attempts: 1, sent_at: START + 301 })
  })

  test('queues a mail once, and again only when that message is lost too', async () => {
    const queue = losingQueue()
    const box = openMailbox({ MAIL_QUEUE: queue })
    const { id } = await blockRefresh(box)

    setClock(START + 301)
    await Promise.all([box.scheduled(), box.scheduled()])
    await box.scheduled()
    const message = { id, account: await accountOf(id) }
    expect(queue.taken).toEqual([message, message]) // one of the request, one of the first sweep
    setClock(START + 301 + 899)
    await box.scheduled()
    expect(queue.taken).toHaveLength(2)
    setClock(START + 301 + 900)
    await box.scheduled()
    expect(queue.taken).toEqual([message, message, message])
  })

  test('finds a mail whose consumer died', async () => {
    const box = openMailbox({ MAIL_QUEUE: { ...losingQueue(), sendBatch } })
    const { id } = await blockRefresh(box)
    await createOutbox(env.DB).lease({ id, account: await accountOf(id) }, START + 200)

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
  /** The one that looks for the oldest row of a table. */
  const LAST_RUN_OF_A_DAY = 86_400 - 300

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

    await expect(box.scheduled(LAST_RUN_OF_A_DAY)).rejects.toThrow('Service unavailable')
    expect(batches.map((ids) => ids.length)).toEqual([100, 100, 100, 100, 100])
    await allowWrites()
    expect(await readSessions()).toHaveLength(1)
  })

  test('purges to the end when the sweep fails, and then fails', async () => {
    const box = openMailbox({ MAIL_QUEUE: { sendBatch: refuse } })
    await insertOverdue(1)

    await expect(box.scheduled(LAST_RUN_OF_A_DAY)).rejects.toThrow('Queue send failed')
    expect(box.logged).toEqual([{ event: 'purged', rows: 1 }])
    expect(await readSessions()).toEqual([])
  })
})
