/**
 * Hashes of other systems: which are read, into what, and why others are not; and that each, once read, fits its password and no other.
 * Real tools made them: `test/support/foreign-hashes.ts` says which.
 */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { readForeignHash } from '../../../src/domain/accounts/foreign-hash.ts'
import { createPasswords } from '../../../src/domain/accounts/passwords.ts'
import {
  DECOMPOSED_HASHES,
  EMPTY_PASSWORD,
  FOREIGN_HASHES,
  FULL_WIDTH,
  named,
  STRONG_HASHES,
  TOO_STRONG_HASHES,
} from '../../support/foreign-hashes.ts'
import { PASSWORD } from '../../support/accounts.ts'
import {
  argon2Hash,
  bcryptHash,
  cheapArgon2id,
  countedPrimitives,
  CURRENT,
  OWN_WORK,
  pbkdf2Hash,
  realArgon2id,
  SALT,
  scryptHash,
} from '../../support/passwords.ts'

const { verify } = createPasswords(countedPrimitives(realArgon2id).primitives)

const MATCHES = { matches: true, outdated: true }
const NO_MATCH = { matches: false, outdated: false }

/** The form to store. Fails where a hash is refused. */
function storedOf(hash: string): string {
  const read = readForeignHash(hash)
  if ('refused' in read) throw new Error(read.refused)
  return read.stored
}

/** A hash of ASP.NET Core Identity that says it had so many iterations. */
function withIterations(hash: string, iterations: number): string {
  const bytes = Buffer.from(hash, 'base64')
  bytes.writeUInt32BE(iterations, 5)
  return bytes.toString('base64')
}

/** Whether a fixture takes a tenth of a second: the cost of these is given. */
function isSlow(name: string): boolean {
  return /better-auth|own page/.test(name)
}

describe('a hash of another system', () => {
  test.each(FOREIGN_HASHES)('fits its password, and is outdated: $name', async ({ hash, password }) => {
    expect(await verify(password, storedOf(hash))).toEqual(MATCHES)
  })

  test.each(FOREIGN_HASHES)('fits no other password: $name', async ({ name, hash, password }) => {
    const stored = storedOf(hash)
    const wrongs = [`~${password.slice(1)}`, ` ${password}`, '']
    for (const wrong of isSlow(name) ? wrongs.slice(0, 1) : wrongs)
      expect(await verify(wrong, stored), wrong).toEqual(NO_MATCH)
  })

  test.each(FOREIGN_HASHES)('is stored in one form, which is read as itself: $name', ({ hash }) => {
    const stored = storedOf(hash)
    expect(stored).toMatch(/^\$[a-z0-9-]+(\$v=(16|19))?\$[a-z]+=\d+(,[a-z]+=\d+)*\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$/)
    expect(readForeignHash(stored)).toEqual({ stored })
  })

  test('that was stored as it came fits its password as well: somebody may write it by SQL', async () => {
    const cheap = FOREIGN_HASHES.filter(({ name }) => !isSlow(name))
    for (const { hash, password } of cheap) expect(await verify(password, hash)).toEqual(MATCHES)
  })

  // One stands for all that take half a second or more; the worker ring has the others.
  test('fits its password where JavaScript has to compute it', async () => {
    const { hash, password } = named('passlib: PBKDF2-SHA-512 with more iterations than WebCrypto grants')
    expect(await verify(password, storedOf(hash))).toEqual(MATCHES)
  })

  test.each(STRONG_HASHES)('is taken as strong as its tool makes it: $name', ({ hash }) => {
    expect(readForeignHash(hash)).toHaveProperty('stored')
  })

  test('that is one of ours is stored as it is', () => {
    expect(readForeignHash(CURRENT)).toEqual({ stored: CURRENT })
  })
})

