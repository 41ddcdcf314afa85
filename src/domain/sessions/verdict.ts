/**
 * What a presented refresh token turned out to be, read off the row of its session as the rotation left it, and what each
 * verdict brings about.
 */

import type { ErrorCode } from '../../errors.ts'
import type { EventType } from '../events/event.ts'
import type { NoticeKind } from '../mails/notice.ts'
import type { Settings } from '../settings.ts'
import type { RefreshClaims } from '../tokens/claims.ts'
import type { GoodProof } from '../tokens/proof.ts'
import { endOf } from './lifetime.ts'
import type { EndReason, FoundSession, RotatedSession, Session } from './session.ts'

/** Two requests that left a client together arrive within this time; so does a repeat after a lost answer. */
export const RACE_SECONDS = 10

/** `answer` is the next pair, or the error that the caller gets. */
type Outcome =
  | { readonly answer: 'pair'; readonly ends?: never; readonly mail?: never; readonly event?: never }
  /** The session is as it was. Its owner may get a mail, once a session. */
  | { readonly answer: ErrorCode; readonly ends?: never; readonly mail?: NoticeKind; readonly event?: never }
  /** The session ends, for this reason. Its owner may get a mail, once a session, and what happened has a name beside its end. */
  | { readonly answer: ErrorCode; readonly ends: EndReason; readonly mail?: NoticeKind; readonly event?: EventType }

/** Every verdict, and all that follows from it. The names are the causes in the log. */
export const OUTCOMES = {
  /** The live token, from the place of its session: this rotation replaced it. */
  won: { answer: 'pair' },
  /** An earlier rotation, whose answer was lost, may have replaced it: this one goes on where that one stopped. */
  resumed: { answer: 'pair' },
  /** Just rotated away, in the replay window: the same pair again. */
  replayed: { answer: 'pair' },
  /** Just rotated away, from the same place: two requests of one client, or a repeat after a lost answer. */
  race: { answer: 'token_used' },
  /** Rotated away before that, or presented elsewhere: the token is in two hands. */
  reused: { answer: 'token_used', ends: 'reuse', mail: 'token_reused', event: 'token_reused' },
  /** The live token, from another place. */
  moved: { answer: 'location_blocked', ends: 'location', mail: 'location_blocked', event: 'session_blocked' },
  /** The account was deactivated or deleted. */
  inactive: { answer: 'no_active_account', ends: 'inactive' },
  /** Somebody ended the session before. */
  ended: { answer: 'token_used' },
  /** The session is over by the settings of today. */
  expired: { answer: 'token_used' },
  /** There is no such session. */
  unknown: { answer: 'token_used' },
  /** The claims name another account than the row of the session does. */
  foreign: { answer: 'token_not_valid' },
  /**
   * The session is bound to a key, of which there is no proof, or no good one. One that is bound by DPoP says this, and the two below, by
   * `dpop_proof_not_valid`.
   */
  unproven: { answer: 'device_proof_required' },
  /** The session is bound to a key, and the proof is the one that got the live token, or is too old for a token that is not live. */
  proof_used: { answer: 'device_proof_required' },
  /** The session is bound to a key, and this is a good proof of another one: somebody has a copy of the token. */
  other_key: { answer: 'device_proof_required', mail: 'other_key' },
} as const satisfies Record<string, Outcome>

export type VerdictKind = keyof typeof OUTCOMES
type Pairing = { [Kind in VerdictKind]: (typeof OUTCOMES)[Kind]['answer'] extends 'pair' ? Kind : never }[VerdictKind]
export type Refusal = Exclude<VerdictKind, Pairing>
/** The refusals that end the session. */
export type Ending = {
  [Kind in Refusal]: (typeof OUTCOMES)[Kind] extends { ends: EndReason } ? Kind : never
}[Refusal]

/**
 * `won`, `resumed` and `replayed` come with what their pair is signed from, `moved` with the place that it is compared to, those that
 * ask for a proof with the key that they ask for, and `reused` with whether there was one.
 */
