/**
 * Ending sessions: what a token's holder may do, and what only its owner may.
 *
 * The holder of a token may end its session, even with an expired or a used one, since that only gives up access. An unknown
 * token gets the same answer as a known one (RFC 7009 section 2.2), so that nobody can test tokens in this way.
 */

import { TesseraError } from '../../errors.ts'
import type { Services } from '../services.ts'
import type { AccessClaims, RefreshClaims } from '../tokens/claims.ts'
import { readEitherOrNull, type Tokens } from '../tokens/tokens.ts'
import type { OwnSession } from '../accounts/account.ts'
import type { EndReason, NamedSession } from './session.ts'

type HolderServices = Pick<Services, 'tokens' | 'sessions' | 'now' | 'log'>
type OwnerServices = Pick<Services, 'settings' | 'sessions' | 'now' | 'log'>

/** How many sessions one request may end by the cookies that it carries. */
const MAX_COOKIE_SESSIONS = 4

/** Ends the session of an access or refresh token. Does nothing for a token that is not ours. Throws `unavailable`. */
export async function endByToken(services: HolderServices, text: string): Promise<void> {
  const claims = await readEitherOrNull(services.tokens, text)
  if (claims !== null) await end(services, namedBy(claims), 'revoked')
}

/** Ends the sessions of the cookies that a browser signs out with. Throws `unavailable`. */
export async function signOut(services: HolderServices, cookies: readonly string[]): Promise<void> {
  const named = await readSessions(services.tokens, cookies)
  await Promise.all(named.map((session) => end(services, session, 'signed_out')))
}

/**
 * The sessions of the tokens among these cookies that are ours, whatever their expiry: each once, and a few at most, since
 * sites of the same domain may plant any number of them.
 */
export async function readSessions(tokens: Tokens, cookies: readonly string[]): Promise<readonly NamedSession[]> {
  const claims = await Promise.all([...new Set(cookies)].map((text) => readEitherOrNull(tokens, text)))
  const named = new Map(claims.flatMap((one) => (one === null ? [] : [[one.sid, namedBy(one)]])))
  return [...named.values()].slice(0, MAX_COOKIE_SESSIONS)
}

function namedBy({ sid, id, guid }: AccessClaims | RefreshClaims): NamedSession {
  return { sid, userId: id, guid }
}

/** Ends a session, whichever of its tokens is live. There is no mail, since the holder of a token asked for it. */
async function end(
  { sessions, now, log }: Pick<Services, 'sessions' | 'now' | 'log'>,
  session: NamedSession,
  reason: EndReason,
): Promise<void> {
  const { ended } = await sessions.end({ ...session, onlyWhileJti: null, reason, now: now(), notice: null })
  if (ended) log({ event: 'session_ended', guid: session.guid, sid: session.sid, reason })
}

/** Ends one session of the caller's account. Throws `not_found` when there is no such live session. */
export async function endOwn(
  { settings, sessions, now, log }: OwnerServices,
  { account: { id, guid } }: Pick<OwnSession, 'account'>,
  sid: string,
): Promise<void> {
  if (!(await sessions.endOwn({ sid, userId: id }, now(), settings))) throw new TesseraError('not_found')
  log({ event: 'session_ended', guid, sid, reason: 'revoked' })
}

/** Ends every session of the caller's account but the one that asks. Throws `token_used` when that one has just ended. */
export async function endOthers(
  { settings, sessions, now, log }: OwnerServices,
  { account: { id, guid }, sid }: OwnSession,
): Promise<void> {
  if (!(await sessions.endOthers({ sid, userId: id }, now(), settings))) {
    throw new TesseraError('token_used', { cause: 'ended', sid, guid })
  }
  log({ event: 'sessions_ended', guid, reason: 'owner' })
}
