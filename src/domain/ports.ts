/**
 * What the rules need from outside. Adapters implement these; tests may too. Times are whole seconds since 1970.
 */

import type { Doubts } from './doubts.ts'
import type { Health } from './health.ts'
import type { Notice, NoticeFacts } from './notice.ts'
import type { Passwords } from './passwords.ts'
import type { Client, LocationPolicy, PlaceCondition, PlaceKeys } from './place.ts'
import type { LinkPurpose, Tokens } from './tokens.ts'

export interface Account {
  /** The integer key; `user_id` to callers. */
  readonly id: number
  readonly guid: string
  readonly email: string | null
  readonly group: string
}

/** One sign-in and all its refreshes: the family of its refresh tokens, of which `jti` is the live one. */
export interface Session {
  readonly sid: string
  readonly jti: string
  readonly issuedAt: number
  readonly previousJti: string | null
  readonly rotatedAt: number | null
  readonly expiresAt: number
  readonly createdAt: number
  readonly revokedAt: number | null
  /** Whether it was opened before its account's sessions were ended at once, and is not the one that was kept. */
  readonly isEndedByAccount: boolean
  /** The place of the session: the canonical address that the live token was issued to, and what is known of it. */
  readonly address: string
  readonly asn: number | null
  readonly country: string | null
  readonly city: string | null
  readonly network: string | null
}

export interface NewSession {
  readonly sid: string
  readonly jti: string
  readonly now: number
  readonly expiresAt: number
  readonly client: Client
  /** Sessions whose tokens the caller had, and has other ones for now: they end. */
  readonly replacedSids: readonly string[]
  /** How many sessions the account may have, this one included: the oldest ends. */
  readonly sessionsMax: number
}

export interface Rotation {
  readonly sid: string
  readonly presentedJti: string
  readonly nextJti: string
  readonly now: number
  readonly refreshTtlSeconds: number
  readonly sessionMaxSeconds: number
  readonly place: PlaceCondition
  readonly client: Client
}

/** A session with its account as it is now; `account` is `null` when it is inactive or deleted. */
export interface FoundSession {
  readonly session: Session
  readonly account: (Account & { readonly isConfirmed: boolean }) | null
}

/** A session as a rotation left it. `inPlace`: the client is in the session's own place, or in an allowed one. */
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
  'sid' | 'issuedAt' | 'createdAt' | 'expiresAt' | 'address' | 'country' | 'city' | 'network'
> {
  readonly userAgent: string | null
  /** Where it was refreshed last, where that was an allowed place and not its own. */
  readonly visit: Pick<Client, 'address' | 'country' | 'city' | 'network' | 'userAgent'> | null
}

export type EndReason = 'location' | 'reuse' | 'inactive' | 'signed_out' | 'revoked'

export interface SessionEnd {
  readonly sid: string
  /** Ends the session only while this token is the live one; `null` ends it whatever is live. */
  readonly onlyWhileJti: string | null
  readonly reason: EndReason
  readonly now: number
  readonly notice: Notice | null
}

/** A used token that was presented again. */
export interface Reuse {
  readonly sid: string
  readonly usedJti: string
  readonly now: number
  readonly notice: Notice
}

/** What an end came to. `ended` is false when the session had ended before. The caller announces `notificationId`. */
export interface Ended {
  readonly ended: boolean
  readonly notificationId: string | null
}