describe('the form that is stored', () => {
  test.each([
    ['Django: PBKDF2', /^\$pbkdf2-sha256\$i=1000\$/],
    ['Django: PBKDF2 of SHA-1', /^\$pbkdf2-sha1\$i=1000\$/],
    ['Django: Argon2', /^\$argon2id\$v=19\$m=64,t=2,p=2\$/],
    ['Django: scrypt', /^\$scrypt\$ln=10,r=8,p=1\$/],
    ['Django: bcrypt of SHA-256', /^\$bcrypt-sha256-hex\$c=4\$/],
    ['Django: bcrypt', /^\$bcrypt\$c=4\$/],
    ['PHP, Laravel: bcrypt', /^\$bcrypt\$c=4\$/],
    ['Argon2i of version 16', /^\$argon2i\$v=16\$m=64,t=2,p=2\$/],
    ['better-auth: scrypt', /^\$scrypt-nfkc\$ln=14,r=16,p=1\$/],
    ['Firebase: scrypt', /^\$scrypt-firebase\$ln=10,r=8,p=1\$/],
    ['Werkzeug: PBKDF2-SHA-512', /^\$pbkdf2-sha512\$i=1000\$/],
    ['ASP.NET Core Identity', /^\$pbkdf2-sha256\$i=1000\$/],
    ['ASP.NET Identity before Core', /^\$pbkdf2-sha1\$i=1000\$/],
  ])('of %s names its function and what it costs', (name, form) => {
    expect(storedOf(named(name).hash)).toMatch(form)
  })

  test('of Firebase has nothing of the key of the project', async () => {
    const { hash, password } = named('Firebase: scrypt')
    const key = /sk=([^$]+)/.exec(hash)?.[1] ?? ''
    expect(storedOf(hash)).not.toContain(key.slice(0, 16))
    const otherKey = hash.replace(key, key.replace('j', 'k'))
    expect(await verify(password, storedOf(otherKey))).toEqual(NO_MATCH)
    const otherSeparator = hash.replace('ss=Bw==', 'ss=CA==')
    expect(await verify(password, storedOf(otherSeparator))).toEqual(NO_MATCH)
    // The API of Firebase writes the other alphabet, and no padding.
    const ofApi = hash.replaceAll('+', '-').replaceAll(/[^=]=+(?=[,$]|$)/g, (end) => end[0] ?? '')
    expect(ofApi).not.toBe(hash)
    expect(storedOf(ofApi.replaceAll('/', '_'))).toBe(storedOf(hash))
  })
})

