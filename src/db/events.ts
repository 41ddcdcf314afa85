/** Events in D1: each is a row in the transaction of what it tells. */

import { type Column, type SQL, sql } from 'drizzle-orm'

import type { EventReason, EventType } from '../domain/events/event.ts'
import { insertInto } from './query.ts'
import { events, type sessions, users } from './schema.ts'
import { parameter, prepare } from './statement.ts'

/** After this time the sweep sends an event that nobody sent before. */
export const EVENT_OVERDUE_SECONDS = 60

/** Of whom an event tells, and what. Each row that `where` finds makes one. */
interface EventSource {
  /** `users`, where left out. */
  readonly of?: typeof users | typeof sessions
  readonly where: SQL | undefined
  readonly sid?: Column | SQL
  /** JSON; `{}` where left out. */
  readonly facts?: SQL
  /** The event ends the sessions that were opened until then, but for the one of `endedExcept`. */
  readonly endedBefore?: Column | SQL
  readonly endedExcept?: Column | SQL
}

/**
 * The statement that stores an event at the parameter `now`. It stands where its condition still holds, or holds already: before or behind
 * the statement whose effect it tells. `isFollowed`: events are to be sent to a queue.
 */
export function prepareEvent<Type extends EventType>(
  d1: D1Database,
  isFollowed: boolean,
  type: Type,
  reason: EventReason<Type>,
  { of = users, where, sid, facts, endedBefore, endedExcept }: EventSource,
) {
  const userId = 'userId' in of ? of.userId : of.id
  const now = parameter('now')
  return prepare(
    d1,
    insertInto(events).select((query) =>
      query
        .select({
          id: sql<number>`null`.as('id'),
          userId: sql<number>`${userId}`.as('user_id'),
          type: sql<string>`${type}`.as('type'),
          at: now.as('at'),
          sid: sql<string | null>`${sid ?? null}`.as('sid'),
          reason: sql<string | null>`${reason}`.as('reason'),
          facts: sql<string>`${facts ?? '{}'}`.as('facts'),
          endedBefore: sql<number | null>`${endedBefore ?? null}`.as('ended_before'),
          endedExcept: sql<string | null>`${endedExcept ?? null}`.as('ended_except'),
          dueAt: sql<number | null>`${isFollowed ? sql`${now} + ${EVENT_OVERDUE_SECONDS}` : null}`.as('due_at'),
        })
        .from(of)
        .where(where),
    ),
  )
}
