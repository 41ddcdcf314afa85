/**
 * From the queue to the mail service. The row of a mail in the outbox decides whether it is sent, so that a queue message may
 * be lost, doubled or late.
 */

import { describeError } from '../domain/describe-error.ts'
import { readNotice, type StoredNotice } from '../domain/mails/notice.ts'
import type { Outbox, OutboxRow } from '../domain/mails/outbox.ts'
import type { Log } from '../log.ts'
import { QueuedMail } from './queue.ts'
import type { MailSettings, SignLink } from './render.ts'
import { MailError, type Transport } from './transports/transport.ts'

export interface DeliveryDeps {
  readonly outbox: Outbox
  readonly transport: Transport
  readonly signLink: SignLink
  readonly settings: MailSettings
  readonly now: () => number
  readonly log: Log
}

/** Cloudflare delays a message by at most 12 hours. */
const MAX_DELAY_SECONDS = 43_200
/** The longest delay that no mail service asked for: once one has recovered, mails go out within the hour. 35 retries span a day. */
const MAX_BACKOFF_SECONDS = 3600
/** The delay where another consumer holds the row: by then it has finished, or its lease has ended. */
const BUSY_DELAY_SECONDS = 60

/** The consumer of the mail queue. Each queue message is acknowledged or retried by itself, so that a failure repeats no other. */
export async function deliver(deps: DeliveryDeps, batch: MessageBatch): Promise<void> {
  await Promise.all(batch.messages.map((message) => deliverOne(deps, message)))
}

/** The consumer of the dead letter queue. The row keeps its last error and is not tried again. */
export async function giveUp(deps: DeliveryDeps, batch: MessageBatch): Promise<void> {
  await Promise.all(batch.messages.map((message) => giveUpOne(deps, message)))
}

/** The delay after an attempt, the first being 1: 1 s, 2 s, 4 s … an hour, or as long as the mail service asked for. */
export function retryDelaySeconds(attempts: number, atLeastSeconds = 0): number {
  const backoff = Math.min(MAX_BACKOFF_SECONDS, 2 ** (attempts - 1))
  return Math.min(MAX_DELAY_SECONDS, Math.max(backoff, atLeastSeconds))
}

async function deliverOne(deps: DeliveryDeps, message: Message): Promise<void> {
  const queued = QueuedMail.safeParse(message.body)
  if (!queued.success) {
    deps.log({ event: 'mail_message_not_valid', messageId: message.id })
    message.ack()
    return
  }
  const mail = queued.data
  try {
    const lease = await deps.outbox.lease(mail, deps.now())
    if (lease.state === 'leased') await send(deps, message, lease.row)
    else if (lease.state === 'busy') message.retry({ delaySeconds: BUSY_DELAY_SECONDS })
    else message.ack()
  } catch (error) {
    // D1 does not answer. Where the mail was sent already, only the idempotency key keeps it from being sent twice.
    deps.log({ event: 'mail_outbox_unreachable', id: mail.id, userId: mail.account, error: describeError(error) })
    message.retry({ delaySeconds: retryDelaySeconds(message.attempts) })
  }
}

async function giveUpOne({ outbox, now, log }: DeliveryDeps, message: Message): Promise<void> {
  const queued = QueuedMail.safeParse(message.body)
  if (!queued.success) return message.ack()
  const { id, account } = queued.data
  try {
    const parked = await outbox.park(queued.data, null, now())
    if (parked !== null) log({ event: 'mail_given_up', id, ...parked })
    message.ack()
  } catch (error) {
    log({ event: 'mail_outbox_unreachable', id, userId: account, error: describeError(error) })
    message.retry({ delaySeconds: retryDelaySeconds(message.attempts) })
  }
}

async function send(
  { outbox, transport, signLink, settings, now, log }: DeliveryDeps,
  message: Message,
  row: OutboxRow,
): Promise<void> {
  const { id, guid, recipient } = row
  try {
    // Few isolates ever send a mail.
    const { renderMail } = await import('./render.ts')
    const content = await renderMail(readRow(row), settings, signLink)
    await transport({ ...content, to: recipient, idempotencyKey: id })
  } catch (error) {
    const reason = describeError(error)
    if (error instanceof MailError && error.permanent) {
      await outbox.park(row, reason, now())
      log({ event: 'mail_parked', id, guid, error: reason })
      message.ack()
      return
    }
    const delaySeconds = retryDelaySeconds(message.attempts, error instanceof MailError ? error.retryAfterSeconds : 0)
    await outbox.postpone(row, reason, now(), delaySeconds)
    log({ event: 'mail_postponed', id, guid, error: reason, delaySeconds })
    message.retry({ delaySeconds })
    return
  }
  await outbox.markSent(row, now())
  message.ack()
}

/** The notice of a row. Throws a permanent `MailError` where this version cannot read it, since no further try could. */
function readRow({ kind, facts, ...row }: OutboxRow): StoredNotice {
  try {
    return { ...row, ...readNotice(kind, facts) }
  } catch {
    throw new MailError('the row cannot be read', true)
  }
}
