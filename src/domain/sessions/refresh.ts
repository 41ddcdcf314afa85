/**
 * Refresh: a live refresh token is exchanged for the next pair, once (RFC 9700 section 4.14.2).
 *
 * The order of the checks is part of the contract: form, signature, claims, expiry, pair, used, location. A caller who
 * fails two of them is told about the first one only, and a refused request changes nothing, unless the refusal
 * itself shows that the token is in two hands.
 */

import { TesseraError } from '../../errors.ts'
import { endOf } from './lifetime.ts'
import { signPair, type Pair } from './pair.ts'
import { placeCondition, type Client } from '../places/place.ts'
import type { Account } from '../accounts/account.ts'
import type { RotatedSession, Session } from './session.ts'
import type { Services, Settings } from '../services.ts'
import { AccessClaims, parseToken, readClaims, RefreshClaims, requireCurrent } from '../tokens/tokens.ts'

/** Two requests that left a client together arrive within this time; so does a repeat after a lost answer. */
export const RACE_SECONDS = 10

/** What a rotation turned out to be: a session to sign for, or why not. */
export type Verdict =
  | { readonly kind: 'won' | 'replayed'; readonly session: Session; readonly account: Account }
  | { readonly kind: 'moved'; readonly session: Session } // live, but from another place
  | { readonly kind: Refusal }

type Refusal =
  | 'race' // just rotated away, in the same place: two requests of one client, or a repeat after a lost answer
  | 'reused' // rotated away before that, or presented elsewhere: the token is in two hands
  | 'unknown' // no such session
  | 'ended' // the session was ended
  | 'expired' // the session is over by the settings of today
  | 'inactive' // the account was deactivated or deleted

/** What a browser presents: both tokens of the pair, to the letter. */
export interface PresentedPair {
  readonly access: string
  readonly refresh: string
}

/**
 * Exchanges both tokens of a pair, as browsers hold them. Throws `wrong_data_structure`, `token_not_valid`,
 * `token_pair_not_valid`, `token_used`, `location_blocked`, `no_active_account`, `unavailable`.
 */
export async function refreshPair(
  services: Services,
  presented: PresentedPair,
  client: Client,
  issuer: string,
): Promise<Pair> {
  const access = parseToken(presented.access)
  const refresh = parseToken(presented.refresh)
  await Promise.all([
    services.tokens.verifySignature('access', access),
    services.tokens.verifySignature('refresh', refresh),
  ])
  const accessClaims = readClaims(AccessClaims, access)
  const refreshClaims = readClaims(RefreshClaims, refresh)
  // The access token's own expiry is the normal reason for a refresh.
  requireCurrent(refreshClaims, services.now())
  if (accessClaims.jti !== refreshClaims.jti) throw new TesseraError('token_pair_not_valid')
  return rotate(services, refreshClaims, client, issuer)
}

/** Exchanges a refresh token alone. Throws as `refreshPair` does, but for the pair. */
export async function refreshToken(services: Services, text: string, client: Client, issuer: string): Promise<Pair> {
  const token = parseToken(text)
  await services.tokens.verifySignature('refresh', token)
  const claims = readClaims(RefreshClaims, token)
  requireCurrent(claims, services.now())
  return rotate(services, claims, client, issuer)
}

