/** Accounts: who may sign in, as the rules see them, and where they are kept. */

import type { CountedFailures } from './attempts.ts'

export interface Account {
  /** The integer key; `user_id` to callers. */
  readonly id: number
  readonly guid: string
  readonly email: string | null
  readonly group: string
  /** What another system calls it: the claim `external_id`. */
  readonly externalId: string | null
  /** Claims that the operator chose for its access tokens, as a JSON object. */
  readonly ownClaims: string | null
}

export interface SignInAccount extends Account {
  readonly isActive: boolean
  readonly isConfirmed: boolean
  readonly passwordHash: string | null
}

/** An account, and the hash that its password was just verified by. */
export interface Verified {
  readonly userId: number
  readonly passwordHash: string
}

/** Whose session asks. */
export interface OwnSession {
  readonly account: Account
  readonly sid: string
}

/** An account as a sign-in finds it, and what is known of its address beside. */
export interface FoundForSignIn {
  readonly account: SignInAccount | null
  /** When it was made, or its address was confirmed: places of its owner are known from then on. */
  readonly knownSince: number
  /** When it was signed in from this place last, and from this address in it. */
  readonly seenAt: number | null
  readonly seenHereAt: number | null
  /** Whether it was signed in from any place before. */
  readonly knowsPlaces: boolean
  readonly failures: readonly CountedFailures[]
}

export interface AccountStore {
  /** `email` as `normalizeEmail` made it. */
  readonly findByEmail: (email: string) => Promise<SignInAccount | null>
  /** The same, with what a sign-in from this place (`seenPlaceKey`, `seenAddressKey`) is judged by: one round trip. */
  readonly findForSignIn: (asked: {
    readonly email: string
    readonly subject: string
    readonly place: string
    readonly placeAndAddress: string
  }) => Promise<FoundForSignIn>
}

/** The group of an account for which nobody chose one. */
export const DEFAULT_GROUP = 'user'

/**
 * Whether a text may be the group of an account: of 1 to 32 characters (code points) of any script, without control characters and halves of
 * characters. It is for the operator's own use: nothing here reads it.
 */
export function isGroup(text: string): boolean {
  return /^[^\p{Cc}\p{Cs}]{1,32}$/u.test(text)
}

/** E-mail addresses are compared in this form. */
export function normalizeEmail(text: string): string {
  return text.trim().normalize('NFC').toLowerCase()
}

/** The longest address that SMTP can carry (RFC 5321 section 4.5.3.1.3, less the brackets). */
export const MAX_EMAIL_LENGTH = 254

/**
 * Whether a text can be the address of a new account: a name of letters, digits and the signs of RFC 5322 section 3.2.3, letters of all
 * scripts included (RFC 6531), and a domain. Quoted names, comments and lists are none: what reads them as more than one address would
 * send a mail to somebody else.
 */
export function isEmail(text: string): boolean {
  return (
    text.length <= MAX_EMAIL_LENGTH &&
    /^(?!\.)(?!.*\.\.)[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~.-]{1,64}(?<!\.)@(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]{0,61}[\p{L}\p{M}\p{N}])?\.)+[\p{L}\p{M}][\p{L}\p{M}\p{N}-]{0,61}[\p{L}\p{M}\p{N}]$/u.test(
      text,
    )
  )
}
