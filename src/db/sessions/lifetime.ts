/**
 * How long a session lives, in SQL: what `domain/sessions/lifetime.ts` says of one session, every statement says of rows. For
 * statements whose parameters include `now`, and `sessionMaxSeconds` and `refreshTtlSeconds` where they are named.
 */

import { and, gt, isNull, sql } from 'drizzle-orm'

import { sessions, users } from '../schema.ts'
import { parameter } from '../statement.ts'

/** A session that was opened by then is past `SESSION_MAX_SECONDS`. As a bound of the bare column, an index can be searched by it. */
export const openedTooEarly = sql`${parameter('now')} - ${parameter('sessionMaxSeconds')}`

/** The row of a session says that it lives; `ended_before` of its account may have ended it all the same. */
export const isAliveByItself = and(
  isNull(sessions.endedAt),
  gt(sessions.expiresAt, parameter('now')),
  gt(sessions.createdAt, openedTooEarly),
)

/** 1 for a session that `ended_before` of its account has ended, else 0. For statements that join `users`. */
export const isEndedByAccount = sql<number>`coalesce(${sessions.createdAt} <= ${users.endedBefore} and ${sessions.sid} is not ${users.endedExcept}, 0)`

/** When the refresh token ends that replaces the live one now. */
export const nextExpiry = sql`min(${parameter('now')} + ${parameter('refreshTtlSeconds')}, ${sessions.createdAt} + ${parameter('sessionMaxSeconds')})`
