/** Passwords with the real Argon2id of the Worker, in Node, and what they cost; hashes that OpenSSL made of one password. */

import { createHash, scrypt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import setupWasm from 'argon2id/lib/setup.js'

import type { PasswordPrimitives } from '../../src/domain/accounts/password-engines.ts'
import * as pure from '../../src/pure-hashes.ts'

export const PASSWORD = 'correct horse'

export const SALT = 'MDEyMzQ1Njc4OWFiY2RlZg' // 0123456789abcdef

// Computed with OpenSSL's implementations, by way of node:crypto: argon2Sync, scryptSync and pbkdf2Sync.
export const CURRENT = `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk`

export const ARGON2ID_SHORT = `$argon2id$v=19$m=8,t=1,p=1$${SALT}$hfUK5kasNx+MA8Ldy3ooWQ`

export const SCRYPT = `$scrypt$ln=4,r=8,p=1$${SALT}$OAkZqUBelG6VIYdTJfYSENL5OmZRxMa3GwXn5oFliTg`

export const PBKDF2_SHA256 = `$pbkdf2-sha256$i=1000$${SALT}$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M`

const require = createRequire(import.meta.url)

const argon2id = await setupWasm(instantiate('simd'), instantiate('no-simd'))

function instantiate(name: string) {
  const binary = readFileSync(require.resolve(`argon2id/dist/${name}.wasm`))
  return async (imports: WebAssembly.Imports) => WebAssembly.instantiate(binary, imports)
}

export type Argon2id = PasswordPrimitives['argon2id']

/** Argon2id is a function: what was computed once, such as the decoy's hash, is not computed again. */
const computed = new Map<string, Uint8Array>()

export const realArgon2id: Argon2id = async (params) => {
  const key = JSON.stringify({ ...params, password: [...params.password], salt: [...params.salt] })
  const hash = computed.get(key) ?? argon2id(params)
  computed.set(key, hash)
  return hash
}

/** Where the cost is counted, not what it buys: a function of the password and the salt, in no time. */
export const cheapArgon2id: Argon2id = async ({ password, salt, tagLength }) =>
  new Uint8Array(createHash('sha512').update(password).update(salt).digest().subarray(0, tagLength))

/** The primitives of the Worker, and a list of what they were asked to do. */
export function countedPrimitives(hash: Argon2id): { primitives: PasswordPrimitives; work: string[] } {
  const work: string[] = []
  const primitives: PasswordPrimitives = {
    argon2id(params) {
      const { memorySize, passes, parallelism, tagLength } = params
      work.push(`argon2id ${memorySize} ${passes} ${parallelism} ${tagLength}`)
      return hash(params)
    },
    scrypt(password, salt, keyLength, { N, r, p }) {
      work.push(`scrypt ${N} ${r} ${p} ${keyLength}`)
      return new Promise((resolve, reject) => {
        scrypt(password, salt, keyLength, { N, r, p, maxmem: 2 ** 27 }, (error, key) => {
          if (error) reject(error)
          else resolve(key)
        })
      })
    },
    argon2(type, version, params) {
      work.push(`${type} ${version} ${params.memorySize} ${params.passes} ${params.parallelism} ${params.tagLength}`)
      return pure.argon2(type, version, params)
    },
    pbkdf2(digest, password, salt, iterations, keyLength) {
      work.push(`pbkdf2 ${digest} ${iterations} ${keyLength}`)
      return pure.pbkdf2(digest, password, salt, iterations, keyLength)
    },
    bcrypt(password, salt, cost) {
      work.push(`bcrypt ${cost}`)
      return pure.bcrypt(password, salt, cost)
    },
  }
  return { primitives, work }
}

/** What one verification against our own hash, or against the decoy, costs. */
export const OWN_WORK = 'argon2id 19456 2 1 32'

export const fail = () => Promise.reject(new RangeError('out of memory'))

/** Primitives that all fail. */
export const FAILING: PasswordPrimitives = { argon2id: fail, scrypt: fail, argon2: fail, pbkdf2: fail, bcrypt: fail }

/** A stored hash of these parameters, of no known password. */
export function argon2Hash(params: string, version = '$v=19'): string {
  return `$argon2id${version}$${params}$${SALT}$${SALT}`
}

/** As other systems write it. Its cost is of two digits. */
export function bcryptHash(cost: string): string {
  return `$2b$${cost}$${'.'.repeat(53)}`
}

export function scryptHash(params: string): string {
  return `$scrypt$${params}$${SALT}$${SALT}`
}

export function pbkdf2Hash(params: string, digest = 'sha256'): string {
  return `$pbkdf2-${digest}$${params}$${SALT}$${SALT}`
}
