/** When events are sent: after the answer of the request that made one, and by the cron trigger. What sends them is loaded with the first. */

import type { EventMessage } from './domain/events/event-message.ts'
import type { NotedFeed } from './domain/events/event-outbox.ts'
import type { Log } from './log.ts'
import { once } from './once.ts'

export interface EventSender {
  /** Sends what the requests until now have noted; `null`: they noted nothing. */
  readonly sendNoted: () => Promise<void> | null
  /** Sends every event that no sender holds. */
  readonly sweep: () => Promise<void>
}

/** The sender over a database and a queue. Build it once per isolate. */
export function createEventSender(
  database: Env['DB'],
  queue: Queue<EventMessage>,
  { takeNoted }: NotedFeed,
  surroundings: { readonly now: () => number; readonly log: Log },
): EventSender {
  const load = once(async () => {
    const [sender, { createEventOutbox }] = await Promise.all([
      import('./event-queue.ts'),
      import('./db/events/outbox.ts'),
    ])
    return { ...sender, deps: { outbox: createEventOutbox(database), queue, ...surroundings } }
  })

  async function send(accounts: readonly number[]): Promise<void> {
    const { sendEvents, deps } = await load()
    await sendEvents(deps, accounts)
  }

  return {
    sendNoted() {
      const accounts = takeNoted()
      return accounts.length === 0 ? null : send(accounts)
    },
    async sweep() {
      const { sweepEvents, deps } = await load()
      await sweepEvents(deps)
    },
  }
}
