/**
 * Passwords: which stored hashes match, which are outdated, and one amount of work for every answer. The real Argon2id, scrypt
 * and PBKDF2 agree with them.
 */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createPasswords } from '../../../src/domain/accounts/passwords.ts'
import {
  argon2Hash,
  pbkdf2Hash,
  scryptHash,
  ARGON2ID_SHORT,
  cheapArgon2id,
  countedPrimitives,
  CURRENT,
  FAILING,
  OWN_WORK,
  PASSWORD,
  PBKDF2_SHA256,
  realArgon2id,
  SALT,
  SCRYPT,
} from '../../support/passwords.ts'

const ARGON2ID_SMALL = `$argon2id$v=19$m=64,t=3,p=4$${SALT}$0CZqMZ1QBMaHQj3p+a9jDiwNcLoLHu6N5jg73q6A/M4`

const ARGON2ID_16_LANES = `$argon2id$v=19$m=128,t=1,p=16$${SALT}$GHJoWaWpJF+G0eWkT9ZmSBClxJQ6N5GgskBYAduZgHZFQRinKA3RtKoCDIT6Aq6bcqAI340vD2TcJQnG+N1ChQ`

const ARGON2ID_64_MIB = `$argon2id$v=19$m=65536,t=1,p=1$${SALT}$peCRT0nPYVYhtVRc+7wPJTt3rDzZz7osPHLByKEo4nw`

const ARGON2ID_SHORT_SALT = '$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc$68HywYci3OqbgXx9IfAEJkC+MFsxHkdLom2hvExQ9vQ'

const ARGON2ID_CAFE = `$argon2id$v=19$m=32,t=1,p=1$${SALT}$qNQb8ekma4NwYqACcWK99AfO1VOc5qW6cfYvcLSmOso`

const SCRYPT_LONG = `$scrypt$ln=10,r=8,p=2$${SALT}$I4YuHpx/6xJJ4+sk74hQU+KhW++gPE8aHzXbHijxgzhet4gKwegovoqCb9QsHkDEaosVKghxVfzE3nyq3Ska2w`

const PBKDF2_SHA512 = `$pbkdf2-sha512$i=1000$${SALT}$OM0FAoIqCVK1sWtxDiffVlBejtLa+ks4TP71JiecwuSZCG8iLbnlIEPOMoVX+i2B2wkSxjQ8CRGR9OkNGuIPMQ`

