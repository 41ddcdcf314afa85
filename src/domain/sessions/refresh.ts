/**
 * Refresh: a live refresh token is exchanged for the next pair, once (RFC 9700 section 4.14.2).
 *
 * The order of the checks is part of the contract: form, signature, claims, expiry, pair, used, location. A caller who
 * fails two of them is told about the first one only, and a refused request changes nothing, unless the refusal
 * itself shows that the token is in two hands.
 */

import { aboutSession, TesseraError } from '../../errors.ts'
import type { Caller } from '../caller.ts'
import { placeCondition } from '../places/place.ts'
import type { Services } from '../services.ts'
import type { RefreshClaims } from '../tokens/claims.ts'
import type { GoodProof } from '../tokens/proof.ts'
import { type PresentedPair, readPair, readToken } from '../tokens/tokens.ts'
import { signPair, type Pair } from './pair.ts'
import { judge } from './verdict.ts'

export type RefreshServices = Pick<
  Services,
  'settings' | 'tokens' | 'sessions' | 'doubts' | 'announce' | 'now' | 'newId' | 'log'
>

/**
 * Exchanges both tokens of a pair, as browsers hold them. `null`: the session is bound to its browser, which gets a pair by proof alone, and the
 * access token is still good. Throws `wrong_data_structure`, `token_not_valid`, `token_pair_not_valid`, `device_proof_required`,
 * `dpop_proof_not_valid`, `token_used`, `location_blocked`, `no_active_account`, `unavailable`.
 */
export async function refreshPair(
  services: RefreshServices,
  pair: PresentedPair,
  caller: Caller,
): Promise<Pair | null> {
  const { refresh, isAccessCurrent } = await readPair(services.tokens, pair, services.now())
  try {
    return await exchange(services, refresh, caller)
  } catch (error) {
    // An application that refreshes by itself goes on: its browser has refreshed, or will.
    if (isAccessCurrent && error instanceof TesseraError && error.code === 'device_proof_required') return null
    throw error
  }
}

/** Exchanges a refresh token alone. Throws as `refreshPair` does, but for the pair. */
export async function refreshToken(services: RefreshServices, text: string, caller: Caller): Promise<Pair> {
  return exchange(services, await readToken(services.tokens, 'refresh', text, services.now()), caller)
}

/** Exchanges a refresh token that was read. Throws as `refreshToken` does, but for what it reads. */
export async function exchange(services: RefreshServices, presented: RefreshClaims, caller: Caller): Promise<Pair> {
  try {
    return await rotate(services, presented, caller)
  } catch (error) {
    throw aboutSession(error, presented)
  }
}

/** One conditional write; the verdict that the row gives; and what follows from the verdict. */
async function rotate(services: RefreshServices, presented: RefreshClaims, caller: Caller): Promise<Pair> {
  const { settings, sessions, log } = services
  const now = services.now()
  const proven = provenBy(caller)
  const attempt = services.doubts.begin(presented.jti, services.newId(), now)
  const found = await sessions
    .rotate({
      sid: presented.sid,
      userId: presented.id,
      guid: presented.guid,
      presentedJti: presented.jti,
      nextJti: attempt.nextJti,
      now,
      refreshTtlSeconds: settings.refreshTtlSeconds,
      sessionMaxSeconds: settings.sessionMaxSeconds,
      place: placeCondition(settings.locationPolicy, presented.ip, caller.client),
      client: caller.client,
      proven,
    })
    .catch((error: unknown) => {
      attempt.lose()
      throw error
    })
  const judged = judge(found, presented, attempt.isOurs, { settings, proven, now })
  const verdict = attempt.close(judged, found?.session.jti ?? null)
  if (!('account' in verdict)) {
    const { refuse } = await import('./refuse.ts')
    return refuse(services, verdict, { presented, caller, attempt, now })
  }
  if (verdict.kind !== 'won') log({ event: 'refreshed', cause: verdict.kind, guid: presented.guid, sid: presented.sid })
  // A replay is signed under the issuer of the first answer, whatever host is asked now: its token is the same byte for byte.
  const issuer = verdict.kind === 'replayed' ? presented.iss : caller.issuer
  // An answer that is healed by proof may have been lost long ago: its access token begins anew.
  const isHealed = verdict.kind === 'replayed' && verdict.session.binding !== null
  return signPair(services, issuer, verdict.session, verdict.account, isHealed ? now : verdict.session.issuedAt)
}

function provenBy({ proof }: Pick<Caller, 'proof'>): GoodProof | null {
  return proof !== undefined && 'key' in proof ? proof : null
}
