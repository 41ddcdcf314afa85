/** The columns of a session that ends, and when the purge may delete its row. */

import { type SQL, sql } from 'drizzle-orm'

import type { EndReason } from '../../domain/sessions/session.ts'
import { sessions } from '../schema.ts'
import { parameter } from '../statement.ts'

/** For the `set` of an update whose parameters include `now`. */
export function endColumns(reason: EndReason | SQL<never>) {
  return { endedAt: parameter('now'), endReason: reason }
}

/**
 * Whether the purge may have a row: its last token had expired at `time`, or its session had ended by then. A session that was
 * refreshed stays as long as its used tokens are good, however it ended: one of them that is presented shows that it was in two
 * hands, and a thief must not hide that by ending the session. Once a mail has told its owner, it need not stay.
 */
export function tellsNothing(time: SQL): SQL {
  const hasNoUsedToken = sql`(${sessions.previousJti} is null or ${sessions.endReason} = 'reuse')`
  return sql`(${sessions.expiresAt} <= ${time} or ${sessions.endedAt} <= ${time} and ${hasNoUsedToken})`
}
