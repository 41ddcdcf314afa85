/** A session, and where sessions are kept: one row each. Times are whole seconds since 1970. */

import type { EventReason } from '../events/event.ts'
import type { Account, SignInAccount } from '../accounts/account.ts'
import type { JudgedTry } from '../accounts/attempts.ts'
import type { DueNotice } from '../mails/notice.ts'
import type { Client, PlaceCondition } from '../places/place.ts'
import type { Settings } from '../settings.ts'
import type { DeviceKey } from '../tokens/device-key.ts'
import type { GoodProof } from '../tokens/proof.ts'

/** The key that a session is bound to: no refresh of it without a proof. `by`: how the proofs are made. */
export interface Binding {
  readonly key: DeviceKey
  readonly by: 'dpop' | 'dbsc'
  /** The name of the proof that opened it, or rotated it last. */
  readonly proofId: string | null
}

/** One sign-in and all its refreshes: the family of its refresh tokens, of which `jti` is the live one. */
export interface Session {
  readonly sid: string
  /** Its account: the integer key, and the guid, which is not known any more where the account is gone. */
  readonly userId: number
  readonly guid: string | null
  readonly jti: string
  readonly issuedAt: number
  readonly previousJti: string | null
  readonly rotatedAt: number | null
  readonly expiresAt: number
  readonly createdAt: number
  readonly endedAt: number | null
  /** Whether it was opened before its account's sessions were ended at once, and is not the one that was kept. */
  readonly isEndedByAccount: boolean
  readonly binding: Binding | null
  /** The place of the session: the canonical address that the live token was issued to, and what is known of it. */
  readonly address: string
  readonly asn: number | null
  readonly country: string | null
  readonly city: string | null
  readonly provider: string | null
}

/** A session as a token names it. Where its row is of another account, it is not this session. */
export interface NamedSession {
  readonly sid: string
  readonly userId: number
  readonly guid: string
}

/** A session of an account that is known already. */
export type OwnSession = Omit<NamedSession, 'guid'>

export interface NewSession {
  readonly sid: string
  readonly jti: string
  readonly now: number
  readonly expiresAt: number
  readonly client: Client
  readonly binding: Binding | null
  /** Sessions whose tokens the caller had, and has other ones for now: they end. */
  readonly replaced: readonly NamedSession[]
  /** How many sessions the account may have, this one included: the oldest ends. */
  readonly sessionsMax: number
}

/** What a sign-in by password was judged by. `notice`: for its owner, where the place is new, or others had failed before it. */
export interface JudgedSignIn extends JudgedTry {
  readonly notice: DueNotice
}

/** A session that a sign-in ended: its browser had it, or it was the oldest of too many. */
export interface EndedBySignIn extends Pick<NamedSession, 'sid' | 'guid'> {
  readonly reason: Extract<EndReason, 'replaced' | 'crowded_out'>
}

/**
 * What a sign-in by guid came to. `inactive`: the account was deactivated. `taken`: there was a session with this `sid` before. Then nothing
 * was written. `isNew`: the account was made with it.
 */
export type OpenedForGuid =
  | 'inactive'
  | 'taken'
  | { readonly account: Account; readonly isNew: boolean; readonly ended: readonly EndedBySignIn[] }

/**
 * What a sign-in by password came to. `changed`: meanwhile the account was deactivated or its password changed. `waiting`: meanwhile so many others failed
 * that it has to wait. Otherwise the caller announces `mail`.
 */
export type OpenedForPassword =
  | 'changed'
  | 'waiting'
  | { readonly mail: string | null; readonly ended: readonly EndedBySignIn[] }

export interface Rotation extends NamedSession {
  readonly presentedJti: string
  readonly nextJti: string
  readonly now: number
  readonly refreshTtlSeconds: number
  readonly sessionMaxSeconds: number
  readonly place: PlaceCondition
  readonly client: Client
  /** What the request proved, or `null`. */
  readonly proven: GoodProof | null
}

/** A session with its account as it is now; `account` is `null` when it is inactive or deleted. */
export interface FoundSession {
  readonly session: Session
  readonly account: (Account & { readonly isConfirmed: boolean }) | null
}

/**
 * A session as a rotation left it. `inPlace`: the client is in the session's own place, or in an allowed one; wherever it is, where it
 * proved to have the key of the session.
 */
