/**
 * What the queue of events carries: one message an event, of a shape that its type decides. docs/events.md and whoever consumes it read it
 * here. The Worker itself needs the type alone: what it would have of zod for this, every isolate would load.
 */

import * as z from 'zod/mini'

import { EVENT_REASONS, type EventType } from './event.ts'

const Text = z.string()
const TextOrNull = z.nullable(Text)

/** What every message says, whatever happened. */
const common = {
  /** Of one account, a later event has a higher one. */
  id: z.int(),
  /** The event of this account before this one: a message that comes before its previous one has overtaken it. */
  previous: z.nullable(z.int()),
  /** Seconds since 1970. */
  at: z.int(),
  guid: Text,
  user_id: z.int(),
}

const sid = Text

/** From where somebody came. */
const client = z.object({
  ip: Text,
  asn: z.nullable(z.int()),
  country: TextOrNull,
  city: TextOrNull,
  user_agent: TextOrNull,
})

/** The session that lived on where all others ended, or none. */
const ended_except = TextOrNull

/** The message of each event. */
export const MESSAGES = {
  registered: message('registered', { reason: reasonOf('registered'), group: Text }),
  confirmed: message('confirmed', {}),
  signed_in: message('signed_in', { reason: reasonOf('signed_in'), sid, client }),
  session_blocked: message('session_blocked', { sid, client }),
  token_reused: message('token_reused', { sid, client }),
  session_ended: message('session_ended', { reason: reasonOf('session_ended'), sid }),
  sessions_ended: message('sessions_ended', { reason: reasonOf('sessions_ended'), ended_except }),
  password_changed: message('password_changed', { reason: reasonOf('password_changed'), ended_except }),
  /** It ended no session where it has no `ended_except`. */
  email_changed: message('email_changed', {
    reason: reasonOf('email_changed'),
    ended_except: z.optional(ended_except),
  }),
  account_changed: message('account_changed', { fields: z.array(Text) }),
  activated: message('activated', { ended_except }),
  deactivated: message('deactivated', { ended_except }),
  left: message('left', { reason: reasonOf('left'), ended_except }),
} as const satisfies { readonly [Type in EventType]: z.ZodMiniObject<{ type: z.ZodMiniLiteral<Type> }> }

export const EventMessage = z.discriminatedUnion('type', [
  MESSAGES.registered,
  MESSAGES.confirmed,
  MESSAGES.signed_in,
  MESSAGES.session_blocked,
  MESSAGES.token_reused,
  MESSAGES.session_ended,
  MESSAGES.sessions_ended,
  MESSAGES.password_changed,
  MESSAGES.email_changed,
  MESSAGES.account_changed,
  MESSAGES.activated,
  MESSAGES.deactivated,
  MESSAGES.left,
])
export type EventMessage = z.infer<typeof EventMessage>

function message<Type extends EventType, Shape extends z.core.$ZodShape>(type: Type, shape: Shape) {
  return z.object({ ...common, type: z.literal(type), ...shape })
}

function reasonOf<Type extends keyof typeof EVENT_REASONS>(type: Type) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `Object.keys` forgets which keys there are
  return z.enum(Object.keys(EVENT_REASONS[type]) as (keyof (typeof EVENT_REASONS)[Type] & string)[])
}
