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
export const MAX_BATCHES = 20
const MAX_SWEEP_BATCHES = 200
/** How often a sweep asks which accounts wait. */
export const MAX_LOOKS = 200
/** So many refusals, one after the other and each of another account, show that it is the queue, and no event. */
export const MAX_REFUSALS = 5
/** Well below the time for which a sender holds what it took. */
export const ONE_BY_ONE_SECONDS = 30

/** The queue did not take these. */
class NotTaken extends Error {
  readonly events: readonly UnsentEvent[]

  constructor(events: readonly UnsentEvent[], cause: unknown) {
    super('not taken', { cause })
    this.events = events
  }
}

/** Hands events to the queue, and says which of them it took. `isDown`: it is to be left alone. */
type HandOver = (
  taken: readonly UnsentEvent[],
) => Promise<{ readonly sent: readonly UnsentEvent[]; readonly isDown: boolean }>

/** Sends the events of these accounts. Never throws: what fails, the sweep finds. */
export async function sendEvents(deps: EventQueueDeps, accounts: readonly number[]): Promise<void> {
  try {
    await sendOf(deps, accounts, MAX_BATCHES, async (taken) => {
      await send(deps, taken)
      return { sent: taken, isDown: false }
    })
  } catch (error) {
    logNotSent(deps, error)
  }
}

/**
 * Sends every event that no sender holds. An event that the queue refuses holds up those of its own account alone. Run it from a cron trigger.
 * Throws what the queue or D1 throws, once all others are sent.
 */
export async function sweepEvents(deps: EventQueueDeps): Promise<void> {
  const { outbox, now } = deps
  const { handOver, firstRefusal } = sendPatiently(deps)
  let batchesLeft = MAX_SWEEP_BATCHES
  let after = 0
  try {
    for (let looksLeft = MAX_LOOKS; looksLeft > 0 && batchesLeft > 0; looksLeft -= 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other: the next ones are behind these
      const accounts = await outbox.findWaiting(after, now(), BATCH)
      const last = accounts.at(-1)
      if (last === undefined) break
      // oxlint-disable-next-line no-await-in-loop -- one after the other: a queue that fails is not asked again
      batchesLeft = await sendOf(deps, accounts, batchesLeft, handOver)
      after = last
    }
  } catch (error) {
    logNotSent(deps, error)
    throw error
  }
  const refusal = firstRefusal()
  if (refusal !== null) throw refusal.cause
}

/** Sends until these accounts have no event that can be taken, and says how many batches are left of `batchesLeft`. */
async function sendOf(
  deps: EventQueueDeps,
  accounts: readonly number[],
  batchesLeft: number,
  handOver: HandOver,
  sent: readonly UnsentEvent[] = [],
): Promise<number> {
  const { outbox, now } = deps
  const taken = await outbox.take(accounts, sent, now(), batchesLeft > 0 ? BATCH : 0)
  if (taken.length === 0) return batchesLeft
  const handed = await handOver(taken)
  return sendOf(deps, accounts, handed.isDown ? 0 : batchesLeft - 1, handOver, handed.sent)
}

/**
 * Hands events over at once, and where the queue refuses that, one by one: an event that it will never take is named in the log, and holds up
 * no other account. Until it is taken, or its row is passed over by hand, no later one of its own account is sent.
 */
function sendPatiently(deps: EventQueueDeps): {
  readonly handOver: HandOver
  readonly firstRefusal: () => NotTaken | null
} {
  let first: NotTaken | null = null
  let inARow = 0

  /** Whether the queue took it. */
  async function offer(event: UnsentEvent): Promise<boolean> {
    try {
      await send(deps, [event])
      inARow = 0
      return true
    } catch (error) {
      if (!(error instanceof NotTaken)) throw error
      logNotSent(deps, error)
      first ??= error
      inARow += 1
      return false
    }
  }

  async function offerEach(taken: readonly UnsentEvent[], until: number): ReturnType<HandOver> {
    const sent: UnsentEvent[] = []
    const refused = new Set<number>()
    for (const event of taken) {
      if (deps.now() >= until) break
      if (refused.has(event.userId)) continue
      // oxlint-disable-next-line no-await-in-loop -- one after the other: the events of an account stay in their order
      if (await offer(event)) sent.push(event)
      else refused.add(event.userId)
      if (inARow === MAX_REFUSALS) break
    }
    return { sent, isDown: inARow === MAX_REFUSALS }
  }

  return {
    firstRefusal: () => first,
    async handOver(taken) {
      const until = deps.now() + ONE_BY_ONE_SECONDS
      if (taken.length === 1) return offerEach(taken, until)
      try {
        await send(deps, taken)
        inARow = 0
        return { sent: taken, isDown: false }
      } catch {
        return offerEach(taken, until)
      }
    },
  }
}

/** Throws `NotTaken`. */
async function send({ queue }: EventQueueDeps, events: readonly UnsentEvent[]): Promise<void> {
  try {
    await inTime(queue.sendBatch(events.map((event) => ({ body: writeMessage(event) }))), SEND_MILLISECONDS)
  } catch (error) {
    throw new NotTaken(events, error)
  }
}

/** A line about the events of several accounts names none. */
function logNotSent({ log }: EventQueueDeps, error: unknown): void {
  if (!(error instanceof NotTaken)) return log({ event: 'events_not_sent', error: describeError(error) })
  const [first] = error.events
  const isOfOne = first !== undefined && error.events.every(({ userId }) => userId === first.userId)
  log({
    event: 'events_not_sent',
    error: describeError(error.cause),
    ...(isOfOne && { guid: first.guid, eventId: first.id }),
  })
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
