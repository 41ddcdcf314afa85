/**
 * From the outbox of events to the queue that other systems follow. The events of an account are sent one batch after the other, by one
 * sender at a time, so that they enter the queue in their order. A sender that fails leaves its events held: they are sent again once the
 * time of the holder is over.
 */

import { describeError } from './domain/describe-error.ts'
import type { EventMessage } from './domain/events/event-message.ts'
import type { EventOutbox, UnsentEvent } from './domain/events/event-outbox.ts'
import { inTime } from './domain/in-time.ts'
import type { Log } from './log.ts'

export interface EventQueueDeps {
  readonly outbox: EventOutbox
  readonly queue: Queue<EventMessage>
  readonly now: () => number
  readonly log: Log
}

/** No request waits for it. */
const SEND_MILLISECONDS = 5000
/** One call of `sendBatch` takes 100 messages and 256 KB: of the longest messages, 100 are below that. */
export const BATCH = 100
/** What a request leaves, the sweep sends. */
const MAX_BATCHES = 20
const MAX_SWEEP_BATCHES = 200

/** Sends the events of these accounts. Never throws: what fails, the sweep finds. */
export async function sendEvents(deps: EventQueueDeps, accounts: readonly number[]): Promise<void> {
  try {
    await sendOf(deps, accounts, MAX_BATCHES)
  } catch (error) {
    deps.log({ event: 'events_not_sent', error: describeError(error) })
  }
}

/** Sends every event that no sender holds. Run it from a cron trigger. Throws what the queue or D1 throws. */
export async function sweepEvents(deps: EventQueueDeps): Promise<void> {
  const { outbox, now, log } = deps
  let batchesLeft = MAX_SWEEP_BATCHES
  let after = 0
  try {
    while (batchesLeft > 0) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other: the next ones are behind these
      const accounts = await outbox.findWaiting(after, now(), BATCH)
      const last = accounts.at(-1)
      if (last === undefined) return
      // oxlint-disable-next-line no-await-in-loop -- one after the other: a queue that fails is not asked again
      batchesLeft = await sendOf(deps, accounts, batchesLeft)
      after = last
    }
  } catch (error) {
    log({ event: 'events_not_sent', error: describeError(error) })
    throw error
  }
}

/** Sends until these accounts have no event that can be taken, and says how many batches are left of `batchesLeft`. */
async function sendOf(
  deps: EventQueueDeps,
  accounts: readonly number[],
  batchesLeft: number,
  sent: readonly UnsentEvent[] = [],
): Promise<number> {
  const { outbox, queue, now } = deps
  const taken = await outbox.take(accounts, sent, now(), batchesLeft > 0 ? BATCH : 0)
  if (taken.length === 0) return batchesLeft
  await inTime(queue.sendBatch(taken.map((event) => ({ body: writeMessage(event) }))), SEND_MILLISECONDS)
  return sendOf(deps, accounts, batchesLeft - 1, taken)
}

/** The message of an event. */
export function writeMessage(event: UnsentEvent): EventMessage {
  const { id, previous, type, at, guid, userId, endedBefore } = event
  const written = {
    ...readFacts(event.facts),
    ...(event.reason !== null && { reason: event.reason }),
    ...(event.sid !== null && { sid: event.sid }),
    ...(endedBefore !== null && { ended_except: event.endedExcept }),
    id,
    previous,
    type,
    at,
    guid,
    user_id: userId,
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- tests hold every statement that stores an event to the schema
  return written as unknown as EventMessage
}

/** A row whose facts were damaged by hand must not keep all others from being sent. */
function readFacts(text: string): object {
  try {
    const facts: unknown = JSON.parse(text)
    return typeof facts === 'object' && facts !== null ? facts : {}
  } catch {
    return {}
  }
}