async function rotate(services: Services, presented: RefreshClaims, client: Client, issuer: string): Promise<Pair> {
  const { settings, doubts } = services
  const { sid } = presented
  const now = services.now()
  // Whichever of these the row names, it was we who wrote it, and nobody was given its token here.
  const doubted = doubts.take(presented.jti, now)
  const nextJti = doubted[0] ?? services.newId()
  const ours = doubted.length > 0 ? doubted : [nextJti]
  const found = await services.sessions
    .rotate({
      sid,
      presentedJti: presented.jti,
      nextJti,
      now,
      refreshTtlSeconds: settings.refreshTtlSeconds,
      sessionMaxSeconds: settings.sessionMaxSeconds,
      place: placeCondition(settings.locationPolicy, presented.ip, client),
      client,
    })
    .catch((error: unknown) => {
      doubts.keep(presented.jti, ours, now)
      throw error
    })
  const verdict = judge(found, presented.jti, ours, now, settings)
  // Whoever was refused has not settled the doubt: it is still for the one who was told to try again.
  const isOpen = found !== null && doubted.includes(found.session.jti) && verdict.kind !== 'won'
  if (isOpen) doubts.keep(presented.jti, doubted, now)
  // Where the links of a mail lead is not for the request to say: it may be a thief's.
  const origin = settings.publicUrl ?? presented.iss
  switch (verdict.kind) {
    case 'won':
      if (doubted.length > 0) services.log({ event: 'refreshed', cause: 'in doubt', sid })
      return signPair(services, issuer, verdict.session, verdict.account)
    case 'replayed':
      services.log({ event: 'refreshed', cause: verdict.kind, sid })
      doubts.settle(presented.jti, now)
      // Under the issuer of the first answer, whatever host is asked now: the same token, byte for byte.
      return signPair(services, presented.iss, verdict.session, verdict.account)
    case 'race':
    case 'unknown':
    case 'ended':
    case 'expired':
      throw new TesseraError('token_used', { cause: verdict.kind, context: { sid } })
    case 'reused':
      await endReused()
      throw new TesseraError('token_used', { cause: verdict.kind, context: { sid } })
    case 'inactive':
      await services.sessions.end({ sid, now, reason: 'inactive', onlyWhileJti: null, notice: null })
      throw new TesseraError('no_active_account', { cause: verdict.kind, context: { sid } })
    case 'moved': {
      const { address, asn, country, city, provider } = verdict.session
      const { ended, notificationId } = await services.sessions.end({
        sid,
        now,
        reason: 'location',
        // Only while it is live: a refresh from the right place may just have been faster.
        onlyWhileJti: presented.jti,
        notice: {
          kind: 'location_blocked',
          facts: { at: now, client, origin, usual: { address, asn, country, city, provider } },
        },
      })
      if (notificationId !== null) await services.announce(notificationId)
      if (ended) throw new TesseraError('location_blocked', { cause: verdict.kind, context: { sid } })
      // Either it was, and then this token was just rotated away and is presented elsewhere, or the session has ended.
      const isReused = await endReused()
      throw new TesseraError('token_used', { cause: isReused ? 'reused' : 'ended', context: { sid } })
    }
  }

  async function endReused(): Promise<boolean> {
    // Its callers were told to try again, and may come back from anywhere.
    if (doubts.isRecent(presented.jti, now)) throw new TesseraError('token_used', { cause: 'race', context: { sid } })
    const { ended, notificationId } = await services.sessions.endReused({
      sid,
      usedJti: presented.jti,
      now,
      notice: { kind: 'token_reused', facts: { at: now, client, origin, usual: null } },
    })
    if (notificationId !== null) await services.announce(notificationId)
    return ended
  }
}

/** Reads off the row, as the rotation left it, what became of the presented token. `ours`: what we would have written. */
export function judge(
  found: RotatedSession | null,
  presentedJti: string,
  ours: readonly string[],
  now: number,
  settings: Pick<Settings, 'refreshReuseSeconds' | 'sessionMaxSeconds'>,
): Verdict {
  if (found === null) return { kind: 'unknown' }
  const { session, account } = found
  const isLiveOurs = ours.includes(session.jti)
  // Our own write, whose answer was lost, may have been replayed to another tab and rotated on before we looked.
  const isPreviousOurs = session.previousJti !== null && ours.includes(session.previousJti)
  const end = endOf(session, { settings, now })
  // Whoever holds the last token of an ended session was its client. Any other one shows that it was in two hands, which
  // ending the session must not hide.
  const isTrace = end === 'ended' && session.jti !== presentedJti && !isLiveOurs && !isPreviousOurs && account !== null
  if (end !== null) return { kind: isTrace ? 'reused' : end }
  if (account === null) return { kind: 'inactive' }
  // In place: a doubted jti may be the live one already, and whoever presents the old token now may be a thief.
  if (isLiveOurs && found.inPlace) return { kind: 'won', session, account }
  if (session.jti === presentedJti) return { kind: 'moved', session }
  if (isPreviousOurs) return { kind: 'race' }
  if (session.previousJti !== presentedJti || session.rotatedAt === null) return { kind: 'reused' }
  // One client is in one place: a race and a replay are of one, too.
  if (!found.inPlace) return { kind: 'reused' }
  const age = now - session.rotatedAt
  const { refreshReuseSeconds } = settings
  if (refreshReuseSeconds > 0 && age <= refreshReuseSeconds) return { kind: 'replayed', session, account }
  return { kind: age <= RACE_SECONDS ? 'race' : 'reused' }
}
