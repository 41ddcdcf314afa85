/**
 * Who presents an access token: the one rule for every protected route. One round trip.
 *
 * An access token is sent to every API that trusts it. Any of them may ask whose it is; only its session's own client may
 * see the account's sessions and places, or end them.
 */

import { TesseraError } from '../../errors.ts'
import { type Client, holdingKeys, isOwnPlace } from '../places/place.ts'
import type { Account } from '../accounts/account.ts'
import type { FoundSession, Session } from './session.ts'
import type { Services } from '../services.ts'
import { endOf } from './lifetime.ts'
import { AccessClaims, parseToken, readClaims, requireCurrent } from '../tokens/tokens.ts'

export interface Authenticated {
  readonly session: Session
  readonly account: NonNullable<FoundSession['account']>
}

/**
 * The live session and active account of an access token. Throws `wrong_data_structure`, `token_not_valid`,
 * `token_used` when the session has ended, `no_active_account`, `unavailable`.
 */
export async function authenticate(services: Services, text: string): Promise<Authenticated> {
  const sid = await readSid(services, text)
  return requireLive(services, sid, await services.sessions.find(sid))
}

/**
 * As `authenticate`, for what governs the account: only from the session's own place, or from one that its owner allowed.
 * Throws `location_blocked` besides. That ends nothing: an API that was sent a token is no thief.
 */
export async function authenticateInPlace(services: Services, text: string, client: Client): Promise<Authenticated> {
  const { locationPolicy } = services.settings
  const sid = await readSid(services, text)
  const found = await services.sessions.findGoverned(sid, holdingKeys(locationPolicy, client), services.now())
  const authenticated = requireLive(services, sid, found)
  if (found?.isAllowed !== true && !isOwnPlace(locationPolicy, authenticated.session, client)) {
    throw new TesseraError('location_blocked', { cause: 'moved', context: { sid } })
  }
  return authenticated
}

async function readSid(services: Services, text: string): Promise<string> {
  const token = parseToken(text)
  await services.tokens.verifySignature('access', token)
  const claims = readClaims(AccessClaims, token)
  requireCurrent(claims, services.now())
  return claims.sid
}

function requireLive({ settings, now }: Services, sid: string, found: FoundSession | null): Authenticated {
  const context = { sid }
  if (found === null) throw new TesseraError('token_used', { cause: 'unknown', context })
  const ended = endOf(found.session, { settings, now: now() })
  if (ended !== null) throw new TesseraError('token_used', { cause: ended, context })
  if (found.account === null) throw new TesseraError('no_active_account', { cause: 'inactive', context })
  return { session: found.session, account: found.account }
}

/** An account as it is shown to its owner. */
export function describeAccount({ id, email, guid, group }: Account) {
  return { email, user_id: id, guid, group }
}
