/**
 * Ending sessions: what a token's holder may do, and what only its owner may.
 *
 * Whoever holds a token may end its session, even with an expired or a used one: giving up access needs no more. An
 * unknown token gets the same answer as a known one (RFC 7009 section 2.2), so nobody can use this to test tokens.
 */

import { TesseraError } from '../../errors.ts'
import type { Authenticated } from './authenticate.ts'
import type { EndReason } from './session.ts'
import type { Services } from '../services.ts'
import { readEitherOrNull, readSids } from '../tokens/verify.ts'

/** Ends the session of an access or refresh token. Does nothing for a token that is not ours. Throws `unavailable`. */
export async function endByToken(services: Services, text: string): Promise<void> {
  const claims = await readEitherOrNull(services, text)
  if (claims === null) return
  await end(services, claims.sid, 'revoked')
}

/** Ends the sessions of the cookies that a browser signs out with. Throws `unavailable`. */
export async function signOut(services: Services, cookies: readonly string[]): Promise<void> {
  const sids = await readSids(services, cookies)
  await Promise.all(sids.map((sid) => end(services, sid, 'signed_out')))
}

/** Whatever token of it is live, and without a mail: its holder asked for it. */
async function end({ sessions, now }: Services, sid: string, reason: EndReason): Promise<void> {
  await sessions.end({ sid, onlyWhileJti: null, reason, now: now(), notice: null })
}

/** Ends one session of the caller's account. Throws `not_found` when there is no such live session. */
export async function endOwn(services: Services, { account }: Authenticated, sid: string): Promise<void> {
  if (!(await services.sessions.endOwn(account.id, sid, services.now()))) throw new TesseraError('not_found')
}

/** Ends every session of the caller's account but the one that asks. Throws `token_used` when that one has just ended. */
export async function endOthers(services: Services, { account, session }: Authenticated): Promise<void> {
  const { sid } = session
  if (await services.sessions.endOthers(account.id, sid, services.now())) return
  throw new TesseraError('token_used', { cause: 'ended', context: { sid } })
}
