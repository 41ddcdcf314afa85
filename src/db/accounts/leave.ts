/**
 * The end of an account in D1, whoever ends it: what was known of its owner goes, and its guid stays. The mail and the event stand
 * first, under the condition that the update makes false; what is removed comes last, where the update was made.
 */

import { and, eq, exists, isNull, ne, type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'

import { DEFAULT_GROUP } from '../../domain/accounts/account.ts'
import type { EventReason } from '../../domain/events/event.ts'
import { prepareEvent } from '../events/event.ts'
import { prepareNotice } from '../mails/notices.ts'
import { deleteFrom, select, update } from '../query.ts'
import {
  addressChanges,
  allowedPlaces,
  attempts,
  events,
  pastSessions,
  registrations,
  seenPlaces,
  sessions,
  users,
} from '../schema.ts'
import { endedNow } from '../sessions/of-account.ts'
import { aliased, parameter, prepare } from '../statement.ts'

/**
 * The statements that end the account `userId` where `condition` holds of its row, in their order. Other parameters are `now`, and of its address `email` and
 * `subject`, as `normalizeEmail` and `subjectOf` made them.
 */
export function prepareLeave(
  d1: D1Database,
  isFollowed: boolean,
  reason: EventReason<'left'>,
  condition: SQL | undefined,
) {
  const now = parameter('now')
  const isWhose = and(eq(users.id, parameter('userId')), condition)
  const hasLeft = exists(
    select({ one: sql`1` })
      .from(users)
      .where(and(eq(users.id, parameter('userId')), eq(users.leftAt, now))),
  )
  /** Deletes the rows of an account that has just left. */
  const remove = (table: SQLiteTable, userId: SQLiteColumn, which?: SQL) =>
    prepare(d1, deleteFrom(table).where(and(eq(userId, parameter('userId')), which, hasLeft)))

  return {
    mail: prepareNotice(d1, isWhose),
    tell: prepareEvent(d1, isFollowed, 'left', reason, { where: isWhose, ...endedNow() }),
    leave: prepare(
      d1,
      update(users)
        .set({
          ...endedNow(),
          credentialsVersion: sql`${users.credentialsVersion} + 1`,
          updatedAt: now,
          primaryEmail: null,
          passwordHash: null,
          group: DEFAULT_GROUP,
          isActive: 0,
          confirmedAt: null,
          language: null,
          timeZone: null,
          externalId: null,
          ownClaims: null,
          leftAt: now,
        })
        .where(isWhose)
        .returning(aliased({ guid: users.guid })),
    ),
    // The rows of sessions that ended before, and of mails, are left to the purge; those of events that are still to be sent, to their sender,
    // where there is one.
    remains: [
      remove(sessions, sessions.userId, sql`${sessions.endedAt} is null`),
      remove(allowedPlaces, allowedPlaces.userId),
      remove(seenPlaces, seenPlaces.userId),
      remove(addressChanges, addressChanges.userId),
      remove(pastSessions, pastSessions.userId),
      remove(events, events.userId, and(isFollowed ? isNull(events.dueAt) : undefined, ne(events.type, 'left'))),
      prepare(d1, deleteFrom(attempts).where(and(eq(attempts.subject, parameter('subject')), hasLeft))),
      prepare(d1, deleteFrom(registrations).where(and(eq(registrations.email, parameter('email')), hasLeft))),
    ],
  }
}
