/**
 * Passwords, kept as PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
 *
 * New hashes are Argon2id (RFC 9106) with OWASP's first choice of parameters. Hashes of imported accounts are verified
 * by `foreign-hash.ts` within bounds that keep an isolate alive, and reported as outdated, so that the next good sign-in
 * replaces them.
 */

import { equalBytes } from '../equal-bytes.ts'
import { asOurs, isTaken, type PasswordPrimitives } from './password-engines.ts'
import { formatPhc, parsePhc, type Phc } from './phc.ts'

export interface PasswordCheck {
  readonly matches: boolean
  /** The password is right, and its stored hash has other parameters than new ones: it should be replaced. */
  readonly outdated: boolean
}

export interface Passwords {
  /**
   * A PHC string with a fresh salt. Throws `unavailable` when the engine fails, and `RangeError` for
   * a password that Argon2id does not take.
   */
  readonly hash: (password: string) => Promise<string>
  /**
   * A hash that cannot be read, or costs more than the bounds, matches nothing, and neither does `null`, after the same
   * work. Throws `unavailable` when the engine fails: whether the password is right is then not known.
   */
  readonly verify: (password: string, stored: string | null) => Promise<PasswordCheck>
  /** Whether a stored hash is one of another system, which may take some seconds. */
  readonly isForeign: (stored: string) => boolean
}

/**
 * In UTF-16 code units, which are counted before anything else is done with a password: NFC takes time by the square of the
 * combining marks in a row.
 */
export const MAX_PASSWORD_LENGTH = 1024

/** https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html: 19 MiB, two passes, one lane. */
const OWN = { id: 'argon2id', version: '19', params: { m: 19_456, t: 2, p: 1 } } as const
const SALT_BYTES = 16
const HASH_BYTES = 32

/** A hash that no known password has: 32 zero bytes. Verifying against it takes as long as against one of an account. */
const DECOY: Phc = { ...OWN, salt: new Uint8Array(SALT_BYTES), hash: new Uint8Array(HASH_BYTES) }

/** What is verified against the decoy in the place of a password that Argon2id does not take. */
const STAND_IN = new TextEncoder().encode('stand-in')

/** Hashing and verification over the given primitives. */
export function createPasswords(primitives: PasswordPrimitives): Passwords {
  function compute(phc: Phc, password: Uint8Array): Promise<Uint8Array> {
    const { m: memorySize, t: passes, p: parallelism } = OWN.params
    const costs = { memorySize, passes, parallelism, tagLength: phc.hash.length }
    return asOurs('Argon2id', primitives.argon2id({ password, salt: phc.salt, ...costs }))
  }

  return {
    async hash(password) {
      const bytes = toBytes(password)
      if (!isTaken(bytes)) throw new RangeError('no password that Argon2id takes')
      const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES))
      const hash = await compute({ ...DECOY, salt }, bytes)
      return formatPhc({ ...OWN, salt, hash })
    },
    async verify(password, stored) {
      const bytes = toBytes(password)
      const own = stored === null ? null : parsePhc(stored)
      if (own !== null && isOwn(own)) {
        if (isTaken(bytes)) {
          const matches = equalBytes(await compute(own, bytes), own.hash)
          return { matches, outdated: matches && !isCurrent(own) }
        }
      } else if (stored !== null) {
        // Few accounts have a hash of another system, and only until their next good sign-in.
        const { matchesForeignHash } = await import('./foreign-hash.ts')
        const matches = await matchesForeignHash(primitives, password, stored)
        if (matches !== null) return { matches, outdated: matches }
      }
      await compute(DECOY, isTaken(bytes) ? bytes : STAND_IN)
      return { matches: false, outdated: false }
    },
    isForeign(stored) {
      const phc = parsePhc(stored)
      return phc === null || !isOwn(phc)
    },
  }
}

/** The bytes of a password: NFC, so that two keyboards agree, and otherwise as it was typed. */
function toBytes(password: string): Uint8Array {
  return new TextEncoder().encode(password.normalize('NFC'))
}

/** Whether a hash has the function and the costs of those that Tessera makes. */
function isOwn({ id, version, params }: Phc): boolean {
  return (
    id === OWN.id &&
    version === OWN.version &&
    params['m'] === OWN.params.m &&
    params['t'] === OWN.params.t &&
    params['p'] === OWN.params.p
  )
}

function isCurrent({ salt, hash }: Phc): boolean {
  return salt.length >= SALT_BYTES && hash.length === HASH_BYTES
}