describe('a stored hash', () => {
  test.each([
    ['ours', CURRENT, false],
    ['Argon2id with other parameters', ARGON2ID_SMALL, true],
    ['Argon2id with the least memory and the shortest hash', ARGON2ID_SHORT, true],
    ['Argon2id with the most lanes and the longest hash', ARGON2ID_16_LANES, true],
    ['Argon2id with the most memory', ARGON2ID_64_MIB, true],
    ['Argon2id as ours, with a short salt', ARGON2ID_SHORT_SALT, true],
    ['scrypt', SCRYPT, true],
    ['scrypt with a long hash', SCRYPT_LONG, true],
    ['PBKDF2-SHA-256', PBKDF2_SHA256, true],
    ['PBKDF2-SHA-512', PBKDF2_SHA512, true],
  ])('of %s matches its password', async (_name, stored, outdated) => {
    const passwords = createPasswords(countedPrimitives(realArgon2id).primitives)
    expect(await passwords.verify(PASSWORD, stored)).toEqual({ matches: true, outdated })
  })

  test.each([
    ['with another letter', 'correct horsf'],
    ['cut', PASSWORD.slice(0, -1)],
    ['longer', `${PASSWORD}1`],
    ['with a space before', ` ${PASSWORD}`],
    ['with a space after', `${PASSWORD} `],
    ['with a line break after', `${PASSWORD}\n`],
    ['in another case', 'Correct horse'],
    ['empty', ''],
    ['hashed', ARGON2ID_SHORT],
  ])('does not match the password %s', async (_name, password) => {
    const passwords = createPasswords(countedPrimitives(realArgon2id).primitives)
    for (const stored of [ARGON2ID_SHORT, SCRYPT, PBKDF2_SHA256]) {
      expect(await passwords.verify(password, stored)).toEqual({ matches: false, outdated: false })
    }
  })

  // HMAC fills its key up with zeros, so PBKDF2 and scrypt cannot tell this one; our own hashes can.
  test('does not match the password with a zero after', async () => {
    const passwords = createPasswords(countedPrimitives(realArgon2id).primitives)
    expect(await passwords.verify(`${PASSWORD}\0`, ARGON2ID_SHORT)).toEqual({ matches: false, outdated: false })
  })

  test('is taken over the bytes of the NFC form, so that two keyboards agree', async () => {
    const passwords = createPasswords(countedPrimitives(realArgon2id).primitives)
    expect(await passwords.verify('caf\u00e9', ARGON2ID_CAFE)).toMatchObject({ matches: true })
    expect(await passwords.verify('cafe\u0301', ARGON2ID_CAFE)).toMatchObject({ matches: true })
    expect(await passwords.verify('cafe', ARGON2ID_CAFE)).toMatchObject({ matches: false })
    // NFKC would make one password of these two.
    expect(await passwords.verify('ｃaf\u00e9', ARGON2ID_CAFE)).toMatchObject({ matches: false })
  })

  test.each([
    // costs that would hurt an isolate
    ['a KiB too much memory', argon2Hash('m=65537,t=1,p=1')],
    ['gigabytes of memory', argon2Hash('m=4194304,t=1,p=1')],
    ['one pass too many for its memory', argon2Hash('m=65536,t=5,p=1')],
    ['passes without end', argon2Hash('m=8,t=32769,p=1')],
    ['17 lanes', argon2Hash('m=136,t=1,p=17')],
    ['a KiB too little memory for its lanes', argon2Hash('m=31,t=1,p=4')],
    ['no memory', argon2Hash('m=0,t=1,p=1')],
    ['no passes', argon2Hash('m=64,t=0,p=1')],
    ['no lanes', argon2Hash('m=64,t=1,p=0')],
    ['no parameter m', argon2Hash('t=1,p=1')],
    ['no parameter t', argon2Hash('m=64,p=1')],
    ['no parameter p', argon2Hash('m=64,t=1')],
    ['scrypt: too much memory', scryptHash('ln=17,r=8,p=1')],
    ['scrypt: too much memory by its blocks', scryptHash('ln=1,r=262145,p=1')],
    ['scrypt: too many rounds', scryptHash('ln=14,r=8,p=9')],
    ['scrypt: too many lanes', scryptHash('ln=1,r=8,p=8193')],
    ['scrypt: 2 to the power of a billion', scryptHash('ln=999999999,r=1,p=1')],
    ['scrypt: N of one', scryptHash('ln=0,r=8,p=1')],
    ['scrypt: an N that its r cannot address', scryptHash('ln=16,r=1,p=1')],
    ['scrypt: no r', scryptHash('ln=4,p=1')],
    ['scrypt: no p', scryptHash('ln=4,r=8')],
    ['PBKDF2: one iteration too many', pbkdf2Hash('i=2000001')],
    ['PBKDF2-SHA-512: the same', pbkdf2Hash('i=1000001', 'sha512')],
    ['PBKDF2: no iteration', pbkdf2Hash('i=0')],
    ['PBKDF2: no parameter i', pbkdf2Hash('r=1000')],
    // another algorithm
    ['an Argon2 of a version that there is not', argon2Hash('m=64,t=1,p=1', '$v=17')],
    ['an Argon2 of a type that there is not', argon2Hash('m=64,t=1,p=1').replace('argon2id', 'argon2x')],
    ['PBKDF2 of MD5', pbkdf2Hash('i=1000', 'md5')],
    ['a bcrypt of faulty code', '$2x$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW'],
    ['a name that every object knows', `$constructor$i=1000$${SALT}$${SALT}`],
    // no PHC string
    ['nothing', ''],
    ['a word', 'password'],
    ['the password itself', PASSWORD],
    ['dollars', '$$$$$'],
    ['no salt', `$pbkdf2-sha256$i=1000$$${SALT}`],
    ['no hash', `$pbkdf2-sha256$i=1000$${SALT}$`],
    ['no parameters', `$pbkdf2-sha256$${SALT}$${SALT}`],
    ['a salt of 7 bytes', `$pbkdf2-sha256$i=1000$MDEyMzQ1Ng$${SALT}`],
    ['a hash of 15 bytes', `$pbkdf2-sha256$i=1000$${SALT}$MDEyMzQ1Njc4OWFiY2Rl`],
    ['a hash of 65 bytes', `$pbkdf2-sha256$i=1000$${SALT}$${'A'.repeat(87)}`],
    ['a hash of a length that base64 does not have', `$pbkdf2-sha256$i=1000$${SALT}$${'A'.repeat(25)}`],
    ['a salt of a length that base64 does not have', `$pbkdf2-sha256$i=1000$${'A'.repeat(13)}$${SALT}`],
    ['padding', `$pbkdf2-sha256$i=1000$${SALT}==$${SALT}==`],
    ['base64url', `$pbkdf2-sha256$i=1000$${SALT}$${SALT.slice(0, -2)}_-`],
    ['a negative cost', pbkdf2Hash('i=-1000')],
    ['a broken cost', pbkdf2Hash('i=1e3')],
    ['a cost of ten digits', pbkdf2Hash('i=1000000000')],
    ['parameters run together', pbkdf2Hash('i=1000r=8')],
    ['text before', ` ${ARGON2ID_SHORT}`],
    ['text after', `${ARGON2ID_SHORT} `],
    ['a line break after', `${ARGON2ID_SHORT}\n`],
  ])('with %s matches nothing, after the work of our own', async (_name, stored) => {
    const { primitives, work } = countedPrimitives(cheapArgon2id)
    expect(await createPasswords(primitives).verify(PASSWORD, stored)).toEqual({ matches: false, outdated: false })
    expect(work).toEqual([OWN_WORK])
  })

  test('of nobody matches nothing, after the work of our own', async () => {
    const { primitives, work } = countedPrimitives(cheapArgon2id)
    expect(await createPasswords(primitives).verify(PASSWORD, null)).toEqual({ matches: false, outdated: false })
    expect(work).toEqual([OWN_WORK])
  })

  test('of a decoy is never matched, whatever a primitive returns', async () => {
    // Zeros are what the decoy holds.
    const passwords = createPasswords({
      ...FAILING,
      argon2id: async ({ tagLength }) => new Uint8Array(tagLength),
      scrypt: async () => new Uint8Array(32),
    })
    expect(await passwords.verify(PASSWORD, null)).toEqual({ matches: false, outdated: false })
    expect(await passwords.verify(PASSWORD, 'junk')).toEqual({ matches: false, outdated: false })
  })
})

