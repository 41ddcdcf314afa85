/**
 * Signing in, and the passwords behind it: one answer and one amount of work for every failure, and stored hashes that
 * the real Argon2id, scrypt and PBKDF2 agree with.
 */

import { createHash, scrypt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import setupWasm from 'argon2id/lib/setup.js'
import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { describeError } from '../../../src/domain/describe-error.ts'
import { equalBytes } from '../../../src/domain/equal-bytes.ts'
import type { PasswordPrimitives } from '../../../src/domain/accounts/password-engines.ts'
import { createPasswords } from '../../../src/domain/accounts/passwords.ts'
import type { Settings } from '../../../src/domain/settings.ts'
import type { SignInAccount } from '../../../src/domain/accounts/account.ts'
import { normalizeEmail } from '../../../src/domain/accounts/account.ts'
import { signInByGuid, signInByPassword } from '../../../src/domain/sessions/sign-in.ts'
import { TesseraError } from '../../../src/errors.ts'
import { type FakeServices, fakeServices, HOME, ISSUER, NOW } from '../../support/fakes.ts'
import { decodeToken } from '../../support/forge.ts'

const GUID = '6f9619ff-8b86-d011-b42d-00c04fc964ff'
const REQUEST = { client: HOME, issuer: ISSUER, cookies: [] }
const PASSWORD = 'correct horse'
const SALT = 'MDEyMzQ1Njc4OWFiY2RlZg' // 0123456789abcdef

// Computed with OpenSSL's implementations, by way of node:crypto: argon2Sync, scryptSync and pbkdf2Sync.
const CURRENT = `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk`
const ARGON2ID_SMALL = `$argon2id$v=19$m=64,t=3,p=4$${SALT}$0CZqMZ1QBMaHQj3p+a9jDiwNcLoLHu6N5jg73q6A/M4`
const ARGON2ID_SHORT = `$argon2id$v=19$m=8,t=1,p=1$${SALT}$hfUK5kasNx+MA8Ldy3ooWQ`
const ARGON2ID_16_LANES = `$argon2id$v=19$m=128,t=1,p=16$${SALT}$GHJoWaWpJF+G0eWkT9ZmSBClxJQ6N5GgskBYAduZgHZFQRinKA3RtKoCDIT6Aq6bcqAI340vD2TcJQnG+N1ChQ`
const ARGON2ID_64_MIB = `$argon2id$v=19$m=65536,t=1,p=1$${SALT}$peCRT0nPYVYhtVRc+7wPJTt3rDzZz7osPHLByKEo4nw`
const ARGON2ID_SHORT_SALT = '$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc$68HywYci3OqbgXx9IfAEJkC+MFsxHkdLom2hvExQ9vQ'
const ARGON2ID_CAFE = `$argon2id$v=19$m=32,t=1,p=1$${SALT}$qNQb8ekma4NwYqACcWK99AfO1VOc5qW6cfYvcLSmOso`
const SCRYPT = `$scrypt$ln=4,r=8,p=1$${SALT}$OAkZqUBelG6VIYdTJfYSENL5OmZRxMa3GwXn5oFliTg`
const SCRYPT_LONG = `$scrypt$ln=10,r=8,p=2$${SALT}$I4YuHpx/6xJJ4+sk74hQU+KhW++gPE8aHzXbHijxgzhet4gKwegovoqCb9QsHkDEaosVKghxVfzE3nyq3Ska2w`
const PBKDF2_SHA256 = `$pbkdf2-sha256$i=1000$${SALT}$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M`
const PBKDF2_SHA512 = `$pbkdf2-sha512$i=1000$${SALT}$OM0FAoIqCVK1sWtxDiffVlBejtLa+ks4TP71JiecwuSZCG8iLbnlIEPOMoVX+i2B2wkSxjQ8CRGR9OkNGuIPMQ`
const PBKDF2_CONTROL_CHARACTER = `$pbkdf2-sha256$i=1000$${SALT}$ID0zTmbDz3ChqdtB6ooOxwBgGIPB1rlD4wIjNl49RnU`

const require = createRequire(import.meta.url)
const argon2id = await setupWasm(instantiate('simd'), instantiate('no-simd'))

function instantiate(name: string) {
  const binary = readFileSync(require.resolve(`argon2id/dist/${name}.wasm`))
  return async (imports: WebAssembly.Imports) => WebAssembly.instantiate(binary, imports)
}

type Argon2id = PasswordPrimitives['argon2id']

const realArgon2id: Argon2id = async (params) => argon2id(params)

/** Where the cost is counted, not what it buys: a function of the password and the salt, in no time. */
const cheapArgon2id: Argon2id = async ({ password, salt, tagLength }) =>
  new Uint8Array(createHash('sha512').update(password).update(salt).digest().subarray(0, tagLength))

/** The primitives of the Worker, and a list of what they were asked to do. */
function countedPrimitives(hash: Argon2id): { primitives: PasswordPrimitives; work: string[] } {
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
  }
  return { primitives, work }
}

