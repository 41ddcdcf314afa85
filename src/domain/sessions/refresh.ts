/**
 * Refresh: a live refresh token is exchanged for the next pair, once (RFC 9700 section 4.14.2).
 *
 * The order of the checks is part of the contract: form, signature, claims, expiry, pair, used, location. A caller who
 * fails two of them is told about the first one only, and a refused request changes nothing, unless the refusal
 * itself shows that the token is in two hands.
 */

import { aboutSession, TesseraError } from '../../errors.ts'
import type { Caller } from '../caller.ts'
import { type DueNotice, factsOf } from '../mails/notice.ts'
import { type Client, placeCondition } from '../places/place.ts'
import type { Services } from '../services.ts'
import type { RefreshClaims } from '../tokens/claims.ts'
import type { GoodProof } from '../tokens/dpop.ts'
import { type PresentedPair, readPair, readToken } from '../tokens/tokens.ts'
import type { Attempt } from './doubts.ts'
import { signPair, type Pair } from './pair.ts'
import type { Ended, Session, SessionEnd } from './session.ts'
import { type Ending, isEnding, judge, OUTCOMES, type Refusal, type SessionMail, type Verdict } from './verdict.ts'

type RefreshServices = Pick<
  Services,
  'settings' | 'tokens' | 'sessions' | 'doubts' | 'announce' | 'now' | 'newId' | 'log'
>

/**
 * Exchanges both tokens of a pair, as browsers hold them. Throws `wrong_data_structure`, `token_not_valid`,
 * `token_pair_not_valid`, `dpop_proof_not_valid`, `token_used`, `location_blocked`, `no_active_account`, `unavailable`.
 */
export async function refreshPair(services: RefreshServices, pair: PresentedPair, caller: Caller): Promise<Pair> {
  return exchange(services, await readPair(services.tokens, pair, services.now()), caller)
}

/** Exchanges a refresh token alone. Throws as `refreshPair` does, but for the pair. */
export async function refreshToken(services: RefreshServices, text: string, caller: Caller): Promise<Pair> {
  return exchange(services, await readToken(services.tokens, 'refresh', text, services.now()), caller)
}

async function exchange(services: RefreshServices, presented: RefreshClaims, caller: Caller): Promise<Pair> {
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
  if (!('account' in verdict)) return refuse(services, verdict, { presented, caller, attempt, now })
  if (verdict.kind !== 'won') log({ event: 'refreshed', cause: verdict.kind, guid: presented.guid, sid: presented.sid })
  // A replay is signed under the issuer of the first answer, whatever host is asked now: its token is the same byte for byte.
  const issuer = verdict.kind === 'replayed' ? presented.iss : caller.issuer
  // An answer that is healed by proof may have been lost long ago: its access token begins anew.
  const isHealed = verdict.kind === 'replayed' && verdict.session.binding !== null
  return signPair(services, issuer, verdict.session, verdict.account, isHealed ? now : verdict.session.issuedAt)
}

interface Refused {
  readonly presented: RefreshClaims
  readonly caller: Caller
  readonly attempt: Attempt
  readonly now: number
}

/** Brings about what `OUTCOMES` says of a refusal, and throws the error that its caller gets. */
async function refuse(
  services: RefreshServices,
  verdict: Extract<Verdict, { kind: Refusal }>,
  { presented, caller, attempt, now }: Refused,
): Promise<never> {
  const { settings, sessions, announce, log } = services
  const { jti, sid, id: userId, guid } = presented
  const named = { sid, userId, guid, now }

  // Each verdict that ends a session has its own condition in the row; one without a case below does not compile.
  if (!isEnding(verdict.kind)) {
    const outcome = OUTCOMES[verdict.kind]
    if ('mail' in outcome) await tell(outcome.mail)
    return fail(verdict.kind)
  }
  switch (verdict.kind) {
    case 'reused':
      await endReused()
      return fail('reused')
    case 'moved': {
      // The end is conditional on the presented jti: a refresh from the session's own place may just have been faster.
      const { ended } = await follow('moved', sessions.end({ ...named, onlyWhileJti: jti, ...endAs('moved') }))
      if (ended) return fail('moved')
      // Nothing was ended: either such a refresh was faster, and the presented token is reused by now, or the session had ended.
      const { kind } = attempt.close({ kind: 'reused' }, null)
      if (kind !== 'reused') return fail('race')
      return fail((await endReused()).ended ? 'reused' : 'ended')
    }
    case 'inactive':
      await follow('inactive', sessions.end({ ...named, onlyWhileJti: null, ...endAs('inactive') }))
      return fail('inactive')
  }

  async function tell(mail: SessionMail): Promise<void> {
    const id = await sessions.tell({ sid, userId, guid }, noticeOf(mail), now)
    if (id !== null) await announce({ id, account: userId })
  }

  function endReused(): Promise<Ended> {
    return follow('reused', sessions.endReused({ ...named, usedJti: jti, ...endAs('reused') }))
  }

  /** The reason and the mail of an end. */
  function endAs(kind: Ending): Pick<SessionEnd, 'reason' | 'notice'> {
    const outcome = OUTCOMES[kind]
    return { reason: outcome.ends, notice: 'mail' in outcome ? noticeOf(outcome.mail) : null }
  }

  /** The mail about this refusal: its owner gets one of a kind for each session. */
  function noticeOf(mail: SessionMail): DueNotice {
    const due = { userId, dedupeKey: `${mail}:${sid}` }
    // The origin of the links in a mail is never taken from the request, which may be a thief's.
    const facts = factsOf(settings, { client: caller.client, issuer: presented.iss }, now)
    switch (mail) {
      case 'token_reused':
      case 'other_key':
        return { kind: mail, ...due, facts }
      case 'location_blocked':
        return {
          kind: mail,
          ...due,
          facts: { ...facts, usual: 'session' in verdict ? placeOf(verdict.session) : null },
        }
    }
  }

  /** What follows from an end: its lines in the log, where it ended or told anything, and the mail on its way. */
  async function follow(kind: Ending, end: Promise<Ended>): Promise<Ended> {
    const { ended, notificationId } = await end
    const outcome = OUTCOMES[kind]
    if ('event' in outcome && (ended || notificationId !== null)) log({ event: outcome.event, guid, sid })
    if (ended) log({ event: 'session_ended', guid, sid, reason: outcome.ends })
    if (notificationId !== null) await announce({ id: notificationId, account: userId })
    return end
  }

  function fail(kind: Refusal): never {
    const { proof } = caller
    const cause = kind === 'unproven' && proof !== undefined && 'refused' in proof ? proof.refused : kind
    throw new TesseraError(OUTCOMES[kind].answer, { cause, sid, guid })
  }
}

function provenBy({ proof }: Pick<Caller, 'proof'>): GoodProof | null {
  return proof !== undefined && 'key' in proof ? proof : null
}

function placeOf({ address, asn, country, city, provider }: Session): Omit<Client, 'userAgent'> {
  return { address, asn, country, city, provider }
}
