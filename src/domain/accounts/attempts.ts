/**
 * How often a password may be guessed.
 *
 * Failures are counted for an address, whether or not it has an account. Clients in no place of its owner's are counted together, and wait
 * together after ten failures in a row, longer each time. A client in a place that the owner signed in from is counted by itself, so
 * that no stranger can keep the owner out.
 */

import type { DueNotice } from '../mails/notice.ts'
import { clientNetwork } from '../places/seen-place.ts'
import { toBase64url } from '../tokens/base64url.ts'

/** So many failures in a row are free; then there is a wait after each. */
export const FREE_FAILURES = 10
export const FIRST_WAIT_SECONDS = 60
export const LONGEST_WAIT_SECONDS = 86_400
/** A row begins anew when nobody tried for so long, and nobody had to wait. */
export const ROW_SECONDS = 86_400

/**
 * In all places of the owner's together, in which there may be many clients: beyond it they are strangers like all others. With those
 * that strangers have, a row stays below the 100 of NIST SP 800-63B-4, section 3.2.2.
 */
export const MAX_FAILURES_AT_HOME = 80

/** A sign-in after so many failures is told to the owner. */
export const TOLD_FAILURES = 3

/** What is counted for clients in no place of the owner's. Others have a network behind it. */
export const STRANGERS = 'sign_in'
/** The same for a client at an address that the owner signed in from, and its network behind it: no other client makes it wait. */
export const OWN_ADDRESS = 'sign_in own'

/** A row of what failed. `waitsUntil`: from then on the next try counts. */
export interface CountedFailures {
  readonly topic: string
  readonly count: number
  readonly at: number
  readonly waitsUntil: number
}

/** What a try is judged by. */
export interface Judgement {
  readonly topic: string
  /** In a row, so far. */
  readonly failures: number
  /** Whether it is refused, whatever its password. */
  readonly waits: boolean
}

/** What a sign-in needs to know of a try. */
export interface JudgedTry extends Judgement {
  readonly subject: string
  /** What a sign-in notes of its place: the names of the place, and of the client in it, where they were not noted for a day. */
  readonly notes: readonly string[]
  /** Whether a sign-in is to be told to the owner for its place. The first one of a new account is not. */
  readonly isNewPlace: boolean
}

/** Judges a try of a client at an address, by what failed for the account. */
export function judge(
  counted: readonly CountedFailures[],
  {
    address,
    isAtHome,
    isAtOwnAddress,
    now,
  }: {
    readonly address: string
    readonly isAtHome: boolean
    readonly isAtOwnAddress: boolean
    readonly now: number
  },
): Judgement {
  const inARow = counted.filter((row) => Math.max(row.at, row.waitsUntil) > now - ROW_SECONDS)
  const atHome = inARow.filter((row) => row.topic !== STRANGERS).reduce((sum, row) => sum + row.count, 0)
  const shared = isAtHome && atHome < MAX_FAILURES_AT_HOME ? `${STRANGERS} ${clientNetwork(address)}` : STRANGERS
  const topic = isAtOwnAddress ? `${OWN_ADDRESS} ${clientNetwork(address)}` : shared
  const row = inARow.find((one) => one.topic === topic)
  return { topic, failures: row?.count ?? 0, waits: row !== undefined && row.waitsUntil > now }
}

/** Counts the one check of a foreign hash that an account has at a time. */
export const FOREIGN_CHECK = 'foreign_check'
/** Longer than any foreign hash takes: a check whose Worker died is forgotten after it. */
export const FOREIGN_CHECK_SECONDS = 30

/** A try whose password was verified. */
export interface VerifiedTry {
  readonly subject: string
  readonly topic: string
  readonly now: number
  /** Whether it began the check of a foreign hash, which ends by what is written now. */
  readonly endsCheck: boolean
}

/** A try that failed. */
export interface FailedTry extends VerifiedTry {
  /** For the owner, should this try be the one that makes strangers wait. */
  readonly notice: DueNotice
}

export interface AttemptStore {
  /**
   * Counts a failure, unless its topic waits, which is then noted alone: either is one row. The id of the mail that this makes due is
   * what comes back.
   */
  readonly countFailure: (failed: FailedTry) => Promise<string | null>
  /**
   * Whether a try whose password was right has to wait by now: tries at once are all judged before the first failure is counted. One
   * that waits is noted, as `countFailure` would.
   */
  readonly hasToWait: (tried: VerifiedTry) => Promise<boolean>
  /**
   * Begins the check of a foreign hash, which takes up to some seconds. `busy`: another one of the same account has not ended. Only so are
   * tries at once as few as tries in a row. `waits`: by now the try is refused anyway.
   */
  readonly beginForeignCheck: (tried: Omit<VerifiedTry, 'endsCheck'>) => Promise<'begun' | 'busy' | 'waits'>
  /** Ends a check that came to nothing. The others end with what `countFailure` or `hasToWait` writes. */
  readonly endForeignCheck: (subject: string) => Promise<void>
}

/** Of an HMAC-SHA-256: enough that no two addresses share a subject. */
const SUBJECT_BYTES = 16

/**
 * The name under which is counted what was tried for an address as `normalizeEmail` made it: 128 bits of its HMAC-SHA-256, in base64url. The
 * table would otherwise list whatever strangers typed.
 */
export async function subjectOf(key: CryptoKey, email: string): Promise<string> {
  const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(email))
  return toBase64url(new Uint8Array(mac, 0, SUBJECT_BYTES))
}
