/** What follows from a refusal to refresh: the end of a session, a mail, a line in the log. Most refreshes are not refused, so it is loaded when one is. */

import { TesseraError } from '../../errors.ts'
import type { Caller } from '../caller.ts'
import { type DueNotice, factsOf } from '../mails/notice.ts'
import type { Client } from '../places/place.ts'
import type { Services } from '../services.ts'
import type { RefreshClaims } from '../tokens/claims.ts'
import type { Attempt } from './doubts.ts'
import type { Ended, Session, SessionEnd } from './session.ts'
import { proofRequired } from './unproven.ts'
import { type Ending, isEnding, OUTCOMES, type Refusal, type SessionMail, type Verdict } from './verdict.ts'

type RefuseServices = Pick<Services, 'settings' | 'tokens' | 'sessions' | 'announce' | 'now' | 'log'>

/** A refresh that is refused. */
export interface Refused {
  readonly presented: RefreshClaims
  readonly caller: Caller
  readonly attempt: Attempt
  readonly now: number
}

/** Brings about what `OUTCOMES` says of a refusal, and throws the error that its caller gets. */
export async function refuse(
  services: RefuseServices,
  verdict: Extract<Verdict, { kind: Refusal }>,
  { presented, caller, attempt, now }: Refused,
): Promise<never> {
  const { settings, sessions, announce, log } = services
  const { jti, sid, id: userId, guid } = presented
  const named = { sid, userId, guid, now }

  // Each verdict that ends a session has its own condition in the row; one without a case below does not compile.
  if (verdict.kind === 'unproven' || verdict.kind === 'proof_used' || verdict.kind === 'other_key') {
    const outcome = OUTCOMES[verdict.kind]
    if ('mail' in outcome) await tell(outcome.mail)
    const { proof } = caller
    const isBad = verdict.kind === 'unproven' && proof !== undefined && 'refused' in proof
    throw await proofRequired(services, verdict, presented, isBad ? proof.refused : verdict.kind)
  }
  if (!isEnding(verdict.kind)) return fail(verdict.kind)
  switch (verdict.kind) {
    case 'reused':
      await endReused()
      return fail('reused')
    case 'moved': {
      // The end is conditional on the presented jti: a refresh from the session's own place may just have been faster.
      const { ended } = await follow('moved', sessions.end({ ...named, onlyWhileJti: jti, ...endAs('moved') }))
      if (ended) return fail('moved')
      // Nothing was ended: either such a refresh was faster, and the presented token is reused by now, or the session had ended.
      const { kind } = attempt.close({ kind: 'reused', isBound: false }, null)
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
        return {
          kind: mail,
          ...due,
          facts: { ...facts, ...(verdict.kind === 'reused' && verdict.isBound && { isBound: true }) },
        }
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
    throw new TesseraError(OUTCOMES[kind].answer, { cause: kind, sid, guid })
  }
}

function placeOf({ address, asn, country, city, provider }: Session): Omit<Client, 'userAgent'> {
  return { address, asn, country, city, provider }
}