describe('a fresh hash', () => {
  const real = createPasswords(countedPrimitives(realArgon2id).primitives)
  const cheap = createPasswords(countedPrimitives(cheapArgon2id).primitives)

  test('is Argon2id with the parameters of today, a salt of its own, and current', async () => {
    const stored = await real.hash(PASSWORD)
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(await real.verify(PASSWORD, stored)).toEqual({ matches: true, outdated: false })
    const salts = await Promise.all(Array.from({ length: 20 }, async () => (await cheap.hash(PASSWORD)).split('$')[4]))
    expect(new Set(salts).size).toBe(20)
  })

  test.each([
    ['spaces around', '  two  '],
    ['spaces alone', '   '],
    ['a zero in the middle', 'a\0b'],
    ['every script', 'пароль 密码 🔑'],
    ['a lone surrogate', '\ud800'],
    ['64 KiB', 'x'.repeat(2 ** 16)],
  ])('takes a password of %s, whole', async (_name, password) => {
    const stored = await cheap.hash(password)
    expect(await cheap.verify(password, stored)).toEqual({ matches: true, outdated: false })
    expect(await cheap.verify(password.trim() === password ? `${password} ` : password.trim(), stored)).toEqual({
      matches: false,
      outdated: false,
    })
  })

  // The argon2id package compares the bytes with a number, and takes a single one below eight for a length.
  test.each(['', '\0', '\u0007'])('cannot be had of %j, and says so', async (password) => {
    await expect(real.hash(password)).rejects.toThrow(new RangeError('no password that Argon2id takes'))
  })

  test.each([
    ['less memory', 'm=19456', 'm=19455'],
    ['fewer passes', 't=2', 't=1'],
    ['another number of lanes', 'p=1', 'p=2'],
  ])('is outdated once its parameters are: %s', async (_name, today, then) => {
    // The cheap primitive gives the same bytes whatever the parameters, so only these tell.
    const stored = (await cheap.hash(PASSWORD)).replace(today, then)
    expect(await cheap.verify(PASSWORD, stored)).toEqual({ matches: true, outdated: true })
  })

  test('takes a single character', async () => {
    const password = '\u0008'
    expect(await real.verify(password, await real.hash(password))).toEqual({ matches: true, outdated: false })
  })

  test.each(['', '\0', '\u0005', '\u0007'])(
    'verification of %j against any hash is no trouble of ours, and the work of any other',
    async (password) => {
      for (const stored of [CURRENT, ARGON2ID_SHORT, SCRYPT, PBKDF2_SHA256, 'junk', null]) {
        expect(await real.verify(password, stored)).toEqual({ matches: false, outdated: false })
      }
      const { primitives, work } = countedPrimitives(realArgon2id)
      await createPasswords(primitives).verify(password, CURRENT)
      await createPasswords(primitives).verify(password, null)
      expect(work).toEqual([OWN_WORK, OWN_WORK])
    },
  )

  test('never throws, whatever was stored', async () => {
    // How a stored text is read is what this is about, not what its hash costs.
    const id = fc.constantFrom('argon2id', 'scrypt', 'pbkdf2-sha256', 'x')
    const params = fc.string({ unit: fc.constantFrom('m', 't', 'p', 'i', 'ln', 'r', '=', ',', '1', '9', '0') })
    const base64 = fc.string({ unit: fc.constantFrom('A', 'z', '9', '+', '/', '='), maxLength: 90 })
    const nearPhc = fc
      .tuple(id, fc.constantFrom('', '$v=19', '$v=16'), params, base64, base64)
      .map(([name, version, ...rest]) => `$${name}${version}$${rest.join('$')}`)
    await fc.assert(
      fc.asyncProperty(fc.oneof(nearPhc, fc.string()), async (stored) => {
        expect(await cheap.verify(PASSWORD, stored)).toEqual({ matches: false, outdated: false })
      }),
      { numRuns: 300 },
    )
  })
})
