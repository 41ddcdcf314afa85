/** Events in D1: each is a row in the transaction of what it tells. */

import { type Column, type SQL, sql } from 'drizzle-orm'

import type { EventFeed } from '../../domain/events/event-outbox.ts'
import type { EventReason, EventType } from '../../domain/events/event.ts'
import { runBatch } from '../d1.ts'
import { insertInto } from '../query.ts'
import { events, type sessions, users } from '../schema.ts'
import { parameter, prepare, type Statement } from '../statement.ts'

/** Of whom an event tells, and what. Each row that `where` finds makes one. */
interface EventSource {
  /** `users`, where left out. */
  readonly of?: typeof users | typeof sessions
  readonly where: SQL | undefined
  readonly sid?: Column | SQL
  /** JSON, as the schema of the message has it (`domain/events/event-message.ts`); where left out, what the account itself tells. */
  readonly facts?: SQL
  /** The event ends the sessions that were opened until then, but for the one of `endedExcept`. */
  readonly endedBefore?: Column | SQL
  readonly endedExcept?: Column | SQL
}

/** Whose event a statement stored: `runTelling` reads it. */
interface StoredEvent {
  readonly eventOf: number
}

/**
 * The statement that stores an event at the parameter `now`. It stands where its condition still holds, or holds already: before or behind
 * the statement whose effect it tells. `isFollowed`: events are to be sent to a queue. A reason that differs from call to call is a parameter.
 */
export function prepareEvent<Type extends EventType>(
  d1: D1Database,
  isFollowed: boolean,
  type: Type,
  reason: EventReason<Type> | SQL<never>,
  { of = users, where, sid, facts, endedBefore, endedExcept }: EventSource,
): Statement<StoredEvent> {
  const userId = 'userId' in of ? of.userId : of.id
  return prepare(
    d1,
    insertInto(events)
      .select((query) =>
        query
          .select({
            id: sql<number>`null`.as('id'),
            userId: sql<number>`${userId}`.as('user_id'),
            type: sql<string>`${type}`.as('type'),
            at: parameter('now').as('at'),
            sid: sql<string | null>`${sid ?? null}`.as('sid'),
            reason: sql<string | null>`${reason}`.as('reason'),
            facts: sql<string>`${facts ?? factsOf(type)}`.as('facts'),
            endedBefore: sql<number | null>`${endedBefore ?? null}`.as('ended_before'),
            endedExcept: sql<string | null>`${endedExcept ?? null}`.as('ended_except'),
            // No sender holds it yet.
            dueAt: sql<number | null>`${isFollowed ? 0 : null}`.as('due_at'),
            sentAt: sql<number | null>`null`.as('sent_at'),
          })
          .from(of)
          .where(where),
      )
      .returning({ eventOf: sql<number>`${events.userId}`.as('eventOf') }),
  )
}

function factsOf(type: EventType): SQL {
  return type === 'registered' ? sql`json_object('group', ${users.group})` : sql`'{}'`
}

/**
 * Runs statements as `runBatch` does, and notes whose events were stored by those of `prepareEvent` among them, so that they are sent after
 * the answer. Where D1 committed a batch and its answer was lost, the sweep finds them.
 */
export async function runTelling(
  d1: D1Database,
  feed: EventFeed,
  statements: D1PreparedStatement[],
): Promise<D1Result[]> {
  const results = await runBatch(d1, statements)
  if (!feed.isFollowed) return results
  for (const { results: rows } of results) {
    for (const row of rows) if (isStoredEvent(row)) feed.note(row.eventOf)
  }
  return results
}

function isStoredEvent(row: unknown): row is StoredEvent {
  return typeof row === 'object' && row !== null && 'eventOf' in row && typeof row.eventOf === 'number'
}
