/**
 * The functions behind password hashes. Each has bounds, since a stored hash names its own cost and could take more memory or
 * time than an isolate has. An engine that fails is answered 503: whether the password is right is then not known.
 */

import { TesseraError } from '../../errors.ts'
import type { Phc } from './phc.ts'

/** The functions that WebCrypto lacks. They are called within the bounds below, so whatever they throw is a failure of theirs. */
export interface PasswordPrimitives {
  readonly argon2id: (params: {
    password: Uint8Array
    salt: Uint8Array
    memorySize: number
    passes: number
    parallelism: number
    tagLength: number
  }) => Promise<Uint8Array>
  readonly scrypt: (
    password: Uint8Array,
    salt: Uint8Array,
    keyLength: number,
    cost: { N: number; r: number; p: number },
  ) => Promise<Uint8Array>
}

/** How long a caller should wait after an engine failed: the next call starts another one. */
const RETRY_AFTER_SECONDS = 1

/** 64 MiB: the one WebAssembly instance starts with that much memory, and never has to grow. */
const MAX_ARGON2_MEMORY_KIB = 65_536
/** The product of memory and passes: some seven times that of the hashes that Tessera makes. */
const MAX_ARGON2_COST_KIB = 262_144
const MAX_ARGON2_LANES = 16
/** The limit of the runtime for N·r·p of scrypt. */
const MAX_SCRYPT_COST = 2 ** 20
/** The limit of N·r: scrypt takes 128 bytes for each, 32 MiB in all. */
const MAX_SCRYPT_MEMORY_BLOCKS = 2 ** 18
/** The limit of p·r: the lanes of scrypt take 128 bytes for each, 8 MiB in all. */
const MAX_SCRYPT_LANE_BLOCKS = 2 ** 16
/** The limit of the runtime in production; a local one has none. */
const MAX_PBKDF2_ITERATIONS = 100_000

/**
 * The hash of a password under the parameters of a stored one; `null` where those are unknown or out of bounds, or where the
 * function does not take the password. Throws `unavailable` when an engine fails.
 */
export async function computeHash(
  primitives: PasswordPrimitives,
  { id, version, params, salt, hash }: Phc,
  password: Uint8Array,
): Promise<Uint8Array | null> {
  switch (id) {
    case 'argon2id': {
      const { m = 0, t = 0, p = 0 } = params
      const inBounds =
        version === '19' &&
        p >= 1 &&
        p <= MAX_ARGON2_LANES &&
        m >= 8 * p &&
        m <= MAX_ARGON2_MEMORY_KIB &&
        t >= 1 &&
        m * t <= MAX_ARGON2_COST_KIB
      if (!inBounds || !isTaken(password)) return null
      const costs = { memorySize: m, passes: t, parallelism: p, tagLength: hash.length }
      return asOurs('Argon2id', primitives.argon2id({ password, salt, ...costs }))
    }
    case 'scrypt': {
      const { ln = 0, r = 0, p = 0 } = params
      const N = 2 ** ln
      const inBounds =
        ln >= 1 &&
        r >= 1 &&
        p >= 1 &&
        // RFC 7914 section 6: beyond it, scrypt is not defined, and the engine refuses.
        ln < 16 * r &&
        p * r <= MAX_SCRYPT_LANE_BLOCKS &&
        N * r <= MAX_SCRYPT_MEMORY_BLOCKS &&
        N * r * p <= MAX_SCRYPT_COST
      return inBounds ? asOurs('scrypt', primitives.scrypt(password, salt, hash.length, { N, r, p })) : null
    }
    case 'pbkdf2-sha256':
    case 'pbkdf2-sha512': {
      const { i = 0 } = params
      if (i < 1 || i > MAX_PBKDF2_ITERATIONS) return null
      const digest = id === 'pbkdf2-sha256' ? 'SHA-256' : 'SHA-512'
      return asOurs('PBKDF2', pbkdf2(password, digest, salt, i, hash.length))
    }
    default:
      return null
  }
}

async function pbkdf2(
  password: Uint8Array,
  hash: string,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits'])
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash, salt, iterations }, key, length * 8))
}

/**
 * Whether Argon2id takes a password. The package means to ask for 8 bytes, but compares the bytes themselves with 8: it refuses the
 * empty password and a single byte below 8. No account can have such a password.
 */
export function isTaken(password: Uint8Array): boolean {
  return password.length > 1 || (password[0] ?? 0) >= 8
}

/** The result of an engine. Throws `unavailable` for its failure, which says nothing about the password. */
async function asOurs<Result>(engine: string, result: Promise<Result>): Promise<Result> {
  try {
    return await result
  } catch (error) {
    const cause = new Error(`${engine} failed`, { cause: error })
    throw new TesseraError('unavailable', { cause, retryAfterSeconds: RETRY_AFTER_SECONDS })
  }
}
