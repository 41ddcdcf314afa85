/** What a revoked session's row holds. It is as good as expired, so the purge finds both by one index. */

import { type SQL, sql } from 'drizzle-orm'

import { sessions } from '../schema.ts'
import { parameter } from '../statement.ts'

/** For the `set` of an update whose parameters include `now`. */
export function revocationColumns(reason: string | SQL<never>) {
  return {
    revokedAt: parameter('now'),
    revokedReason: reason,
    expiresAt: sql`min(${sessions.expiresAt}, ${parameter('now')})`,
  }
}
