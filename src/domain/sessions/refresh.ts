/**
 * Refresh: a live refresh token is exchanged for the next pair, once (RFC 9700 section 4.14.2).
 *
 * The order of the checks is part of the contract: form, signature, claims, expiry, pair, used, location. A caller who
 * fails two of them is told about the first one only, and a refused request changes nothing, unless the refusal
 * itself shows that the token is in two hands.
 */

import { TesseraError } from '../../errors.ts'
import type { Caller } from '../caller.ts'
import type { DueNotice, NoticeKind } from '../mails/notice.ts'
import { placeCondition } from '../places/place.ts'
import type { Services } from '../services.ts'
import type { RefreshClaims } from '../tokens/claims.ts'
import { type PresentedPair, readPair, readToken } from '../tokens/tokens.ts'
import type { Attempt } from './doubts.ts'
import { signPair, type Pair } from './pair.ts'
import type { Ended } from './session.ts'
import { judge, OUTCOMES, type Refusal, type Verdict } from './verdict.ts'

type RefreshServices = Pick<
  Services,
  'settings' | 'tokens' | 'sessions' | 'doubts' | 'announce' | 'now' | 'newId' | 'log'
>

/**
 * Exchanges both tokens of a pair, as browsers hold them. Throws `wrong_data_structure`, `token_not_valid`,
 * `token_pair_not_valid`, `token_used`, `location_blocked`, `no_active_account`, `unavailable`.
 */
export async function refreshPair(services: RefreshServices, pair: PresentedPair, caller: Caller): Promise<Pair> {
  return rotate(services, await readPair(services.tokens, pair, services.now()), caller)
}

/** Exchanges a refresh token alone. Throws as `refreshPair` does, but for the pair. */
export async function refreshToken(services: RefreshServices, text: string, caller: Caller): Promise<Pair> {
  return rotate(services, await readToken(services.tokens, 'refresh', text, services.now()), caller)
}

/** One conditional write; the verdict that the row gives; and what follows from the verdict. */
async function rotate(services: RefreshServices, presented: RefreshClaims, caller: Caller): Promise<Pair> {
  const { settings, sessions, log } = services
  const now = services.now()
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
    })
    .catch((error: unknown) => {
      attempt.lose()
      throw error
    })
  const judged = judge(found, presented, attempt.isOurs, { settings, now })
  const verdict = attempt.close(judged, found?.session.jti ?? null)
  if (!('account' in verdict)) return refuse(services, verdict, { presented, caller, attempt, now })
  if (verdict.kind !== 'won') log({ event: 'refreshed', cause: verdict.kind, sid: presented.sid })
  // A replay is signed under the issuer of the first answer, whatever host is asked now: its token is the same byte for byte.
  const issuer = verdict.kind === 'replayed' ? presented.iss : caller.issuer
  return signPair(services, issuer, verdict.session, verdict.account)
}

interface Refused {
  readonly presented: RefreshClaims
  readonly caller: Caller
  readonly attempt: Attempt
  readonly now: number
}

/** Brings about what a refusal does to the session and its owner, and throws the error that its caller gets. */
async function refuse(
  services: RefreshServices,
  verdict: Extract<Verdict, { kind: Refusal }>,
  { presented, caller, attempt, now }: Refused,
): Promise<never> {
  const { settings, sessions } = services
  const { jti, sid, id: userId } = presented
  const named = { sid, userId, now }
  // The origin of the links in a mail is never taken from the request, which may be a thief's.
  const happened = { at: now, client: caller.client, origin: settings.publicUrl ?? presented.iss }

  switch (verdict.kind) {
    case 'reused':
      await endReused()
      return fail(verdict.kind)
    case 'moved': {
      const { address, asn, country, city, provider } = verdict.session
      const { ends, mail } = OUTCOMES.moved
      const usual = { address, asn, country, city, provider }
      const notice: DueNotice = { kind: mail, ...onceOfSession(mail), facts: { ...happened, usual } }
      // The end is conditional on the presented jti: a refresh from the session's own place may just have been faster.
      const { ended } = await announced(sessions.end({ ...named, onlyWhileJti: jti, reason: ends, notice }))
      if (ended) return fail(verdict.kind)
      // Nothing was ended: either such a refresh was faster, and the presented token is reused by now, or the session had ended.
      const { kind } = attempt.close({ kind: 'reused' }, null)
      if (kind !== 'reused') return fail('race')
      return fail((await endReused()).ended ? 'reused' : 'ended')
    }
    case 'inactive':
      await sessions.end({ ...named, onlyWhileJti: null, reason: OUTCOMES.inactive.ends, notice: null })
      return fail(verdict.kind)
    case 'race':
    case 'ended':
    case 'expired':
    case 'unknown':
    case 'foreign':
      return fail(verdict.kind)
  }

  function endReused(): Promise<Ended> {
    const { mail } = OUTCOMES.reused
    const notice: DueNotice = { kind: mail, ...onceOfSession(mail), facts: happened }
    return announced(sessions.endReused({ ...named, usedJti: jti, notice }))
  }

  function onceOfSession(mail: NoticeKind): Pick<DueNotice, 'userId' | 'dedupeKey'> {
    return { userId, dedupeKey: `${mail}:${sid}` }
  }

  async function announced(end: Promise<Ended>): Promise<Ended> {
    const { notificationId } = await end
    if (notificationId !== null) await services.announce({ id: notificationId, account: userId })
    return end
  }

  function fail(kind: Refusal): never {
    throw new TesseraError(OUTCOMES[kind].answer, { cause: kind, sid })
  }
}
