/** When a session is over, by itself or because somebody ended it. */

import type { Session } from './session.ts'
import type { Settings } from '../services.ts'

/**
 * Why a session is over at `now` (seconds since 1970), or `null` while it lives. It ends with its refresh token, and
 * `SESSION_MAX_SECONDS` after the sign-in however often it was refreshed.
 */
export function endOf(
  session: Pick<Session, 'endedAt' | 'isEndedByAccount' | 'expiresAt' | 'createdAt'>,
  { settings, now }: { readonly settings: Pick<Settings, 'sessionMaxSeconds'>; readonly now: number },
): 'ended' | 'expired' | null {
  if (session.endedAt !== null || session.isEndedByAccount) return 'ended'
  return Math.min(session.expiresAt, session.createdAt + settings.sessionMaxSeconds) <= now ? 'expired' : null
}
