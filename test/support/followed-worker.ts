/** A Worker whose events go to a queue: to the real one of this ring, which keeps its limits, past a hand that can stop it. */

import { env } from 'cloudflare:workers'

import type { EventMessage } from '../../src/domain/events/event-message.ts'
import { type Overrides, startWorker, type TestWorker } from './worker.ts'

export interface EventQueue {
  /** For the Worker. */
  readonly producer: Pick<Queue<EventMessage>, 'sendBatch'>
  /** The batches that the queue took, as they came in. */
  readonly batches: EventMessage[][]
  /** What becomes of the batches from now on: `throws` before the queue has them, `lost` after it took them, or there is no answer. */
  readonly fail: (fault: 'throws' | 'lost' | 'silent' | null) => void
  /** Runs before the queue takes a batch. */
  before: (messages: readonly EventMessage[]) => Promise<void>
}

/** A queue that remembers what it took. */
export function eventQueue(): EventQueue {
  let fault: 'throws' | 'lost' | 'silent' | null = null
  const queue: EventQueue = {
    batches: [],
    fail: (next) => void (fault = next),
    before: async () => {},
    producer: {
      async sendBatch(batch) {
        const messages = Array.from(batch, ({ body }) => body)
        await queue.before(messages)
        if (fault === 'silent') return new Promise<never>(() => {})
        if (fault === 'throws') throw new Error('Queue is overloaded')
        const response = await env.REAL_EVENTS.sendBatch(messages.map((body) => ({ body })))
        queue.batches.push(messages)
        if (fault === 'lost') throw new Error('Network connection lost.')
        return response
      },
    },
  }
  return queue
}

export interface FollowedWorker extends TestWorker {
  readonly events: EventQueue
  /** Every message that the queue took, in its order. */
  readonly messages: () => readonly EventMessage[]
}

export function startFollowed(overrides: Overrides = {}, events = eventQueue()): FollowedWorker {
  const worker = startWorker({ EVENTS: events.producer, ...overrides })
  return { ...worker, events, messages: () => events.batches.flat() }
}

/** What a message says beside its numbers: `id` and `previous` differ from run to run. */
export function told({ id: _id, previous: _previous, ...message }: EventMessage) {
  return message
}
