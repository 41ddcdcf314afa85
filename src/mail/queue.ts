/**
 * From the outbox to the queue. A queue message only names the row of a mail: it carries no address, no secret, and nothing
 * that could contradict the row.
 */

import * as z from 'zod/mini'

import { describeError } from '../domain/describe-error.ts'
import { inTime } from '../domain/in-time.ts'
import type { MailRef, Outbox } from '../domain/mails/outbox.ts'
import type { Log } from '../log.ts'

/** The body of a queue message. */
export const QueuedMail = z.object({ id: z.string(), account: z.prefault(z.nullable(z.int()), null) })

export interface QueueDeps {
  readonly outbox: Outbox
  readonly queue: Queue
  readonly now: () => number
  readonly log: Log
}

/** A request waits at most this long for its queue message, after its round trips to D1. */
const SEND_MILLISECONDS = 750
/** A sweep may take longer, since no request waits for it. */
const SEND_BATCH_MILLISECONDS = 5000
/** One call of `sendBatch` takes 100 messages. */
const QUEUE_BATCH = 100
const MAX_SWEEP_BATCHES = 20

/** Hands a stored mail to the queue. Never throws, and waits only briefly: where it fails, the sweep finds the row. */
export async function announce({ queue, log }: Pick<QueueDeps, 'queue' | 'log'>, mail: MailRef): Promise<void> {
  try {
    await inTime(queue.send(mail), SEND_MILLISECONDS)
  } catch (error) {
    log({ event: 'mail_not_queued', id: mail.id, userId: mail.account, error: describeError(error) })
  }
}

/** The same for many mails. */
export async function announceAll({ queue, log }: Pick<QueueDeps, 'queue' | 'log'>, mails: readonly MailRef[]) {
  const batches = Array.from({ length: Math.ceil(mails.length / QUEUE_BATCH) }, (_, i) =>
    mails.slice(i * QUEUE_BATCH, (i + 1) * QUEUE_BATCH),
  )
  await Promise.all(
    batches.map(async (batch) => {
      try {
        await inTime(queue.sendBatch(batch.map((body) => ({ body }))), SEND_BATCH_MILLISECONDS)
      } catch (error) {
        for (const { id, account } of batch)
          log({ event: 'mail_not_queued', id, userId: account, error: describeError(error) })
      }
    }),
  )
}

/** Re-queues mails that should have been sent by now. Run it from a cron trigger. */
export async function sweep(deps: QueueDeps, batchesLeft = MAX_SWEEP_BATCHES): Promise<void> {
  const { outbox, queue, now, log } = deps
  const mails = await outbox.takeDue(now(), QUEUE_BATCH)
  if (mails.length === 0) return
  const messages = mails.map((body) => ({ body }))
  await inTime(queue.sendBatch(messages), SEND_BATCH_MILLISECONDS)
  log({ event: 'mail_requeued', count: mails.length })
  if (mails.length === QUEUE_BATCH && batchesLeft > 1) await sweep(deps, batchesLeft - 1)
}