describe('a hash is refused', () => {
  const UNKNOWN = { refused: 'is of no form that is known', reason: 'unknown' }
  const DAMAGED = { refused: 'is damaged: something is missing, or does not belong there', reason: 'damaged' }
  const TOO_COSTLY = { refused: 'costs more memory or time than one check may', reason: 'too_costly' }

  test.each([
    ['nothing', ''],
    ['a password', PASSWORD],
    ['MD5', '5f4dcc3b5aa765d61d8327deb882cf99'],
    [
      'SHA-512 of crypt',
      '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68OTLiBFdcbYEdFCoEOfaS35inz1',
    ],
    ['phpass', '$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0'],
    ['the mark of Django for no password', '!Wq2gTr7Yj8UlUkUCYHGPXTD1ZHQbcQmTb1v0WxYZ'],
    ['a bcrypt of faulty code', bcryptHash('04').replace('2b', '2x')],
    ['a space before', ` ${bcryptHash('04')}`],
    ['an id that every object knows', `$constructor$i=1000$${SALT}$${SALT}`],
  ])('whose form is not known: %s', (_name, hash) => {
    expect(readForeignHash(hash)).toEqual(UNKNOWN)
  })

  const { hash: firebase } = named('Firebase: scrypt')
  const { hash: aspNet } = named('ASP.NET Core Identity')
  test.each([
    ['bcrypt, cut', bcryptHash('04').slice(0, -1)],
    ['bcrypt, longer', `${bcryptHash('04')}.`],
    ['bcrypt with a line break after', `${bcryptHash('04')}\n`],
    ['bcrypt with a letter of base64', bcryptHash('04').replace('...', '.+.')],
    ['bcrypt of a cost below its least', bcryptHash('03')],
    ['bcrypt of a cost above its most', bcryptHash('32')],
    ['a bcrypt of ours with a short salt', `$bcrypt$c=4$MDEyMzQ1Njc$${'A'.repeat(31)}`],
    ['a bcrypt of ours with a long hash', `$bcrypt$c=4$${SALT}$${'A'.repeat(43)}`],
    ['bcrypt of Django, cut', 'bcrypt$$2b$04$'],
    ['bcrypt of SHA-256, cut', 'bcrypt_sha256$$2b$04$'],
    ['Argon2 of a version that there is not', argon2Hash('m=64,t=1,p=1', '$v=18')],
    ['Argon2 of Django without its hash', `argon2$argon2id$v=19$m=64,t=1,p=1$${SALT}`],
    ['Argon2 without memory', argon2Hash('t=1,p=1')],
    ['Argon2 of less memory than its lanes need', argon2Hash('m=31,t=1,p=4')],
    ['PBKDF2 without iterations', pbkdf2Hash('i=0')],
    ['PBKDF2 of passlib in base64 of Django', `$pbkdf2-sha256$1000$${SALT}==$${SALT}`],
    ['PBKDF2 of Django without its salt', `pbkdf2_sha256$1000$$${SALT}`],
    ['PBKDF2 of Django with a salt of 7 bytes', `pbkdf2_sha256$1000$seasalt$${'A'.repeat(43)}=`],
    [
      'PBKDF2 of Django with a hash of a length that base64 does not have',
      `pbkdf2_sha256$1000$seasalted$${'A'.repeat(45)}`,
    ],
    ['PBKDF2 of Werkzeug with half a byte', `pbkdf2:sha256:1000$seasalted$${'a'.repeat(63)}`],
    ['scrypt whose N is no power of two', `scrypt$1000$seasalted$8$1$${'A'.repeat(86)}==`],
    ['scrypt of Werkzeug whose N is no power of two', `scrypt:1000:8:1$seasalted$${'a'.repeat(128)}`],
    ['scrypt with an N that its r cannot address', scryptHash('ln=16,r=1,p=1')],
    ['better-auth, cut', `${'a'.repeat(32)}:${'a'.repeat(127)}`],
    ['better-auth in capitals', `${'a'.repeat(32)}:${'A'.repeat(128)}`],
    ['Firebase without the key of the project', firebase.replace(/,sk=[^$]+/, '')],
    ['Firebase with a key of another length', firebase.replace(/sk=[^$]+/, 'sk=AAAA')],
    ['Firebase with what is no base64', firebase.replace('42xEC', '4 xE!')],
    ['ASP.NET, of a salt that is longer than all of it', `AQAAAAEAAAPoAA8AEC${aspNet.slice(18)}`],
    ['ASP.NET, cut within its header', aspNet.slice(0, 12)],
  ])('that is damaged: %s', (_name, hash) => {
    expect(readForeignHash(hash)).toEqual(DAMAGED)
  })

  test.each([
    ...TOO_STRONG_HASHES.map(({ name, hash }) => [name, hash]),
    ['Argon2id: memory', argon2Hash('m=65537,t=1,p=1')],
    ['Argon2id: lanes', argon2Hash('m=136,t=1,p=17')],
    ['Argon2id: memory times passes', argon2Hash('m=65536,t=5,p=1')],
    ['Argon2d: memory in JavaScript', argon2Hash('m=32769,t=1,p=1').replace('2id', '2d')],
    ['Argon2id of version 16: the same', argon2Hash('m=32769,t=1,p=1', '')],
    ['scrypt: memory', scryptHash('ln=17,r=8,p=1')],
    ['scrypt: rounds', scryptHash('ln=16,r=8,p=3')],
    ['scrypt: lanes', scryptHash('ln=1,r=8,p=8193')],
    ['Firebase: memory', firebase.replace('n=10', 'n=17')],
    ['PBKDF2-SHA-1', pbkdf2Hash('i=2000001', 'sha1')],
    ['PBKDF2-SHA-256', pbkdf2Hash('i=2000001')],
    ['PBKDF2-SHA-256 of two blocks', `$pbkdf2-sha256$i=1000001$${SALT}$${'A'.repeat(86)}`],
    ['PBKDF2-SHA-512', pbkdf2Hash('i=1000001', 'sha512')],
    ['PBKDF2 of ASP.NET', `AQAAAAEA////${aspNet.slice(12)}`],
    ['PBKDF2 of ASP.NET, of 4,000,000,000 iterations', withIterations(aspNet, 4_000_000_000)],
    ['PBKDF2 of ASP.NET, of all that 32 bits have', withIterations(aspNet, 2 ** 32 - 1)],
    ['scrypt of Django whose N has ten digits', `scrypt$${2 ** 30}$seasalted$8$1$${'A'.repeat(86)}==`],
    ['scrypt of Werkzeug whose N has as many', `scrypt:${2 ** 40}:8:1$seasalted$${'a'.repeat(128)}`],
    ['bcrypt', bcryptHash('17')],
    ['bcrypt of SHA-256', `bcrypt_sha256$${bcryptHash('17')}`],
  ])('that costs too much, and is computed by no sign-in: %s', async (_name, hash = '') => {
    expect(readForeignHash(hash)).toEqual(TOO_COSTLY)
    const { primitives, work } = countedPrimitives(cheapArgon2id)
    expect(await createPasswords(primitives).verify(PASSWORD, hash)).toEqual(NO_MATCH)
    expect(work).toEqual([OWN_WORK])
  })

  test('in words that have nothing of it, whatever it is', () => {
    const hashes = [...FOREIGN_HASHES, ...TOO_STRONG_HASHES].map(({ hash }) => hash)
    const damaged = fc
      .tuple(fc.constantFrom(...hashes), fc.nat(200), fc.nat(3), fc.string({ maxLength: 3 }))
      .map(([hash, at, cut, text]) => hash.slice(0, at) + text + hash.slice(at + cut))
    fc.assert(
      fc.property(fc.oneof(damaged, fc.string()), (text) => {
        const read = readForeignHash(text)
        if ('refused' in read) expect([UNKNOWN, DAMAGED, TOO_COSTLY]).toContainEqual(read)
        else expect(readForeignHash(read.stored)).toEqual(read)
      }),
      { numRuns: 500 },
    )
  })
})