/** What one verification against our own hash, or against the decoy, costs. */
const OWN_WORK = 'argon2id 19456 2 1 32'

const fail = () => Promise.reject(new RangeError('out of memory'))

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

  const argon2 = (params: string, version = '$v=19') => `$argon2id${version}$${params}$${SALT}$${SALT}`
  const scryptHash = (params: string) => `$scrypt$${params}$${SALT}$${SALT}`
  const pbkdf2 = (params: string, digest = 'sha256') => `$pbkdf2-${digest}$${params}$${SALT}$${SALT}`

  test.each([
    // costs that would hurt an isolate
    ['a KiB too much memory', argon2('m=65537,t=1,p=1')],
    ['gigabytes of memory', argon2('m=4194304,t=1,p=1')],
    ['one pass too many for its memory', argon2('m=65536,t=5,p=1')],
    ['passes without end', argon2('m=8,t=32769,p=1')],
    ['17 lanes', argon2('m=136,t=1,p=17')],
    ['a KiB too little memory for its lanes', argon2('m=31,t=1,p=4')],
    ['no memory', argon2('m=0,t=1,p=1')],
    ['no passes', argon2('m=64,t=0,p=1')],
    ['no lanes', argon2('m=64,t=1,p=0')],
    ['no parameter m', argon2('t=1,p=1')],
    ['no parameter t', argon2('m=64,p=1')],
    ['no parameter p', argon2('m=64,t=1')],
    ['scrypt: too much memory', scryptHash('ln=16,r=8,p=1')],
    ['scrypt: too much memory by its blocks', scryptHash('ln=1,r=131073,p=1')],
    ['scrypt: too many rounds', scryptHash('ln=14,r=8,p=9')],
    ['scrypt: too many lanes', scryptHash('ln=1,r=8,p=8193')],
    ['scrypt: 2 to the power of a billion', scryptHash('ln=999999999,r=1,p=1')],
    ['scrypt: N of one', scryptHash('ln=0,r=8,p=1')],
    ['scrypt: an N that its r cannot address', scryptHash('ln=16,r=1,p=1')],
    ['scrypt: no r', scryptHash('ln=4,p=1')],
    ['scrypt: no p', scryptHash('ln=4,r=8')],
    ['PBKDF2: one iteration more than the runtime grants', pbkdf2('i=100001')],
    ['PBKDF2-SHA-512: the same', pbkdf2('i=100001', 'sha512')],
    ['PBKDF2: no iteration', pbkdf2('i=0')],
    ['PBKDF2: no parameter i', pbkdf2('r=1000')],
    // another algorithm
    ['an older Argon2', argon2('m=64,t=1,p=1', '$v=16')],
    ['Argon2 without a version', argon2('m=64,t=1,p=1', '')],
    ['Argon2i', argon2('m=64,t=1,p=1').replace('argon2id', 'argon2i')],
    ['Argon2d', argon2('m=64,t=1,p=1').replace('argon2id', 'argon2d')],
    ['PBKDF2-SHA-1', pbkdf2('i=1000', 'sha1')],
    ['bcrypt', '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW'],
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
    ['a negative cost', pbkdf2('i=-1000')],
    ['a broken cost', pbkdf2('i=1e3')],
    ['a cost of ten digits', pbkdf2('i=1000000000')],
    ['parameters run together', pbkdf2('i=1000r=8')],
    ['text before', ` ${ARGON2ID_SHORT}`],
    ['text after', `${ARGON2ID_SHORT} `],
    ['a line break after', `${ARGON2ID_SHORT}\n`],
  ])('with %s matches nothing, after the work of our own', async (_name, stored) => {
    const { primitives, work } = countedPrimitives(cheapArgon2id)
    expect(await createPasswords(primitives).verify(PASSWORD, stored)).toEqual({ matches: false, outdated: false })
    expect(work).toEqual([OWN_WORK])
  })

  test.each([
    ['Argon2id: memory times passes', argon2('m=65536,t=4,p=1'), 'argon2id 65536 4 1 16'],
    ['Argon2id: passes', argon2('m=8,t=32768,p=1'), 'argon2id 8 32768 1 16'],
    ['Argon2id: lanes', argon2('m=128,t=1,p=16'), 'argon2id 128 1 16 16'],
    ['scrypt: memory', scryptHash('ln=15,r=8,p=4'), 'scrypt 32768 8 4 16'],
    ['scrypt: N for its r', scryptHash('ln=15,r=1,p=1'), 'scrypt 32768 1 1 16'],
    ['scrypt: OWASP', scryptHash('ln=14,r=8,p=5'), 'scrypt 16384 8 5 16'],
    ['scrypt: rounds', scryptHash('ln=14,r=8,p=8'), 'scrypt 16384 8 8 16'],
  ])('at the bound is computed (%s)', async (_name, stored, expected) => {
    const work: string[] = []
    // Only asked, not done: each of these takes the better part of a second.
    const passwords = createPasswords({
      async argon2id({ memorySize, passes, parallelism, tagLength }) {
        work.push(`argon2id ${memorySize} ${passes} ${parallelism} ${tagLength}`)
        return new Uint8Array(tagLength)
      },
      async scrypt(_password, _salt, keyLength, { N, r, p }) {
        work.push(`scrypt ${N} ${r} ${p} ${keyLength}`)
        return new Uint8Array(keyLength)
      },
    })
    expect(await passwords.verify(PASSWORD, stored)).toEqual({ matches: false, outdated: false })
    expect(work).toEqual([expected])
  })

  test('at the bound of PBKDF2 is computed', async () => {
    const { primitives, work } = countedPrimitives(cheapArgon2id)
    expect(await createPasswords(primitives).verify(PASSWORD, pbkdf2('i=100000'))).toEqual({
      matches: false,
      outdated: false,
    })
    expect(work).toEqual([])
  })

  test('of nobody matches nothing, after the work of our own', async () => {
    const { primitives, work } = countedPrimitives(cheapArgon2id)
    expect(await createPasswords(primitives).verify(PASSWORD, null)).toEqual({ matches: false, outdated: false })
    expect(work).toEqual([OWN_WORK])
  })

  describe('when a primitive fails', () => {
    test.each([
      ['Argon2id', CURRENT, 'Argon2id'],
      ['scrypt', SCRYPT, 'scrypt'],
      ['nobody', null, 'Argon2id'],
      ['an unreadable hash', 'junk', 'Argon2id'],
    ])('says nothing about a password of %s: that is our trouble', async (_name, stored, engine) => {
      const passwords = createPasswords({ argon2id: fail, scrypt: fail })
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
      expect(await trouble(createPasswords({ argon2id: fail, scrypt: fail }).hash(PASSWORD))).toMatchObject({
        code: 'unavailable',
      })
    })
  })

  test('of a decoy is never matched, whatever a primitive returns', async () => {
    // Zeros are what the decoy holds.
    const passwords = createPasswords({
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

test.each([
  [[], [], true],
  [[1, 2, 3], [1, 2, 3], true],
  [[1, 2, 3], [1, 2, 4], false],
  [[0, 2, 3], [1, 2, 3], false],
  [[1, 2], [1, 2, 3], false],
  [[1, 2, 0], [1, 2], false],
  [[], [0], false],
])('the bytes %j and %j are equal: %s', (a, b, equal) => {
  expect(equalBytes(Uint8Array.from(a), Uint8Array.from(b))).toBe(equal)
})

describe('an e-mail address', () => {
  test.each([
    ['somebody@example.com', 'somebody@example.com'],
    ['SomeBody@Example.COM', 'somebody@example.com'],
    ['  somebody@example.com\t\n', 'somebody@example.com'],
    ['Jose\u0301@example.com', 'jos\u00e9@example.com'],
    ['JOS\u00c9@example.com', 'jos\u00e9@example.com'],
    ['some body@example.com', 'some body@example.com'],
    ['', ''],
  ])('%j is compared as %j', (text, normalized) => {
    expect(normalizeEmail(text)).toBe(normalized)
    expect(normalizeEmail(normalized)).toBe(normalized)
  })
})

async function refusal(attempt: Promise<unknown>): Promise<object> {
  const error = await attempt.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof TesseraError)) throw new Error('not refused', { cause: error })
  return { code: error.code, message: error.message, cause: error.cause }
}

/** The trouble that an attempt meets, with its cause as the log shows it. */
async function trouble(attempt: Promise<unknown>): Promise<object> {
  const error = await attempt.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof TesseraError)) throw new Error('no trouble of ours', { cause: error })
  return { code: error.code, cause: describeError(error.cause), retryAfterSeconds: error.retryAfterSeconds }
}

