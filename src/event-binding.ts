/** The binding of the queue of events, which is optional: wrangler.toml has it commented out, so that the generated type does not know it. */

import type { EventMessage } from './domain/events/event-message.ts'

/** An environment that may have such a queue. */
type Followed = Env & { readonly EVENTS?: Queue<EventMessage> }

/** The queue of events; `undefined`: nobody follows. */
export function eventQueueOf({ EVENTS }: Followed): Queue<EventMessage> | undefined {
  return EVENTS
}
