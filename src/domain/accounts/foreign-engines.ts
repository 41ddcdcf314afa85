/**
 * What a hash of another system costs, and how it is computed. Each function has bounds, since a stored hash names its own cost and could
 * take more memory or time than an isolate has. docs/password-hashes.md has what each costs at its bound.
 */

import { type Argon2Type, asOurs, isTaken, type PasswordPrimitives, type Pbkdf2Digest } from './password-engines.ts'
import type { Phc } from './phc.ts'

/** 64 MiB: the one WebAssembly instance starts with that much memory, and never has to grow. */
const MAX_ARGON2_MEMORY_KIB = 65_536
/** 32 MiB in JavaScript: they come on top of that instance, and an isolate has 128 MB in all. */
const MAX_PURE_ARGON2_MEMORY_KIB = 32_768
/** The product of memory and passes: some seven times that of the hashes that Tessera makes. */
const MAX_ARGON2_COST_KIB = 262_144
const MAX_ARGON2_LANES = 16
/** The limit of the runtime for N·r·p of scrypt. */
const MAX_SCRYPT_COST = 2 ** 20
/** The limit of N·r: scrypt takes 128 bytes for each, 64 MiB in all. The runtime takes them outside of the isolate. */
const MAX_SCRYPT_MEMORY_BLOCKS = 2 ** 19
/** The limit of p·r: the lanes of scrypt take 128 bytes for each, 8 MiB in all. */
const MAX_SCRYPT_LANE_BLOCKS = 2 ** 16
/** The limit of the runtime in production; a local one has none. More iterations are computed in JavaScript. */
const MAX_NATIVE_ITERATIONS = 100_000
/**
 * Iterations in JavaScript, those of each block of the hash counted: five or six seconds of CPU, of the thirty that a request has by
 * default. A password in two spellings takes twice that. Django 6.0 has 1,200,000 of SHA-256; SHA-512 takes twice as long.
 */
const MAX_PURE_ITERATIONS = { 'SHA-1': 2_000_000, 'SHA-256': 2_000_000, 'SHA-512': 1_000_000 } as const
const DIGEST_BYTES = { 'SHA-1': 20, 'SHA-256': 32, 'SHA-512': 64 } as const
/** Each step of bcrypt's cost doubles its time: 16 takes as long as the most iterations of PBKDF2. */
const MAX_BCRYPT_COST = 16
const BCRYPT_COSTS = { least: 4, most: 31 }
const BCRYPT_SALT_BYTES = 16
const BCRYPT_HASH_BYTES = 23
/** The key of AES-256, which Firebase takes from scrypt. */
const AES_KEY_BYTES = 32

const PBKDF2_DIGESTS: Readonly<Record<string, Pbkdf2Digest>> = {
  'pbkdf2-sha1': 'SHA-1',
  'pbkdf2-sha256': 'SHA-256',
  'pbkdf2-sha512': 'SHA-512',
}

/** Why a hash cannot be computed: its function is unknown, its parameters make no sense, or it takes more than an isolate should give. */
export type HashFault = 'unknown' | 'damaged' | 'too_costly'

/** Why this hash cannot be computed; `null` where it can be. */
export function faultOf({ id, version, params, salt, hash }: Phc): HashFault | null {
  switch (id) {
    case 'argon2id':
    case 'argon2i':
    case 'argon2d': {
      const { m = 0, t = 0, p = 0 } = params
      if (argon2Version(version) === null || p < 1 || t < 1 || m < 8 * p) return 'damaged'
      const maxMemory = isPure(id, version) ? MAX_PURE_ARGON2_MEMORY_KIB : MAX_ARGON2_MEMORY_KIB
      return costly(p > MAX_ARGON2_LANES || m > maxMemory || m * t > MAX_ARGON2_COST_KIB)
    }
    case 'scrypt':
    case 'scrypt-nfkc':
    case 'scrypt-firebase': {
      const { ln = 0, r = 0, p = 0 } = params
      const N = 2 ** ln
      // RFC 7914 section 6: with a larger N for its r, scrypt is not defined, and the engine refuses.
      if (ln < 1 || r < 1 || p < 1 || ln >= 16 * r) return 'damaged'
      return costly(p * r > MAX_SCRYPT_LANE_BLOCKS || N * r > MAX_SCRYPT_MEMORY_BLOCKS || N * r * p > MAX_SCRYPT_COST)
    }
    case 'pbkdf2-sha1':
    case 'pbkdf2-sha256':
    case 'pbkdf2-sha512': {
      const { i = 0 } = params
      const digest = PBKDF2_DIGESTS[id] ?? 'SHA-256'
      if (i < 1) return 'damaged'
      const blocks = Math.ceil(hash.length / DIGEST_BYTES[digest])
      return costly(i > MAX_NATIVE_ITERATIONS && i * blocks > MAX_PURE_ITERATIONS[digest])
    }
    case 'bcrypt':
    case 'bcrypt-sha256-hex': {
      const { c = 0 } = params
      const isWhole = salt.length === BCRYPT_SALT_BYTES && hash.length === BCRYPT_HASH_BYTES
      if (!isWhole || c < BCRYPT_COSTS.least || c > BCRYPT_COSTS.most) return 'damaged'
      return costly(c > MAX_BCRYPT_COST)
    }
    default:
      return 'unknown'
  }
}

