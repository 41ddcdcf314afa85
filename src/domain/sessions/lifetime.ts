/**
 * How long a session lives. It ends with its refresh token, and `SESSION_MAX_SECONDS` after the sign-in however often it was
 * refreshed; or somebody ends it. Times are whole seconds since 1970. `db/sessions/lifetime.ts` says the same in SQL.
 */

import type { Session } from './session.ts'
import type { Settings } from '../settings.ts'

/** How long a refresh token lives, and how long its session may. */
export type Lifetimes = Pick<Settings, 'refreshTtlSeconds' | 'sessionMaxSeconds'>

/** When the refresh token of a session ends that is opened now. */
export function firstExpiry(now: number, { refreshTtlSeconds, sessionMaxSeconds }: Lifetimes): number {
  return now + Math.min(refreshTtlSeconds, sessionMaxSeconds)
}

/** Why a session is over at `now`, or `null` while it lives. */
export function endOf(
  session: Pick<Session, 'endedAt' | 'isEndedByAccount' | 'expiresAt' | 'createdAt'>,
  { settings, now }: { readonly settings: Pick<Lifetimes, 'sessionMaxSeconds'>; readonly now: number },
): 'ended' | 'expired' | null {
  if (session.endedAt !== null || session.isEndedByAccount) return 'ended'
  return Math.min(session.expiresAt, session.createdAt + settings.sessionMaxSeconds) <= now ? 'expired' : null
}
