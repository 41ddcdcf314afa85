/** The row of the session that a token names, in SQL. For statements whose parameters include `sid`, `userId` and `guid`. */

import { and, eq, exists, ne, notExists, sql } from 'drizzle-orm'

import { select } from '../query.ts'
import { sessions, users } from '../schema.ts'
import { parameter } from '../statement.ts'

/** The row has the session and the account of the token. A statement that reads the account compares its guid itself. */
export const isNamedById = and(eq(sessions.sid, parameter('sid')), eq(sessions.userId, parameter('userId')))

/** As `isNamedById`, and the account has the guid of the token, where it is not deleted. */
export const isNamed = and(
  isNamedById,
  notExists(
    select({ one: sql`1` })
      .from(users)
      .where(and(eq(users.id, sessions.userId), ne(users.guid, parameter('guid')))),
  ),
)

/** The row of the session `openedSid`, which the batch opens first. */
export const isOpenedSession = eq(sessions.sid, parameter('openedSid'))

/** That session was opened. */
export const isOpened = exists(
  select({ one: sql`1` })
    .from(sessions)
    .where(isOpenedSession),
)
