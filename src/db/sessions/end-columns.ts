/** What a revoked session's row holds, and when the purge, which goes by `expires_at`, may have it. */

import { type SQL, sql } from 'drizzle-orm'

import { sessions } from '../schema.ts'
import { parameter } from '../statement.ts'

/**
 * The row of a revoked session that has nothing more to tell is as good as expired, so the purge finds both by one index.
 * For the `set` of an update whose parameters include `now`.
 */
export const over = sql`min(${sessions.expiresAt}, ${parameter('now')})`

/**
 * For the `set` of an update whose parameters include `now`. A session that was ever refreshed stays as long as its used
 * tokens, since each of them still shows that it was in two hands: whoever stole it must not hide that by ending it.
 */
export function endColumns(reason: string | SQL<never>) {
  return {
    endedAt: parameter('now'),
    endReason: reason,
    expiresAt: sql`case when ${sessions.previousJti} is null then ${over} else ${sessions.expiresAt} end`,
  }
}
