/** The most used passwords: the packed list is that of the package, and which passwords count as one of the list. */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { PACKED_PASSWORDS, packPasswords, readPasswords } from '../../../scripts/packed-passwords.ts'
import {
  coresOf,
  isCommonPassword,
  isPatterned,
  MAX_CORE_LENGTH,
  unpackPasswords,
} from '../../../src/domain/accounts/most-used-passwords.ts'
import { ROOT } from '../../support/markdown.ts'

const list = new Uint8Array(readFileSync(join(ROOT, PACKED_PASSWORDS)))
const packed = [...unpackPasswords(list)]
const known = new Set(packed)
const passwords = readPasswords()

const isCommon = (password: string) => isCommonPassword(list, password)

/** The same answer, for many passwords: the list is unpacked once. */
function isCommonAmongKnown(password: string): boolean {
  return [...coresOf(password.toLowerCase())].some((core) => known.has(core) || isPatterned(core))
}

describe('the list', () => {
  test('is what `npm run passwords` makes of the package', () => {
    expect(passwords.length).toBe(49_233)
    expect(Buffer.from(packPasswords(passwords)).equals(list)).toBe(true)
  })

  test('is sorted, and each once', () => {
    expect(packed.length).toBeGreaterThan(30_000)
    expect(packed).toEqual([...known].toSorted())
    expect(Math.max(...packed.map((password) => password.length))).toBeLessThanOrEqual(MAX_CORE_LENGTH)
  })

  test('loses no password of the package', () => {
    expect(passwords.filter((password) => !isCommonAmongKnown(password))).toEqual([])
  })

  test('is documented with its numbers', () => {
    const document = readFileSync(join(ROOT, 'docs/accounts.md'), 'utf8')
    expect(document).toContain(`${passwords.length.toLocaleString('en')} from leaks`)
    expect(document).toContain(`${(list.length / 1024).toFixed(0)} KiB of its\nown`)
  })
})

const Listed = fc.string({
  unit: fc.constantFrom(...Array.from('abcdefgkmprsxz0123456789!.-')),
  minLength: 3,
  maxLength: MAX_CORE_LENGTH,
})

describe('packing', () => {
  test('leaves out nothing but what is common by the rest', () => {
    fc.assert(
      fc.property(fc.uniqueArray(Listed, { maxLength: 30 }), (texts) => {
        const small = packPasswords(texts)
        const kept = [...unpackPasswords(small)]
        expect(kept).toEqual(texts.filter((text) => kept.includes(text)).toSorted())
        for (const text of texts) expect(isCommonPassword(small, text), text).toBe(true)
      }),
    )
  })

  test('keeps a password of which another one is the start, and one that differs in its last character', () => {
    const texts = ['tiger', 'tigerlily', 'tigers', 'tigerz', 'zoo']
    expect([...unpackPasswords(packPasswords(texts.toReversed()))]).toEqual(texts)
  })

  test.each([['Tiger'], ['café'], ['two words'], ['tab\there'], [''], ['x'.repeat(MAX_CORE_LENGTH + 1)]])(
    'refuses %j, which it could not give back',
    (text) => {
      expect(() => packPasswords([text])).toThrow(new RangeError('a password that cannot be packed'))
    },
  )
})

describe('common is', () => {
  test.each([
    // Listed, whatever the case.
    ['passwordstandard'],
    ['PasswordStandard'],
    ['1qaz2wsx3edc4rfv'],
    // Over and over, the last time in part, with signs between.
    ['passwordpassword'],
    ['Password1Password1'],
    ['dragondragondra'],
    ['passwordpasswor'],
    ['monkey-monkey-monkey'],
    ['iloveyou iloveyou'],
    ['dragondragondragon!!'],
    ['christopherchristopher1999'],
    // Listed, and a shorter one over and over as well.
    ['starwarsstarwars'],
    // Listed as twice the same, which is not listed by itself.
    ['lissalissalissalissa'],
    // A few characters, over and over.
    ['ababababababababab'],
    ['abababababababa'],
    ['1!1!1!1!1!1!1!1!'],
    ['x7kx7kx7kx7kx7k'],
    ['x7kx7kx7kx7k!!!!2024'],
    // On a Latin keyboard, these are in the list.
    ['пароль123456789'],
    ['Парольпароль2024'],
    // Padded.
    ['password1234567'],
    ['Password123456!'],
    ['admin1234567890'],
    ['monkey987654321'],
    ['christopher1987'],
    ['1987christopher'],
    ['christopher1987!'],
    ['...christopher...'],
    ['shadowwwwwwwwww'],
    ['password!!!!!!!'],
    ['password       '],
    ['       password'],
    ['12345passwordqwerty'],
    ['qwertypassword12345'],
    ['password1234567890'],
    // Digits that count, behind digits.
    ['3141594567222'],
    // Sequences.
    ['aaaaaaaaaaaaaaa'],
    ['               '],
    ['~~~~~~~~~~~~~~~'],
    ['🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂'],
    ['123456789012345'],
    ['098765432109876'],
    ['qwertyuiopasdfg'],
    ['QWERTZUIOPASDFG'],
    ['azertyuiopqsdfg'],
    ['poiuytrewqlkjhg'],
    ['йцукенгшщзхъфыв'],
    ['ЙЦУКЕНйцукенЙЦУ'],
    ['abcdefghijklmno'],
    ['!@#$%^&*()_+!@#'],
    ['111222333444555'],
    ['111222333444555666777888999000aaabbbcccddd'],
    ['qweasdzxcrtyfgh'],
    ['1q2w3e4r5t6y7u8i'],
    ['q1w2e3r4t5y6u7i8'],
    ['zaq12wsxcde34rfv'],
    ['1qaz@wsx3edc4rfv5tgb'],
    ['abc123abc123abc'],
    ['abcdefgh12345678'],
    ['1234567890123!'],
    ['aaaaaaaaaaaa1987'],
  ])('%j', (password) => {
    expect(isCommon(password)).toBe(true)
  })
})