function costly(isCostly: boolean): HashFault | null {
  return isCostly ? 'too_costly' : null
}

/**
 * The hash of a password under the parameters of a stored one, of which `faultOf` found no fault; `null` where the function does not
 * take the password. Throws `unavailable` when an engine fails.
 */
export async function computeHash(
  primitives: PasswordPrimitives,
  phc: Phc,
  password: Uint8Array,
): Promise<Uint8Array | null> {
  const { id, version, params, salt, hash } = phc
  switch (id) {
    case 'argon2id':
    case 'argon2i':
    case 'argon2d': {
      if (!isTaken(password)) return null
      const { m = 0, t = 0, p = 0 } = params
      const costs = { password, salt, memorySize: m, passes: t, parallelism: p, tagLength: hash.length }
      if (!isPure(id, version)) return asOurs('Argon2id', primitives.argon2id(costs))
      return asOurs('Argon2', primitives.argon2(id, argon2Version(version) ?? 19, costs))
    }
    case 'scrypt':
    case 'scrypt-nfkc':
      return scrypt(primitives, phc, password, hash.length)
    case 'scrypt-firebase':
      return asOurs('AES', keystream(await scrypt(primitives, phc, password, AES_KEY_BYTES), hash.length))
    case 'bcrypt':
      // The systems that bcrypt is from refuse a zero, or cut the password there. bcrypt repeats the password with a zero behind it,
      // so that it could not tell `secret` from `secret\0secret`.
      return password.includes(0) ? null : asOurs('bcrypt', primitives.bcrypt(password, salt, params['c'] ?? 0))
    case 'bcrypt-sha256-hex':
      return asOurs('bcrypt', primitives.bcrypt(await sha256Hex(password), salt, params['c'] ?? 0))
    default: {
      const digest = PBKDF2_DIGESTS[id]
      const { i = 0 } = params
      if (digest === undefined) return null
      const derive = i > MAX_NATIVE_ITERATIONS ? primitives.pbkdf2 : nativePbkdf2
      return asOurs('PBKDF2', derive(digest, password, salt, i, hash.length))
    }
  }
}

/** A PHC string without a version is of version 16, which was the only one when none was written. */
function argon2Version(version = '16'): 16 | 19 | null {
  return version === '16' ? 16 : version === '19' ? 19 : null
}

/** Whether an Argon2 is one that the WebAssembly package does not have. */
function isPure(id: Argon2Type, version: string | undefined): boolean {
  return id !== 'argon2id' || argon2Version(version) !== 19
}

function scrypt(
  primitives: PasswordPrimitives,
  { params, salt }: Phc,
  password: Uint8Array,
  keyLength: number,
): Promise<Uint8Array> {
  const { ln = 0, r = 0, p = 0 } = params
  return asOurs('scrypt', primitives.scrypt(password, salt, keyLength, { N: 2 ** ln, r, p }))
}

const nativePbkdf2: PasswordPrimitives['pbkdf2'] = async (hash, password, salt, iterations, keyLength) => {
  const key = await crypto.subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits'])
  const bits = await crypto.subtle.deriveBits({ name: 'PBKDF2', hash, salt, iterations }, key, keyLength * 8)
  return new Uint8Array(bits)
}

/** What AES-256-CTR adds to a text under this key, from a counter of zero on. */
async function keystream(key: Uint8Array, length: number): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey('raw', key, 'AES-CTR', false, ['encrypt'])
  const algorithm = { name: 'AES-CTR', counter: new Uint8Array(16), length: 64 }
  return new Uint8Array(await crypto.subtle.encrypt(algorithm, imported, new Uint8Array(length)))
}

async function sha256Hex(bytes: Uint8Array): Promise<Uint8Array> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return new TextEncoder().encode(Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join(''))
}