export interface SessionStore {
  /** Opens a session for the account of `guid`, which is created when it is not known. `null`: it is inactive. */
  readonly openForGuid: (guid: string, session: NewSession) => Promise<Account | null>
  /**
   * Opens a session for an account whose password was just verified, and replaces the hash by `rehash` where given.
   * `false`: meanwhile the account was deactivated or its password changed, and nothing was written.
   */
  readonly openForPassword: (account: SignInAccount, rehash: string | null, session: NewSession) => Promise<boolean>
  /** One conditional write, and the row as it is after it. `null`: no such session. */
  readonly rotate: (rotation: Rotation) => Promise<RotatedSession | null>
  /** Ends a session and stores the mail about it, if it does, in one transaction. */
  readonly end: (end: SessionEnd) => Promise<Ended>
  /**
   * Ends the session of a used token, if it still lives, and stores the mail about it even if not, in one transaction.
   * Does nothing where that token is the last one of the session after all.
   */
  readonly endForReuse: (reuse: Reuse) => Promise<Ended>
  readonly find: (sid: string) => Promise<FoundSession | null>
  /** As `find`, for a client whose place may have these names. */
  readonly findGoverned: (sid: string, keys: PlaceKeys, now: number) => Promise<GovernedSession | null>
  /** The live sessions of an account, the last used one first; of more than `limit`, those that were opened last. */
  readonly list: (
    userId: number,
    now: number,
    limits: Pick<Settings, 'sessionMaxSeconds' | 'sessionsMax'>,
  ) => Promise<readonly ListedSession[]>
  /** Ends one session of an account. `false`: it has no such live session. */
  readonly endOwn: (userId: number, sid: string, now: number) => Promise<boolean>
  /** Ends every session of an account that was opened until now but one. `false`: that one has ended itself. */
  readonly endOthers: (userId: number, exceptSid: string, now: number) => Promise<boolean>
}

export interface SignInAccount extends Account {
  readonly isActive: boolean
  readonly isConfirmed: boolean
  readonly passwordHash: string | null
}

export interface AccountStore {
  /** `email` as `normalizeEmail` made it. */
  readonly findByEmail: (email: string) => Promise<SignInAccount | null>
}

/** A place that an account may refresh from beside those of its sessions. */
export interface AllowedPlace {
  readonly id: number
  /** As `placeKey` names it. */
  readonly place: string
  readonly country: string | null
  readonly city: string | null
  readonly network: string | null
  readonly createdAt: number
  readonly expiresAt: number
}

export interface OwnerStore {
  /** The facts of a mail, and when each of its links was used. */
  readonly findNotice: (
    id: string,
  ) => Promise<{ readonly facts: NoticeFacts; readonly usedAt: Readonly<Record<LinkPurpose, number | null>> } | null>
  /** Ends every session of the account that a mail went to, once a mail. `false`: it was done before. */
  readonly endSessions: (noticeId: string, now: number) => Promise<boolean>
  /** Allows places for the account that a mail went to, once a mail. `false`: it was done before. */
  readonly allowPlaces: (
    noticeId: string,
    places: readonly {
      readonly key: string
      readonly country: string | null
      readonly city: string | null
      readonly network: string | null
    }[],
    now: number,
    expiresAt: number,
  ) => Promise<boolean>
  readonly listPlaces: (userId: number, now: number) => Promise<readonly AllowedPlace[]>
  /** `false`: the account has no such place. */
  readonly removePlace: (userId: number, id: number) => Promise<boolean>
}

/** Everything a refusal or an incident leaves in the log. Never token text, never a password, never an e-mail. */
export interface LogEvent {
  readonly event: string
  readonly [field: string]: unknown
}

/** The operator's choices that rules and routes depend on. */
export interface Settings {
  readonly issueAccess: 'service' | 'open' | 'off'
  readonly publicUrl: string | undefined
  readonly audience: string | undefined
  readonly accessTtlSeconds: number
  readonly refreshTtlSeconds: number
  readonly sessionMaxSeconds: number
  readonly sessionsMax: number
  readonly refreshReuseSeconds: number
  readonly locationPolicy: LocationPolicy
}

export interface Services {
  readonly settings: Settings
  readonly tokens: Tokens
  readonly passwords: Passwords
  readonly sessions: SessionStore
  readonly accounts: AccountStore
  readonly owners: OwnerStore
  readonly doubts: Doubts
  /** Whether a presented service key is the configured one, in constant time. `false` when none is configured. */
  readonly isServiceKey: (presented: string) => Promise<boolean>
  /** Hands a stored mail to the queue. Never throws: the row stays, and the sweep finds it. */
  readonly announce: (notificationId: string) => Promise<void>
  /** What works of this deployment. Never throws; it may be some seconds old. */
  readonly checkHealth: () => Promise<Health>
  /** Seconds since 1970. */
  readonly now: () => number
  /** 122 random bits, as a UUID. */
  readonly newId: () => string
  readonly log: (event: LogEvent) => void
}