function refused(cause: string) {
  return { code: 'no_active_account', message: 'No active account found with the given credentials', cause }
}

describe('signing in with a password', async () => {
  const STORED: SignInAccount = {
    id: 7,
    guid: GUID,
    email: 'somebody@example.com',
    group: 'staff',
    isActive: true,
    isConfirmed: true,
    passwordHash: await createPasswords(countedPrimitives(cheapArgon2id).primitives).hash(PASSWORD),
  }

  function withAccount(
    changes: Partial<SignInAccount> | null,
    settings: Partial<Settings> = {},
    argon: Argon2id = cheapArgon2id,
  ): { services: FakeServices; work: string[] } {
    const { primitives, work } = countedPrimitives(argon)
    const services = fakeServices({ primitives, settings })
    if (changes !== null) services.accountsByEmail.set('somebody@example.com', { ...STORED, ...changes })
    return { services, work }
  }

  function signIn(services: FakeServices, primary_email = 'somebody@example.com', password = PASSWORD) {
    return signInByPassword(services, { primary_email, password }, REQUEST)
  }

  test('opens a session and hands out its first pair', async () => {
    const { services } = withAccount({})
    const pair = await signIn(services, '  SomeBody@Example.com ')
    expect(decodeToken(pair.access).payload).toEqual({
      iss: ISSUER,
      sub: GUID,
      id: 7,
      guid: GUID,
      group: 'staff',
      sid: 'id-1',
      jti: 'id-2',
      iat: NOW,
      exp: NOW + 300,
      token_type: 'access',
    })
    expect(decodeToken(pair.refresh).payload).toEqual({
      iss: ISSUER,
      sub: GUID,
      id: 7,
      guid: GUID,
      sid: 'id-1',
      jti: 'id-2',
      iat: NOW,
      exp: NOW + 864_000,
      ip: '203.0.113.7',
      token_type: 'refresh',
    })
    // Neither the flags nor the hash of the account leave the rules.
    expect(pair.account).toEqual({ id: 7, guid: GUID, email: 'somebody@example.com', group: 'staff' })
    expect(pair.expiresAt).toBe(NOW + 864_000)
    expect(services.calls).toEqual(['findByEmail', 'openForPassword'])
    expect(services.rehashes).toEqual([null])
  })

  test.each([
    ['an unknown address', null, PASSWORD, 'unknown address'],
    ['a wrong password', {}, 'wrong', 'wrong password'],
    ['an account without a password', { passwordHash: null }, PASSWORD, 'wrong password'],
    ['an account whose hash cannot be read', { passwordHash: 'x' }, PASSWORD, 'wrong password'],
    ['an inactive account', { isActive: false }, PASSWORD, 'inactive'],
    ['an unconfirmed account', { isConfirmed: false }, PASSWORD, 'unconfirmed'],
    ['an inactive account and a wrong password', { isActive: false }, 'wrong', 'wrong password'],
    ['an unconfirmed account and a wrong password', { isConfirmed: false }, 'wrong', 'wrong password'],
    ['an inactive, unconfirmed account', { isActive: false, isConfirmed: false }, PASSWORD, 'inactive'],
  ])(
    'refuses %s with the same answer, after the same work, and opens nothing',
    async (_name, changes, password, cause) => {
      const { services, work } = withAccount(changes)
      expect(await refusal(signIn(services, 'somebody@example.com', password))).toEqual(refused(cause))
      expect(work).toEqual([OWN_WORK])
      expect([services.calls, services.rows.size]).toEqual([['findByEmail'], 0])
    },
  )

  test('refuses an account that changed while its password was verified', async () => {
    const { services } = withAccount({})
    const overtaken: FakeServices = {
      ...services,
      passwords: {
        ...services.passwords,
        async verify(password, stored) {
          services.accountsByEmail.clear()
          return services.passwords.verify(password, stored)
        },
      },
    }
    expect(await refusal(signIn(overtaken))).toEqual(refused('changed during sign-in'))
    expect(services.rows.size).toBe(0)
  })

  test('replaces an outdated hash by one of today, of the same password', async () => {
    const { services, work } = withAccount({ passwordHash: SCRYPT })
    await signIn(services)
    expect(work).toEqual(['scrypt 16 8 1 32', OWN_WORK])
    const [rehash] = services.rehashes
    expect(rehash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(await services.passwords.verify(PASSWORD, rehash ?? null)).toEqual({ matches: true, outdated: false })
  })

  test.each([
    ['a wrong password', {}, 'wrong'],
    ['an inactive account', { isActive: false }, PASSWORD],
    ['an unconfirmed account', { isConfirmed: false }, PASSWORD],
  ])('does not hash anew for %s', async (_name, changes, password) => {
    const { services, work } = withAccount({ passwordHash: SCRYPT, ...changes })
    await refusal(signIn(services, 'somebody@example.com', password))
    expect([work, services.rehashes]).toEqual([['scrypt 16 8 1 32'], []])
  })

  test('lets an imported account in whose password cannot be hashed anew: it was right, and no fault of its owner', async () => {
    const { services } = withAccount({ passwordHash: PBKDF2_CONTROL_CHARACTER }, {}, realArgon2id)
    await expect(signIn(services, 'somebody@example.com', '\u0005')).resolves.toBeDefined()
  })

  test('lets an imported account in when the engine fails to hash anew, and says so in the log', async () => {
    const logged: unknown[] = []
    const { services } = withAccount({ passwordHash: SCRYPT }, {}, () => Promise.reject(new Error('out of memory')))
    await expect(signIn({ ...services, log: (event) => logged.push(event) })).resolves.toBeDefined()
    expect(services.rehashes).toEqual([null])
    expect(logged).toEqual([
      {
        event: 'password_not_rehashed',
        error: 'TesseraError: Service unavailable (Error: Argon2id failed (Error: out of memory))',
      },
    ])
  })

  test('takes the password whole', async () => {
    const { services } = withAccount({})
    expect(await refusal(signIn(services, 'somebody@example.com', ` ${PASSWORD} `))).toEqual(refused('wrong password'))
  })

  test.each([
    ['the refresh token', 600, 6000, NOW + 600],
    ['the session, where that is shorter', 6000, 600, NOW + 600],
  ])('lasts as long as %s', async (_name, refreshTtlSeconds, sessionMaxSeconds, expiresAt) => {
    const { services } = withAccount({}, { refreshTtlSeconds, sessionMaxSeconds })
    const pair = await signIn(services)
    expect(pair.expiresAt).toBe(expiresAt)
    expect(decodeToken(pair.refresh).payload['exp']).toBe(expiresAt)
    expect([...services.rows.values()].map(({ session }) => session.expiresAt)).toEqual([expiresAt])
  })
})

describe('signing in with a guid', () => {
  test('opens a session for it', async () => {
    const services = fakeServices()
    const pair = await signInByGuid(services, GUID, REQUEST)
    expect(decodeToken(pair.access).payload).toMatchObject({ guid: GUID, sub: GUID, group: 'user', exp: NOW + 300 })
    expect(decodeToken(pair.refresh).payload).toMatchObject({ guid: GUID, ip: '203.0.113.7', exp: NOW + 864_000 })
    expect(pair.account).toEqual({ id: 7, guid: GUID, email: null, group: 'user' })
    expect(services.calls).toEqual(['openForGuid'])
  })

  test('refuses an inactive account', async () => {
    const services = fakeServices()
    const closed = { ...services, sessions: { ...services.sessions, openForGuid: async () => null } }
    await expect(signInByGuid(closed, GUID, REQUEST)).rejects.toMatchObject({
      code: 'no_active_account',
      message: 'No active account found with the given credentials',
      cause: 'inactive',
    })
  })
})
