/**
 * What the rules need from outside. Adapters implement these; tests may too. Times are whole seconds since 1970.
 */

import type { Notice } from './notice.ts'
import type { Passwords } from './passwords.ts'
import type { Client, LocationPolicy, PlaceCondition } from './place.ts'
import type { Tokens } from './tokens.ts'

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
  /** The canonical address that the live token was issued to. */
  readonly address: string
}

export interface NewSession {
  readonly sid: string
  readonly jti: string
  readonly now: number
  readonly expiresAt: number
  readonly client: Client
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

/** A session as a rotation left it, with its account as it is now; `account` is `null` when inactive or deleted. */
export interface RotatedSession {
  readonly session: Session
  readonly account: Account | null
  readonly inPlace: boolean
}

export type EndReason = 'location' | 'reuse' | 'inactive'

export interface SessionEnd {
  readonly sid: string
  /** Ends the session only while this token is the live one; `null` ends it whatever is live. */
  readonly onlyWhileJti: string | null
  readonly reason: EndReason
  readonly now: number
  readonly notice: Notice | null
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
  /**
   * Ends a session and stores the mail about it in one transaction. `ended` is false when it had ended before, or
   * its live token is another one by now. The caller announces `notificationId`.
   */
  readonly end: (end: SessionEnd) => Promise<{ readonly ended: boolean; readonly notificationId: string | null }>
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
  readonly refreshReuseSeconds: number
  readonly locationPolicy: LocationPolicy
}

export interface Services {
  readonly settings: Settings
  readonly tokens: Tokens
  readonly passwords: Passwords
  readonly sessions: SessionStore
  readonly accounts: AccountStore
  /** Whether a presented service key is the configured one, in constant time. `false` when none is configured. */
  readonly isServiceKey: (presented: string) => Promise<boolean>
  /** Hands a stored mail to the queue. Never throws: the row stays, and the sweep finds it. */
  readonly announce: (notificationId: string) => Promise<void>
  /** Seconds since 1970. */
  readonly now: () => number
  /** 122 random bits, as a UUID. */
  readonly newId: () => string
  readonly log: (event: LogEvent) => void
}
