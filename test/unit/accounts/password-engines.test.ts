/**
 * The functions behind password hashes: what is still computed at their bounds, and what becomes of a failure of theirs.
 */

import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { createPasswords } from '../../../src/domain/accounts/passwords.ts'
import { describeError } from '../../../src/domain/describe-error.ts'
import { TesseraError } from '../../../src/errors.ts'
import {
  argon2Hash,
  bcryptHash,
  pbkdf2Hash,
  scryptHash,
  cheapArgon2id,
  countedPrimitives,
  CURRENT,
  fail,
  FAILING,
  PASSWORD,
  PBKDF2_SHA256,
  realArgon2id,
  SALT,
  SCRYPT,
} from '../../support/passwords.ts'

describe('a stored hash', () => {
  test.each([
    ['Argon2id: memory times passes', argon2Hash('m=65536,t=4,p=1'), 'argon2id 65536 4 1 16'],
    ['Argon2id: passes', argon2Hash('m=8,t=32768,p=1'), 'argon2id 8 32768 1 16'],
    ['Argon2id: lanes', argon2Hash('m=128,t=1,p=16'), 'argon2id 128 1 16 16'],
    ['scrypt: memory', scryptHash('ln=16,r=8,p=2'), 'scrypt 65536 8 2 16'],
    ['Argon2i: memory in JavaScript', argon2Hash('m=32768,t=8,p=1').replace('2id', '2i'), 'argon2i 19 32768 8 1 16'],
    ['Argon2id of version 16: the same', argon2Hash('m=32768,t=8,p=1', '$v=16'), 'argon2id 16 32768 8 1 16'],
    ['PBKDF2 in JavaScript', pbkdf2Hash('i=100001'), 'pbkdf2 SHA-256 100001 16'],
    ['PBKDF2-SHA-1: iterations', pbkdf2Hash('i=2000000', 'sha1'), 'pbkdf2 SHA-1 2000000 16'],
    ['PBKDF2-SHA-256: iterations', pbkdf2Hash('i=2000000'), 'pbkdf2 SHA-256 2000000 16'],
    ['PBKDF2-SHA-256: blocks', `$pbkdf2-sha256$i=1000000$${SALT}$${'A'.repeat(86)}`, 'pbkdf2 SHA-256 1000000 64'],
    ['PBKDF2-SHA-512: iterations', pbkdf2Hash('i=1000000', 'sha512'), 'pbkdf2 SHA-512 1000000 16'],
    ['bcrypt', bcryptHash('16'), 'bcrypt 16'],
    ['bcrypt of SHA-256', `bcrypt_sha256$${bcryptHash('16')}`, 'bcrypt 16'],
    ['scrypt: N for its r', scryptHash('ln=15,r=1,p=1'), 'scrypt 32768 1 1 16'],
    ['scrypt: OWASP', scryptHash('ln=14,r=8,p=5'), 'scrypt 16384 8 5 16'],
    ['scrypt: rounds', scryptHash('ln=14,r=8,p=8'), 'scrypt 16384 8 8 16'],
  ])('at the bound is computed (%s)', async (_name, stored, expected) => {
    const work: string[] = []
    // Only asked, not done: each of these takes the better part of a second.
    const passwords = createPasswords({
      ...FAILING,
      async argon2id({ memorySize, passes, parallelism, tagLength }) {
        work.push(`argon2id ${memorySize} ${passes} ${parallelism} ${tagLength}`)
        return new Uint8Array(tagLength).fill(1)
      },
      async scrypt(_password, _salt, keyLength, { N, r, p }) {
        work.push(`scrypt ${N} ${r} ${p} ${keyLength}`)
        return new Uint8Array(keyLength).fill(1)
      },
      async argon2(type, version, { memorySize, passes, parallelism, tagLength }) {
        work.push(`${type} ${version} ${memorySize} ${passes} ${parallelism} ${tagLength}`)
        return new Uint8Array(tagLength).fill(1)
      },
      async pbkdf2(digest, _password, _salt, iterations, keyLength) {
        work.push(`pbkdf2 ${digest} ${iterations} ${keyLength}`)
        return new Uint8Array(keyLength).fill(1)
      },
      async bcrypt(_password, _salt, cost) {
        work.push(`bcrypt ${cost}`)
        return new Uint8Array(23).fill(1)
      },
    })
    expect(await passwords.verify(PASSWORD, stored)).toEqual({ matches: false, outdated: false })
    expect(work).toEqual([expected])
  })

  test('of an older Argon2id with our parameters is none of ours', async () => {
    const { primitives, work } = countedPrimitives(cheapArgon2id)
    const older = createPasswords({ ...primitives, argon2: (_type, _version, params) => cheapArgon2id(params) })
    expect(await older.verify(PASSWORD, argon2Hash('m=19456,t=2,p=1', '$v=16'))).toMatchObject({ matches: false })
    expect(work).toEqual([])
  })

  test('at the bound of PBKDF2 in WebCrypto is computed there', async () => {
    const { primitives, work } = countedPrimitives(cheapArgon2id)
    expect(await createPasswords(primitives).verify(PASSWORD, pbkdf2Hash('i=100000'))).toEqual({
      matches: false,
      outdated: false,
    })
    expect(work).toEqual([])
  })

  describe('when a primitive fails', () => {
    test.each([
      ['Argon2id', CURRENT, 'Argon2id'],
      ['scrypt', SCRYPT, 'scrypt'],
      ['PBKDF2 in JavaScript', pbkdf2Hash('i=100001'), 'PBKDF2'],
      ['bcrypt', bcryptHash('04'), 'bcrypt'],
      ['bcrypt of SHA-256', `bcrypt_sha256$${bcryptHash('04')}`, 'bcrypt'],
      ['another Argon2', argon2Hash('m=64,t=1,p=1').replace('2id', '2d'), 'Argon2'],
      ['nobody', null, 'Argon2id'],
      ['an unreadable hash', 'junk', 'Argon2id'],
    ])('says nothing about a password of %s: that is our trouble', async (_name, stored, engine) => {
      const passwords = createPasswords(FAILING)
      expect(await trouble(passwords.verify(PASSWORD, stored))).toEqual({
        code: 'unavailable',
        cause: `Error: ${engine} failed (RangeError: out of memory)`,
        retryAfterSeconds: 1,
      })
    })

    test("says nothing about a password of PBKDF2 either, which is the runtime's", async () => {
      const deriveBits = vi.spyOn(crypto.subtle, 'deriveBits').mockRejectedValue(new Error('no'))
      onTestFinished(() => deriveBits.mockRestore())
      const { primitives } = countedPrimitives(cheapArgon2id)
      expect(await trouble(createPasswords(primitives).verify(PASSWORD, PBKDF2_SHA256))).toMatchObject({
        code: 'unavailable',
        cause: 'Error: PBKDF2 failed (Error: no)',
      })
    })

    test('knows the password again as soon as it works again', async () => {
      let failures = 1
      const { primitives } = countedPrimitives((params) => (failures-- > 0 ? fail() : realArgon2id(params)))
      const passwords = createPasswords(primitives)
      expect(await trouble(passwords.verify(PASSWORD, CURRENT))).toMatchObject({ code: 'unavailable' })
      expect(await passwords.verify(PASSWORD, CURRENT)).toEqual({ matches: true, outdated: false })
    })

    test('makes no fresh hash', async () => {
      expect(await trouble(createPasswords(FAILING).hash(PASSWORD))).toMatchObject({
        code: 'unavailable',
      })
    })
  })
})

/** The trouble that an attempt meets, with its cause as the log shows it. */
async function trouble(attempt: Promise<unknown>): Promise<object> {
  const error = await attempt.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof TesseraError)) throw new Error('no trouble of ours', { cause: error })
  return { code: error.code, cause: describeError(error.cause), retryAfterSeconds: error.retryAfterSeconds }
}
