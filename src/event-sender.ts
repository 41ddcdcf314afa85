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

/** The queue of events, where there is one: wrangler.toml has its binding commented out, so that the generated type does not know it. */
export function eventQueueOf({
  EVENTS,
}: Env & { readonly EVENTS?: Queue<EventMessage> }): Queue<EventMessage> | undefined {
  return EVENTS
}

/** The sender over the database of an environment and a queue. Build it once per isolate. */
export function createEventSender(
  { DB }: Pick<Env, 'DB'>,
  queue: Queue<EventMessage>,
  { takeNoted }: NotedFeed,
  surroundings: { readonly now: () => number; readonly log: Log },
): EventSender {
  const load = once(async () => {
    const [sender, { createEventOutbox }] = await Promise.all([
      import('./event-queue.ts'),
      import('./db/events/outbox.ts'),
    ])
    return { ...sender, deps: { outbox: createEventOutbox(DB), queue, ...surroundings } }
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
