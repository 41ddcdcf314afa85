/** The mails about a session, for the batch that ends it. */

import { and, eq, exists, isNull, ne, type SQL, sql } from 'drizzle-orm'

import { prepareNotice } from '../mails/notices.ts'
import { select } from '../query.ts'
import { sessions, users } from '../schema.ts'
import { parameter } from '../statement.ts'

/** The statements that store the mails about a session. Build them once per isolate. */
export function prepareSessionNotices(d1: D1Database) {
  return {
    /** Stores the mail about an end, unless its batch ended nothing. */
    ofEnd: prepareNotice(
      d1,
      isSessionWhere(and(eq(sessions.endedAt, parameter('now')), eq(sessions.endReason, parameter('reason')))),
    ),
    /** Stores a mail about a session that nobody ended. */
    ofLive: prepareNotice(d1, isSessionWhere(isNull(sessions.endedAt))),
    /** Stores the mail about a reused token, unless that token is the last one of its session. */
    ofReused: prepareNotice(d1, isSessionWhere(ne(sessions.jti, parameter('usedJti')))),
  }
}

/** The condition that the session is one of the account, and that the given one holds of it. */
function isSessionWhere(condition: SQL | undefined): SQL {
  return exists(
    select({ one: sql`1` })
      .from(sessions)
      .where(and(eq(sessions.sid, parameter('sid')), eq(sessions.userId, users.id), condition)),
  )
}
