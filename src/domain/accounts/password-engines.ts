/**
 * The functions behind password hashes, as the rules ask for them. An engine that fails is answered 503: whether the password is right is
 * then not known.
 */

import { TesseraError } from '../../errors.ts'

export interface Argon2Params {
  readonly password: Uint8Array
  readonly salt: Uint8Array
  /** KiB. */
  readonly memorySize: number
  readonly passes: number
  readonly parallelism: number
  /** Bytes. */
  readonly tagLength: number
}

export type Argon2Type = 'argon2id' | 'argon2i' | 'argon2d'

export type Pbkdf2Digest = 'SHA-1' | 'SHA-256' | 'SHA-512'

/** What WebCrypto lacks. They are called within bounds, so whatever they throw is a failure of theirs. */
export interface PasswordPrimitives {
  /** Argon2id, version 19 (RFC 9106): what new hashes are made with. */
  readonly argon2id: (params: Argon2Params) => Promise<Uint8Array>
  readonly scrypt: (
    password: Uint8Array,
    salt: Uint8Array,
    keyLength: number,
    cost: { N: number; r: number; p: number },
  ) => Promise<Uint8Array>
  /** Every other Argon2, slower by far. Version 16 is 1.0 to 1.2.1 of the reference code, 19 is RFC 9106. */
  readonly argon2: (type: Argon2Type, version: 16 | 19, params: Argon2Params) => Promise<Uint8Array>
  /** PBKDF2 of more iterations than WebCrypto grants, slower by far. */
  readonly pbkdf2: (
    digest: Pbkdf2Digest,
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    keyLength: number,
  ) => Promise<Uint8Array>
  /** The 23 bytes of a bcrypt hash. Of the password 72 bytes count; `cost` is the logarithm of the rounds. */
  readonly bcrypt: (password: Uint8Array, salt: Uint8Array, cost: number) => Promise<Uint8Array>
}

/** How long a caller should wait after an engine failed: the next call starts another one. */
const RETRY_AFTER_SECONDS = 1

/**
 * Whether Argon2id takes a password. The package means to ask for 8 bytes, but compares the bytes themselves with 8: it refuses the
 * empty password and a single byte below 8. No account can have such a password.
 */
export function isTaken(password: Uint8Array): boolean {
  return password.length > 1 || (password[0] ?? 0) >= 8
}

/** The result of an engine. Throws `unavailable` for its failure, which says nothing about the password. */
export async function asOurs<Result>(engine: string, result: Promise<Result>): Promise<Result> {
  try {
    return await result
  } catch (error) {
    const cause = new Error(`${engine} failed`, { cause: error })
    throw new TesseraError('unavailable', { cause, retryAfterSeconds: RETRY_AFTER_SECONDS })
  }
}