export interface RotatedSession extends FoundSession {
  readonly inPlace: boolean
}

/** A session with what decides whether its access token may govern the account. */
export interface GovernedSession extends FoundSession {
  /** Whether the client is in a place that the owner allowed. */
  readonly isAllowed: boolean
}

/** A session as its owner sees it. */
export interface ListedSession extends Pick<
  Session,
  'sid' | 'issuedAt' | 'createdAt' | 'expiresAt' | 'address' | 'country' | 'city' | 'provider'
> {
  readonly userAgent: string | null
  readonly boundBy: Binding['by'] | null
  /** Where it was refreshed last, where that was an allowed place and not its own. */
  readonly visit: Pick<Client, 'address' | 'country' | 'city' | 'provider' | 'userAgent'> | null
}

/** Why a session ended by itself, as its row and the log have it. */
export type EndReason = EventReason<'session_ended'>

export interface SessionEnd extends NamedSession {
  /** Ends the session only while this token is the live one; `null` ends it whatever is live. */
  readonly onlyWhileJti: string | null
  readonly reason: EndReason
  readonly now: number
  readonly notice: DueNotice | null
}

/** A used token that was presented again. */
export interface ReusedToken extends NamedSession {
  readonly usedJti: string
  readonly reason: EndReason
  readonly now: number
  readonly notice: DueNotice | null
}

/** What an end came to. `ended` is false when the session had ended before. The caller announces `notificationId`. */
export interface Ended {
  readonly ended: boolean
  readonly notificationId: string | null
}

export interface SessionStore {
  /** Opens a session for the account of `guid`, which is created when it is not known. `by`: what asked for it. */
  readonly openForGuid: (guid: string, session: NewSession, by: 'guid' | 'ticket') => Promise<OpenedForGuid>
  /**
   * Opens a session for an account whose password was just verified, replaces the hash by `rehash` where given, notes the place, and
   * forgets the failures that it was judged by. Where it opens none, it does nothing of that.
   */
  readonly openForPassword: (
    account: SignInAccount,
    rehash: string | null,
    session: NewSession,
    judged: JudgedSignIn,
  ) => Promise<OpenedForPassword>
  /** One conditional write, and the row as it is after it. `null`: no such session. */
  readonly rotate: (rotation: Rotation) => Promise<RotatedSession | null>
  /** Ends a session and stores the mail about it, if it does, in one transaction. */
  readonly end: (end: SessionEnd) => Promise<Ended>
  /**
   * Ends the session of a used token, if it still lives, and stores the mail about it even if not, in one transaction.
   * Does nothing where that token is the last one of the session after all.
   */
  readonly endReused: (reused: ReusedToken) => Promise<Ended>
  /** Binds a live session to a key, once, while `jti` is the live one. `false`: it is not, or it is bound to another one, or has ended. */
  readonly bind: (
    named: NamedSession & { readonly jti: string },
    binding: Binding,
    now: number,
    settings: Pick<Settings, 'sessionMaxSeconds'>,
  ) => Promise<boolean>
  /** Stores a mail about a session while it lives, once: the id of the row, or `null` where it has one of that key, or has ended. */
  readonly tell: (named: NamedSession, notice: DueNotice, now: number) => Promise<string | null>
  readonly find: (sid: string) => Promise<FoundSession | null>
  /** As `find`, for a client whose place may have these names. */
  readonly findGoverned: (sid: string, keys: readonly string[], now: number) => Promise<GovernedSession | null>
  /** The live sessions of an account, the last used one first; of more than `limit`, those that were opened last. */
  readonly list: (
    userId: number,
    now: number,
    limits: Pick<Settings, 'sessionMaxSeconds' | 'sessionsMax'>,
  ) => Promise<readonly ListedSession[]>
  /** Ends one session of an account. `false`: it has no such live session. */
  readonly endOwn: (session: OwnSession, now: number, settings: Pick<Settings, 'sessionMaxSeconds'>) => Promise<boolean>
  /** Ends every session of an account that was opened until now but one. `false`: that one has ended itself. */
  readonly endOthers: (kept: OwnSession, now: number, settings: Pick<Settings, 'sessionMaxSeconds'>) => Promise<boolean>
}
