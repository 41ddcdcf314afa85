/** The answers of `/admin`, as far as people are shown them. What else an answer has stays in the JSON that programs get. */

import * as z from 'zod/mini'

const Seconds = z.nullable(z.number())
const Text = z.nullable(z.string())

export const User = z.looseObject({
  guid: z.string(),
  user_id: z.nullable(z.number()),
  email: Text,
  group: Text,
  active: z.nullable(z.boolean()),
  confirmed: z.nullable(z.boolean()),
  has_password: z.nullable(z.boolean()),
  external_id: Text,
  claims: z.nullable(z.record(z.string(), z.unknown())),
  language: Text,
  time_zone: Text,
  created_at: Seconds,
  updated_at: Seconds,
  left_at: Seconds,
})
export type User = z.infer<typeof User>

export const OneUser = z.object({ user: User })

export const Session = z.looseObject({
  sid: z.string(),
  created_at: z.number(),
  last_used_at: z.number(),
  ip: Text,
  city: Text,
  country: Text,
  network: Text,
  user_agent: Text,
})
export type Session = z.infer<typeof Session>

export const Sessions = z.looseObject({ sessions: z.array(Session) })

export const PastSession = z.looseObject({
  sid: z.string(),
  opened_at: z.number(),
  refreshed_until: Seconds,
  expires_at: Seconds,
  ended_at: Seconds,
  ended_by: z.prefault(Text, null),
  ended: Text,
  state: z.string(),
  country: Text,
  city: Text,
  network: Text,
  user_agent: Text,
  mails: z.array(z.looseObject({ kind: z.string(), at: z.number(), sent_at: Seconds, failed_at: Seconds })),
})
export type PastSession = z.infer<typeof PastSession>

export const HistoryEvent = z.looseObject({
  type: z.string(),
  reason: Text,
  at: z.number(),
  sid: z.optional(Text),
})
export type HistoryEvent = z.infer<typeof HistoryEvent>

export const History = z.looseObject({
  guid: z.string(),
  sessions: z.array(PastSession),
  events: z.array(HistoryEvent),
  next: Text,
})
export type History = z.infer<typeof History>

export const AuditEntry = z.looseObject({
  id: z.number(),
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  guid: Text,
  facts: z.record(z.string(), z.unknown()),
  ip: Text,
  country: Text,
  city: Text,
})
export type AuditEntry = z.infer<typeof AuditEntry>

export const Mail = z.looseObject({
  id: z.union([z.string(), z.number()]),
  kind: z.string(),
  guid: Text,
  recipient: Text,
  state: z.string(),
  created_at: z.number(),
  attempts: z.number(),
  due_at: Seconds,
  sent_at: Seconds,
  failed_at: Seconds,
  last_error: Text,
})
export type Mail = z.infer<typeof Mail>

export const Queued = z.looseObject({ id: z.union([z.string(), z.number()]) })
export const Requeued = z.looseObject({ count: z.number() })
/** Of how many accounts the sessions ended, and where to go on. */
export const EndedSessions = z.object({ ended: z.number(), next: Text })
export type EndedSessions = z.infer<typeof EndedSessions>

export const Nothing = z.null()
