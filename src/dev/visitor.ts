/** The account and the session of the browser that asks, by its access cookie, and what the database has of them. */

import type { Services } from '../domain/services.ts'
import { endOf } from '../domain/sessions/lifetime.ts'
import type { AccessClaims } from '../domain/tokens/claims.ts'
import { readEitherOrNull } from '../domain/tokens/tokens.ts'
import { cookieValues } from '../http/request/cookies.ts'
import type { Records, SessionRecord } from './records.ts'

export interface Visitor {
  readonly claims: Pick<AccessClaims, 'sid' | 'guid' | 'iat' | 'exp'>
  /** The e-mail address of the account, or its guid. */
  readonly name: string
  /** `null`: its row was purged, or is not among those that were read. */
  readonly session: SessionRecord | null
  /** Why its session is over, or `null` while it lives. */
  readonly end: string | null
}

/** Reads the access token, expired or not: a browser sends the cookie of the refresh token to `/refresh` only. */
export async function findVisitor(
  services: Services,
  request: Request,
  { accounts, sessions }: Pick<Records, 'accounts' | 'sessions'>,
): Promise<Visitor | null> {
  const [token] = cookieValues(request.headers.get('Cookie') ?? '', 'access_token')
  const claims = token === undefined ? null : await readEitherOrNull(services.tokens, token)
  if (claims === null) return null
  const session = sessions.find(({ sid }) => sid === claims.sid) ?? null
  const end = session === null ? 'purged' : describeEnd(services, session)
  const name = accounts.find(({ guid }) => guid === claims.guid)?.email ?? claims.guid
  return { name, claims, session, end }
}

const REASONS: Readonly<Record<string, string>> = {
  location: 'used from elsewhere',
  reuse: 'used twice',
  inactive: 'account inactive',
  signed_out: 'signed out',
  revoked: 'revoked',
  replaced: 'replaced by a sign-in',
  crowded_out: 'one too many',
}

/** Why a session is over, in a few words, or `null` while it lives. */
export function describeEnd(
  { settings, now }: Pick<Services, 'settings' | 'now'>,
  session: SessionRecord,
): string | null {
  const end = endOf({ ...session, isEndedByAccount: session.isEndedByAccount === 1 }, { settings, now: now() })
  if (end !== 'ended') return end
  if (session.endReason === null) return 'ended with all others'
  return REASONS[session.endReason] ?? session.endReason
}
