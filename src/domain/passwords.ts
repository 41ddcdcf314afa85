/**
 * Passwords, kept as PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
 *
 * New hashes are Argon2id (RFC 9106) with OWASP's first choice of parameters. Hashes of imported accounts, Argon2id with
 * other parameters, scrypt (RFC 7914) or PBKDF2 (RFC 8018), are verified within bounds that keep an isolate alive,
 * and reported as outdated, so that the next good sign-in replaces them.
 */

import { TesseraError } from '../errors.ts'
import { equalBytes } from './equal-bytes.ts'

/** The primitives that are not in WebCrypto. They are asked within bounds only: what they throw is a failure of theirs. */
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

export interface Verdict {
  readonly matches: boolean
  /** The password is right, and its stored hash should be replaced by a fresh one. */
  readonly outdated: boolean
}

export interface Passwords {
  /** A PHC string with a fresh salt. Throws `unavailable` when the engine fails, `RangeError` for a password that it does not take. */
  readonly hash: (password: string) => Promise<string>
  /**
   * A hash that cannot be read, or costs more than the bounds, matches nothing, and neither does `null`, after the same
   * work. Throws `unavailable` when the engine fails: whether the password is right is then not known.
   */
  readonly verify: (password: string, stored: string | null) => Promise<Verdict>
}

/**
 * UTF-16 code units, so that what is looked at is bounded before anything else is done with it: NFC takes time by the
 * square of the combining marks in a row.
 */
export const MAX_PASSWORD_LENGTH = 1024

/** How long a caller should wait when an engine failed: the next call starts another. */
const RETRY_AFTER_SECONDS = 1

/** https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html: 19 MiB, two passes, one lane. */
const MEMORY_KIB = 19_456
const PASSES = 2
const LANES = 1
const SALT_BYTES = 16
const HASH_BYTES = 32

/** 64 MiB fit the memory that the one WebAssembly instance starts with, so it never grows. */
const MAX_ARGON2_MEMORY_KIB = 65_536
/** Memory times passes: some seven times the cost of our own hash. */
const MAX_ARGON2_COST_KIB = 262_144
const MAX_ARGON2_LANES = 16
/** What the runtime grants: N·r·p of scrypt, iterations of PBKDF2. */
const MAX_SCRYPT_COST = 2 ** 20
/** 128 bytes times this are 32 MiB. */
const MAX_SCRYPT_MEMORY_BLOCKS = 2 ** 18
/** And these, for the lanes, 8 MiB. */
const MAX_SCRYPT_LANE_BLOCKS = 2 ** 16
const MAX_PBKDF2_ITERATIONS = 100_000

interface Phc {
  readonly id: string
  readonly version: string | undefined
  readonly params: Readonly<Record<string, number>>
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

/** Its hash is 32 zero bytes, which no known password has; verifying against it takes what a real one takes. */
const DECOY: Phc = {
  id: 'argon2id',
  version: '19',
  params: { m: MEMORY_KIB, t: PASSES, p: LANES },
  salt: new Uint8Array(SALT_BYTES),
  hash: new Uint8Array(HASH_BYTES),
}

/** For the decoy, where the password that was presented is none that the engine takes. */
const STAND_IN = new TextEncoder().encode('stand-in')

/** Hashing and verification over the given primitives. */
export function createPasswords(primitives: PasswordPrimitives): Passwords {
  return {
    async hash(password) {
      const bytes = toBytes(password)
      if (!isTaken(bytes)) throw new RangeError('no password that Argon2id takes')
      const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES))
      return toPhc(salt, await ownHash(primitives, bytes, salt))
    },
    async verify(password, stored) {
      const bytes = toBytes(password)
      const phc = stored === null ? null : parsePhc(stored)
      const computed = phc === null ? null : await compute(primitives, phc, bytes)
      if (phc === null || computed === null) {
        await compute(primitives, DECOY, isTaken(bytes) ? bytes : STAND_IN)
        return { matches: false, outdated: false }
      }
      const matches = equalBytes(computed, phc.hash)
      return { matches, outdated: matches && !isCurrent(phc) }
    },
  }
}

/** The bytes of a password: NFC, so that two keyboards agree, and otherwise as it was typed. */
function toBytes(password: string): Uint8Array {
  return new TextEncoder().encode(password.normalize('NFC'))
}

/**
 * The argon2id package compares the bytes with a minimum of 8, not their number, and so refuses no bytes and a lone one
 * below 8. No account can have such a password.
 */
function isTaken(password: Uint8Array): boolean {
  return password.length > 1 || (password[0] ?? 0) >= 8
}

function ownHash(primitives: PasswordPrimitives, password: Uint8Array, salt: Uint8Array): Promise<Uint8Array> {
  const params = { memorySize: MEMORY_KIB, passes: PASSES, parallelism: LANES, tagLength: HASH_BYTES }
  return asOurs('Argon2id', primitives.argon2id({ password, salt, ...params }))
}

/** A failure of an engine is our trouble, and says nothing about the password. */
async function asOurs<Result>(engine: string, result: Promise<Result>): Promise<Result> {
  try {
    return await result
  } catch (error) {
    const cause = new Error(`${engine} failed`, { cause: error })
    throw new TesseraError('unavailable', { cause, retryAfterSeconds: RETRY_AFTER_SECONDS })
  }
}

/**
 * The hash of a password under the parameters of a stored one; `null` where those are unknown or out of bounds, or the
 * password is none. Throws `unavailable`.
 */
async function compute(
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

function isCurrent({ id, params, salt, hash }: Phc): boolean {
  return (
    id === 'argon2id' &&
    params['m'] === MEMORY_KIB &&
    params['t'] === PASSES &&
    params['p'] === LANES &&
    salt.length >= SALT_BYTES &&
    hash.length === HASH_BYTES
  )
}

/** The PHC string format: https://github.com/P-H-C/phc-string-format. `null` for anything else. */
function parsePhc(text: string): Phc | null {
  const match =
    /^\$([a-z0-9-]{1,32})(?:\$v=(\d+))?\$([a-z]{1,8}=\d{1,9}(?:,[a-z]{1,8}=\d{1,9})*)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/.exec(
      text,
    )
  const [, id, version, params, salt, hash] = match ?? []
  if (id === undefined || params === undefined || salt === undefined || hash === undefined) return null
  try {
    return {
      id,
      version,
      params: Object.fromEntries(params.split(',').map((pair) => [pair.split('=')[0], Number(pair.split('=')[1])])),
      salt: fromBase64(salt),
      hash: fromBase64(hash),
    }
  } catch {
    return null // a length that base64 does not have
  }
}

function toPhc(salt: Uint8Array, hash: Uint8Array): string {
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${toBase64(salt)}$${toBase64(hash)}`
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll('=', '')
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
}