export type Verdict =
  | { readonly kind: Pairing; readonly session: Session; readonly account: NonNullable<FoundSession['account']> }
  | { readonly kind: 'moved'; readonly session: Session }
  | { readonly kind: Unproven; readonly session: Session }
  | { readonly kind: 'reused'; readonly isBound: boolean }
  | { readonly kind: Exclude<Refusal, 'moved' | 'reused' | Unproven> }

/** The refusals that ask for a proof. */
export type Unproven = 'unproven' | 'proof_used' | 'other_key'

/** The mails that a refusal sends. */
export type SessionMail = Extract<(typeof OUTCOMES)[Refusal], { mail: NoticeKind }>['mail']

export function isEnding(kind: Refusal): kind is Ending {
  return 'ends' in OUTCOMES[kind]
}

interface Circumstances {
  readonly settings: Pick<Settings, 'refreshReuseSeconds' | 'sessionMaxSeconds'>
  /** What the request proved, or `null`. */
  readonly proven: GoodProof | null
  readonly now: number
}

/**
 * Judges a presented token. `isOurs` tells the jtis that this rotation may have written, itself or before.
 *
 * The last token of an ended session is its client's own. Any other one, `race` and `resumed` apart, shows that the session
 * was in two hands, which ending it must not hide.
 */
export function judge(
  found: RotatedSession | null,
  presented: Pick<RefreshClaims, 'jti' | 'id' | 'guid'>,
  isOurs: (jti: string) => boolean,
  { settings, proven, now }: Circumstances,
): Verdict {
  if (found === null) return { kind: 'unknown' }
  const { session, account, inPlace } = found
  if (!isOf(session, presented)) return { kind: 'foreign' }
  const { jti, previousJti, rotatedAt } = session
  const isLive = jti === presented.jti
  const isLiveOurs = isOurs(jti)
  // A rotation whose answer was lost may have been replayed to another tab, and rotated on, before its client came back.
  const isPreviousOurs = previousJti !== null && isOurs(previousJti)

  const end = endOf(session, { settings, now })
  const { binding } = session
  const isProven = binding === null || binding.key === proven?.key
  const isFresh = binding === null || proven?.isFresh === true
  // Without its key, a copy of a token of a bound session was worth nothing, and so was a copy of a whole request.
  if (end === 'ended' && isProven && isFresh && !isLive && !isLiveOurs && !isPreviousOurs && account !== null)
    return { kind: 'reused', isBound: binding !== null }
  if (end !== null) return { kind: end }
  if (account === null) return { kind: 'inactive' }
  // Whatever else the token is: it neither rotates nor ends anything.
  if (!isProven) return { kind: proven === null ? 'unproven' : 'other_key', session }
  // A live jti of ours may have been written by an earlier rotation, for a client in the session's place: a caller from another
  // place who presents the old token may be a thief.
  if (isLiveOurs && inPlace) return { kind: 'won', session, account }
  const isProofUsed = binding !== null && binding.proofId === proven?.id
  if (isLive) return { kind: isProofUsed ? 'proof_used' : 'moved', session }
  if (isPreviousOurs) return { kind: 'race' }
  // A copy of a whole request comes back whenever it likes. Who has the key is asked once more, and then shows what the token is.
  if (isProofUsed || !isFresh) return { kind: 'proof_used', session }
  // A race and a replay are of one client, which is in one place.
  if (previousJti !== presented.jti || rotatedAt === null || !inPlace)
    return { kind: 'reused', isBound: binding !== null }
  // Who has the key is no thief, however late: the answer was lost, since its successor was never used.
  if (binding !== null) return { kind: 'replayed', session, account }
  const age = now - rotatedAt
  const { refreshReuseSeconds } = settings
  if (refreshReuseSeconds > 0 && age <= refreshReuseSeconds) return { kind: 'replayed', session, account }
  return age <= RACE_SECONDS ? { kind: 'race' } : { kind: 'reused', isBound: false }
}

/** Whether a session is that of the account which a token names. The guid is not known where the account is gone. */
export function isOf(
  session: Pick<Session, 'userId' | 'guid'>,
  { id, guid }: Pick<RefreshClaims, 'id' | 'guid'>,
): boolean {
  return session.userId === id && (session.guid === null || session.guid === guid)
}