/** Numbers below 2 ** 32 that are the same in every run. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    yield state
  }
}

describe('not common is', () => {
  test.each([
    // A listed word is in it, and something else.
    ['passwordverloren'],
    ['correct horse battery'],
    ['correcthorsebattery'],
    ['sunshinechocolate'],
    ['dragon monkey tiger'],
    ['my password is long'],
    // Padding that says something.
    ['christopher87351'],
    ['christopher19870312'],
    ['password4820591'],
    ['christopher?!1'],
    ['48201christopher'],
    ['christopherbqzvt'],
    // Digits that are no sequence.
    ['482059173628409'],
    ['314159265358979'],
    ['198703122019870'],
    // Signs of many kinds.
    ['!?.,;:-_#+*~&%$'],
    // Nothing like a word.
    ['xk3j9vq2mzt8wpd'],
    ['vqzvqzxvqzvqzxk'],
    ['日本語のながいパスワードです'],
    ['tarmac-owl-vivid'],
    ['x7kqx7kqx7kqx7kq'],
    ['семь тихих цапель'],
  ])('%j', (password) => {
    expect(isCommon(password)).toBe(false)
  })

  test.each([
    ['letters', 'abcdefghijklmnopqrstuvwxyz', 15],
    ['letters and digits', 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 8],
    ['digits', '0123456789', 15],
    ['ASCII', String.fromCharCode(...Array.from({ length: 95 }, (_, i) => i + 32)), 10],
  ])('what a generator makes of %s', (_name, alphabet, length) => {
    const random = numbers(length)
    // The high bits of such a number are the random ones.
    const character = () => alphabet[Math.floor((random.next().value / 2 ** 32) * alphabet.length)]
    const made = Array.from({ length: 2000 }, () => Array.from({ length }, character).join(''))
    expect(made.filter(isCommonAmongKnown)).toEqual([])
  })

  test('a phrase of three or four words', () => {
    const path = createRequire(import.meta.url).resolve('@zxcvbn-ts/language-common/src/diceware.json')
    const words = JSON.parse(readFileSync(path, 'utf8')) as string[]
    const random = numbers(1)
    const word = () => words[Math.floor((random.next().value / 2 ** 32) * words.length)]
    const phrases = Array.from({ length: 2000 }, (_, i) =>
      Array.from({ length: 3 + (i % 2) }, word).join(['', ' ', '-'][i % 3]),
    )
    expect(phrases.filter((phrase) => phrase.length >= 15 && isCommonAmongKnown(phrase))).toEqual([])
  })
})

describe('whatever the password', () => {
  const OfList = fc.constantFrom(...passwords.filter((password) => /[^\d]/.test(password)))

  test('padding and repetition of a listed one are found', () => {
    const Padding = fc.constantFrom('', '!', '!!!', '123', '98765', 'aaaa', '1987', '7', 'qwerty', '2024!', '12345..')
    fc.assert(
      fc.property(OfList, Padding, Padding, fc.integer({ min: 1, max: 4 }), (password, before, behind, times) => {
        // A listed password that is left out is one with padding of its own, and can be padded no more.
        fc.pre(known.has(password))
        expect(isCommonAmongKnown(before + password + behind), before + password + behind).toBe(true)
        const repeated = password.repeat(times) + behind
        expect(isCommonAmongKnown(repeated.toUpperCase()), repeated).toBe(true)
      }),
    )
  })

  test('there is an answer', () => {
    const Text = fc.string({ unit: 'binary', maxLength: 128 })
    fc.assert(fc.property(Text, (text) => typeof isCommonAmongKnown(text) === 'boolean'))
    const Runs = fc
      .array(fc.constantFrom('a', '1', '!', 'ab', '123', '🙂'), { maxLength: 64 })
      .map((parts) => parts.join(''))
    fc.assert(fc.property(Runs, (text) => typeof isCommonAmongKnown(text) === 'boolean'))
  })
})
