/** What the row of an ended session holds, and when it may leave. */

import { type SQL, sql } from 'drizzle-orm'

import { sessions } from '../schema.ts'
import { parameter } from '../statement.ts'

/** For the `set` of an update whose parameters include `now`. */
export function endColumns(reason: string | SQL<never>) {
  return { endedAt: parameter('now'), endReason: reason }
}

/**
 * Whether a row had nothing more to tell at `time`: its last token had expired, or the session had ended. But one that was ever
 * refreshed stays as long as its used tokens, however it ended, since each of them still shows that it was in two hands:
 * whoever stole it must not hide that by ending it. Once its owner was told, they have no news either.
 */
export function tellsNothing(time: SQL): SQL {
  const hasNoUsedToken = sql`(${sessions.previousJti} is null or ${sessions.endReason} = 'reuse')`
  return sql`(${sessions.expiresAt} <= ${time} or ${sessions.endedAt} <= ${time} and ${hasNoUsedToken})`
}
