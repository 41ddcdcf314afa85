/**
 * Password hashes that the runtime does not have, in JavaScript alone: bcrypt, PBKDF2 of more iterations than WebCrypto grants, and the
 * Argon2 that is not Argon2id. Loaded when an account has one that an import brought, and once for each, since a good sign-in replaces it.
 * All of them keep the isolate busy until they are done: the clock of a Worker stands still meanwhile, so nothing could tell when to pause.
 */

import { argon2d, argon2i, argon2id } from '@noble/hashes/argon2.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { pbkdf2 as derive } from '@noble/hashes/pbkdf2.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { decodeBase64, encodeBase64, hashSync } from 'bcryptjs'

import type { PasswordPrimitives } from './domain/accounts/password-engines.ts'

const DIGESTS = { 'SHA-1': sha1, 'SHA-256': sha256, 'SHA-512': sha512 }
const ARGON2 = { argon2d, argon2i, argon2id }

/** The 29 characters before the hash in bcrypt's own form, and the bytes of that hash. */
const BCRYPT_PREFIX_LENGTH = 29
const BCRYPT_HASH_BYTES = 23

/** bcrypt as OpenBSD's `$2b$` has it: 72 bytes of the password count. The package takes text, and encodes it as UTF-8 again. */
export const bcrypt: PasswordPrimitives['bcrypt'] = async (password, salt, cost) => {
  // A byte order mark is part of a password.
  const text = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true }).decode(password)
  const computed = hashSync(text, `$2b$${String(cost).padStart(2, '0')}$${encodeBase64(salt, salt.length)}`)
  return Uint8Array.from(decodeBase64(computed.slice(BCRYPT_PREFIX_LENGTH), BCRYPT_HASH_BYTES))
}

/** PBKDF2 (RFC 8018 section 5.2) of any number of iterations. */
export const pbkdf2: PasswordPrimitives['pbkdf2'] = async (digest, password, salt, iterations, keyLength) =>
  derive(DIGESTS[digest], password, salt, { c: iterations, dkLen: keyLength })

/** Argon2 (RFC 9106) of any type, also as it was before version 19, which writes over the memory of an earlier pass. */
export const argon2: PasswordPrimitives['argon2'] = async (type, version, costs) => {
  const { password, salt, memorySize, passes, parallelism, tagLength } = costs
  const options = { m: memorySize, t: passes, p: parallelism, dkLen: tagLength, version }
  return ARGON2[type](password, salt, options)
}
