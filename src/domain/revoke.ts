/**
 * Ending sessions: what a token's holder may do, and what only its owner may.
 *
 * Whoever holds a token may end its session, even with an expired or a used one: giving up access needs no more. An
 * unknown token gets the same answer as a known one (RFC 7009 section 2.2), so nobody can use this to test tokens.
 */

import { TesseraError } from '../errors.ts'
import type { Authenticated } from './authenticate.ts'
import type { EndReason, Services } from './ports.ts'
import { readEitherOrNull } from './verify.ts'

/** Ends the session of an access or refresh token. Does nothing for a token that is not ours. Throws `unavailable`. */
export async function revokeByToken(
  services: Services,
  text: string,
  reason: Extract<EndReason, 'signed_out' | 'revoked'>,
): Promise<void> {
  const claims = await readEitherOrNull(services, text)
  if (claims === null) return
  const { sid } = claims
  await services.sessions.end({ sid, onlyWhileJti: null, reason, now: services.now(), notice: null })
}

/** Ends one session of the caller's account. Throws `not_found` when there is no such live session. */
export async function revokeOwn(services: Services, { account }: Authenticated, sid: string): Promise<void> {
  const ended = await services.sessions.endOfUser(account.id, { onlySid: sid, exceptSid: null }, services.now())
  if (ended === 0) throw new TesseraError('not_found')
}

/** Ends every session of the caller's account but the one that asks. */
export async function revokeOthers(services: Services, { account, session }: Authenticated): Promise<void> {
  await services.sessions.endOfUser(account.id, { onlySid: null, exceptSid: session.sid }, services.now())
}