describe('the spelling of a password', () => {
  test.each(DECOMPOSED_HASHES)('is at first what was typed: $name', async ({ hash, password }) => {
    expect(await verify(password, storedOf(hash))).toEqual(MATCHES)
    // Composed, it is another text, and its decomposed form is not guessed.
    expect(await verify(password.normalize('NFC'), storedOf(hash))).toEqual(NO_MATCH)
  })

  test('is then NFC, which most keyboards send: another keyboard may decompose it', async () => {
    for (const name of ['Django: PBKDF2', 'Supabase: bcrypt', 'Argon2i', 'passlib: scrypt']) {
      const { hash, password } = named(name)
      expect(await verify(password.normalize('NFD'), storedOf(hash)), name).toEqual(MATCHES)
    }
  })

  test('is NFKC for better-auth, and for nobody else', async () => {
    const stored = storedOf(FULL_WIDTH.hash)
    expect(await verify(FULL_WIDTH.password, stored)).toEqual(MATCHES)
    const { hash } = named('bcrypt of a single letter')
    expect(await verify('ａ', storedOf(hash))).toEqual(NO_MATCH)
  })

  test('costs a second try only where there are two', async () => {
    const stored = storedOf(named('Supabase: bcrypt').hash)
    for (const [password, tries] of [
      ['wrong', 1],
      ['wrong\u00e9', 1],
      ['wronge\u0301', 2],
    ] as const) {
      const { primitives, work } = countedPrimitives(cheapArgon2id)
      expect(await createPasswords(primitives).verify(password, stored)).toEqual(NO_MATCH)
      expect(work).toEqual(Array.from({ length: tries }, () => 'bcrypt 4'))
    }
  })
})

describe('bcrypt', () => {
  test('has 72 bytes of a password, as the system has that it is from', async () => {
    const { hash, password } = named('bcrypt of 72 bytes')
    expect(await verify(`${password} and whatever follows`, storedOf(hash))).toEqual(MATCHES)
    expect(await verify(`${'x'.repeat(71)}y`, storedOf(hash))).toEqual(NO_MATCH)
  })

  test('of SHA-256 has all of them', async () => {
    const { hash, password } = named('Django: bcrypt of SHA-256, of more than 72 bytes')
    expect(await verify(`${password}.`, storedOf(hash))).toEqual(NO_MATCH)
    expect(await verify(password.slice(0, -1), storedOf(hash))).toEqual(NO_MATCH)
  })

  test('is the same under each of its names', async () => {
    for (const name of ['$2a$', '$2b$', '$2y$']) {
      const { hash, password } = named('PHP, Laravel: bcrypt')
      expect(await verify(password, storedOf(hash.replace('$2y$', name))), name).toEqual(MATCHES)
    }
  })

  test('takes no zero in a password: it could not tell a password from itself twice over', async () => {
    const { hash } = named('bcrypt of a single letter')
    const { primitives, work } = countedPrimitives(cheapArgon2id)
    expect(await createPasswords(primitives).verify('a\0a', storedOf(hash))).toEqual(NO_MATCH)
    expect(work).toEqual([OWN_WORK])
  })

  test('takes an empty password', async () => {
    expect(await verify('', storedOf(EMPTY_PASSWORD))).toEqual(MATCHES)
    expect(await verify('x', storedOf(EMPTY_PASSWORD))).toEqual(NO_MATCH)
  })
})

const nothing = async () => new Uint8Array(32)

test('no stored text makes a sign-in fail', async () => {
  const cheap = createPasswords({
    argon2id: cheapArgon2id,
    scrypt: nothing,
    argon2: nothing,
    pbkdf2: nothing,
    bcrypt: nothing,
  })
  const hashes = FOREIGN_HASHES.filter(({ hash }) => !/pbkdf2|^A/.test(hash)).map(({ hash }) => hash)
  const damaged = fc
    .tuple(fc.constantFrom(...hashes), fc.nat(200), fc.nat(3), fc.string({ maxLength: 3 }))
    .map(([hash, at, cut, text]) => hash.slice(0, at) + text + hash.slice(at + cut))
  await fc.assert(
    fc.asyncProperty(damaged, async (stored) => {
      expect(await cheap.verify('wrong', stored)).toEqual(NO_MATCH)
    }),
    { numRuns: 300 },
  )
})
