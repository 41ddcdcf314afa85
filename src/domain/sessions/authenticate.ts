/**
 * Who presents an access token: the one rule for every protected route. One round trip.
 *
 * An access token is sent to every API that trusts it. Any of them may ask whose it is; only its session's own client may
 * see the account's sessions and places, or end them.
 */

import { aboutSession, TesseraError } from '../../errors.ts'
import { type Client, holdingKeys, isOwnPlace } from '../places/place.ts'
import type { FoundSession, Session } from './session.ts'
import type { Services } from '../services.ts'
import { endOf } from './lifetime.ts'
import type { AccessClaims } from '../tokens/claims.ts'
import { readToken } from '../tokens/tokens.ts'
import { isOf } from './verdict.ts'

type AuthServices = Pick<Services, 'settings' | 'tokens' | 'sessions' | 'now'>

export interface Authenticated {
  readonly session: Session
  readonly account: NonNullable<FoundSession['account']>
}

/**
 * The live session and active account of an access token. Throws `wrong_data_structure`, `token_not_valid`,
 * `token_used` when the session has ended, `no_active_account`, `unavailable`.
 */
export async function authenticate(services: AuthServices, text: string): Promise<Authenticated> {
  const claims = await readToken(services.tokens, 'access', text, services.now())
  return requireLive(services, claims, await services.sessions.find(claims.sid).catch(failAbout(claims)))
}

/**
 * As `authenticate`, for what governs the account: only from the session's own place, or from one that its owner allowed.
 * Throws `location_blocked` besides. That ends nothing: an API that was sent a token is no thief.
 */
export async function authenticateInPlace(
  services: AuthServices,
  text: string,
  client: Client,
): Promise<Authenticated> {
  const { locationPolicy } = services.settings
  const claims = await readToken(services.tokens, 'access', text, services.now())
  const found = await services.sessions
    .findGoverned(claims.sid, holdingKeys(locationPolicy, client), services.now())
    .catch(failAbout(claims))
  const authenticated = requireLive(services, claims, found)
  if (found?.isAllowed !== true && !isOwnPlace(locationPolicy, authenticated.session, client)) {
    throw new TesseraError('location_blocked', { cause: 'moved', sid: claims.sid, guid: claims.guid })
  }
  return authenticated
}

/** Throws what the store threw, in the name of the session. */
function failAbout(claims: AccessClaims) {
  return (thrown: unknown): never => {
    throw aboutSession(thrown, claims)
  }
}

function requireLive({ settings, now }: AuthServices, claims: AccessClaims, found: FoundSession | null): Authenticated {
  const { sid, guid } = claims
  if (found === null) throw new TesseraError('token_used', { cause: 'unknown', sid, guid })
  if (!isOf(found.session, claims)) throw new TesseraError('token_not_valid', { cause: 'foreign', sid, guid })
  const ended = endOf(found.session, { settings, now: now() })
  if (ended !== null) throw new TesseraError('token_used', { cause: ended, sid, guid })
  if (found.account === null) throw new TesseraError('no_active_account', { cause: 'inactive', sid, guid })
  return { session: found.session, account: found.account }
}
