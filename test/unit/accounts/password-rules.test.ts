/** The rules for a new password: which is broken, in which order, and what a caller is told. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  brokenRule,
  type PasswordRule,
  type PasswordRulesDeps,
  requireGoodPassword,
} from '../../../src/domain/accounts/password-rules.ts'
import type { Settings } from '../../../src/domain/settings.ts'
import { TesseraError } from '../../../src/errors.ts'
import type { LogEvent } from '../../../src/log.ts'
import { DEFAULT_SETTINGS } from '../../support/fakes.ts'

const EMAIL = 'jane.doe@example.com'
const GOOD = 'tarmac-owl-vivid'

interface Changes extends Partial<Omit<PasswordRulesDeps, 'settings'>> {
  readonly settings?: Partial<Settings>
}

/** Rules that ask nobody but whom a test gives them, and what they asked and logged. */
function rules({ settings, ...changes }: Changes = {}) {
  const asked: (readonly ['common' | 'leaked', string])[] = []
  const logged: LogEvent[] = []
  const answers = { isCommonPassword: async () => false, isLeakedPassword: async () => false, ...changes }
  const deps: PasswordRulesDeps = {
    settings: { ...DEFAULT_SETTINGS, ...settings },
    log: (event) => logged.push(event),
    isCommonPassword(password) {
      asked.push(['common', password])
      return answers.isCommonPassword(password)
    },
    isLeakedPassword(password) {
      asked.push(['leaked', password])
      return answers.isLeakedPassword(password)
    },
  }
  return { deps, asked, logged }
}

const broken = (password: string, email = EMAIL, settings: Partial<Settings> = {}): Promise<PasswordRule | null> =>
  brokenRule(rules({ settings }).deps, { password, email })

describe('the length', () => {
  test.each([
    ['', 'too_short'],
    ['fourteen chars', 'too_short'],
    ['fifteen chars..', null],
    ['x'.repeat(128), null],
    ['x'.repeat(129), 'too_long'],
    // Nothing is trimmed.
    [`  ${'x'.repeat(12)} `, null],
    [`${' '.repeat(64)}${'x'.repeat(65)}`, 'too_long'],
    // Code points count, not UTF-16 units.
    ['🦉'.repeat(14), 'too_short'],
    ['🦉'.repeat(15), null],
    ['🦉'.repeat(128), null],
    ['🦉'.repeat(129), 'too_long'],
    // NFC comes first: e with its accent is one.
    ['e\u0301'.repeat(14), 'too_short'],
    ['e\u0301'.repeat(15), null],
    ['e\u0301'.repeat(128), null],
    // NFC can be the longer form.
    ['\u0958'.repeat(64), null],
    ['\u0958'.repeat(65), 'too_long'],
    // More than NFC is asked to look at.
    ['e\u0301'.repeat(513), 'too_long'],
  ] as const)('of %j: %s', async (password, rule) => {
    expect(await broken(password)).toBe(rule)
  })

  test.each([8, 15, 64])('has to be %i where that is the setting', async (passwordMinLength) => {
    expect(await broken('x'.repeat(passwordMinLength - 1), EMAIL, { passwordMinLength })).toBe('too_short')
    expect(await broken('x'.repeat(passwordMinLength), EMAIL, { passwordMinLength })).toBe(null)
  })

  test('is bounded before NFC, which never sees a longer text', async () => {
    const text = Object.assign(new String('x'.repeat(1025)), {
      normalize: () => {
        throw new Error('normalized')
      },
    })
    expect(await broken(text as unknown as string)).toBe('too_long')
  })
})

describe('made of the own address is', () => {
  test.each([
    ['jane.doe@example.com', EMAIL],
    ['Jane.Doe@Example.COM', EMAIL],
    ['janedoejanedoejanedoe', EMAIL],
    ['jane.doe.jane.doe', EMAIL],
    ['JaneDoe20242024', EMAIL],
    ['2024-2024-janedoe', EMAIL],
    ['doejane48201957', EMAIL],
    ['examplecomexample', EMAIL],
    ['example.com12345', EMAIL],
    ['jane_example_2024', EMAIL],
    ['jane4 8201-957doe', EMAIL],
    ['!!!jane!!!!!!!!!!', EMAIL],
    ['2024.j@example.com', 'j@example.com'],
    ['smithsmithsmith', 'j.smith@example.com'],
    ['jsmith123456789', 'j.smith@example.com'],
    ['j.smith.20242024', 'j.smith@example.com'],
    ['mailmailmailmail', 'jane@mail.example.co.uk'],
    ['mail.example.co.uk', 'jane@mail.example.co.uk'],
    ['xray2024xray2024', 'jane@x-ray.example'],
    ['x-ray.2024.x-ray', 'jane@x-ray.example'],
    // Digits of an address, such as a telephone number, are digits of its own.
    ['7916123456779161234567', '79161234567@example.com'],
    ['john1987john1987', 'john1987@example.com'],
    ['жанна-2024-жанна', 'жанна@пример.рф'],
    ['Ж\u0410ННАЖАННАЖАННА', 'жанна@пример.рф'],
    // The address may come in another form than accounts have.
    ['jane.doe@example.com', '  JANE.DOE@example.com '],
    ['re\u0301mi re\u0301mi re\u0301mi 1', 'r\u00e9mi@example.com'],
  ])('%j of %s', async (password, email) => {
    expect(await broken(password, email)).toBe('own_address')
  })
})

describe('not made of the own address is', () => {
  test.each([
    ['jane likes long words', EMAIL],
    ['janet.doe.example', EMAIL],
    ['xjane.doe@example.com', EMAIL],
    ['j4ne20242024doe', EMAIL],
    // Nothing of it but digits and signs.
    ['48201957!48201957', EMAIL],
    ['482019574820195', '4820@example.com'],
    ['482019574820195', '48201@example.com'],
    // Parts that are too short to be anybody's idea.
    ['48201957x4820195', 'x@example.com'],
    ['48201957ab482019', 'ab@example.com'],
    // Letters that take two UTF-16 units are letters.
    ['jane𠀀𠀁𠀂𠀃𠀄𠀅𠀆𠀇𠀈𠀉𠀊', EMAIL],
    ['somebody elses@example.com', EMAIL],
    ['no address here', ''],
    ['no address here', '@'],
  ])('%j of %s', async (password, email) => {
    expect(await broken(password, email)).toBe(null)
  })

  const settings = { passwordMinLength: 8 }
  const Word = fc.string({ unit: fc.constantFrom(...Array.from('abcdefgh')), minLength: 3, maxLength: 9 })
  const Around = fc.string({ unit: fc.constantFrom(...Array.from('0123456789!. -_')), minLength: 5, maxLength: 9 })

  test('a password with a letter of its own, and every other is', async () => {
    await fc.assert(
      fc.asyncProperty(Word, Word, Around, Around, async (local, domain, before, behind) => {
        const email = `${local}@${domain}.org`
        for (const part of [email, local, domain, local + domain, `${domain}.org`]) {
          expect(await broken((before + part + behind).toUpperCase(), email, settings)).toBe('own_address')
          expect(await broken(`${before}${part}z${behind}`, email, settings)).toBe(null)
        }
      }),
    )
  })
})

describe('the names of a deployment', () => {
  const app = { ...DEFAULT_SETTINGS.app, name: 'Harbour & Söhne' }
  const settings = { app, publicUrl: 'https://login.quay.example' }

  test.each([
    ['Harbour Harbour 1'],
    ['harbour & so\u0308hne'],
    ['harboursöhne2026'],
    ['login.quay.example'],
    ['quayquayquayquay!'],
    ['harbour-jane-2026'],
  ])('made of the names of a deployment is %j', async (password) => {
    expect(await broken(password, EMAIL, settings)).toBe('service_name')
    expect(await broken(password)).toBe(null)
  })

  test.each([['a harbour at night'], ['20262026 2026202'], ['quay and harbours']])('and not %j', async (password) => {
    expect(await broken(password, EMAIL, settings)).toBe(null)
  })

  test('need no address of the deployment', async () => {
    expect(await broken('Tessera Tessera 1', EMAIL, { publicUrl: undefined })).toBe('service_name')
  })
})

describe('the lists', () => {
  test('are asked for the password in NFC, as it was typed otherwise', async () => {
    const { deps, asked } = rules({ settings: { passwordCheck: 'hibp' } })
    expect(await brokenRule(deps, { password: ' Cafe\u0301 Am Grünen Tor ', email: EMAIL })).toBe(null)
    expect(asked).toEqual([
      ['common', ' Caf\u00e9 Am Grünen Tor '],
      ['leaked', ' Caf\u00e9 Am Grünen Tor '],
    ])
  })

  test('refuse what is common, and what is leaked', async () => {
    const common = rules({ isCommonPassword: async () => true, settings: { passwordCheck: 'hibp' } })
    expect(await brokenRule(common.deps, { password: GOOD, email: EMAIL })).toBe('common')
    expect(common.asked).toEqual([['common', GOOD]])
    const leaked = rules({ isLeakedPassword: async () => true, settings: { passwordCheck: 'hibp' } })
    expect(await brokenRule(leaked.deps, { password: GOOD, email: EMAIL })).toBe('leaked')
  })

  test('are not asked about what breaks a rule without them', async () => {
    const { deps, asked } = rules({ settings: { passwordCheck: 'hibp' } })
    for (const password of ['too short', 'x'.repeat(129), EMAIL]) {
      expect(await brokenRule(deps, { password, email: EMAIL })).not.toBe(null)
    }
    expect(asked).toEqual([])
  })

  test('are not asked outside of this deployment unless that was chosen', async () => {
    const { deps, asked } = rules({ isLeakedPassword: async () => true })
    expect(await brokenRule(deps, { password: GOOD, email: EMAIL })).toBe(null)
    expect(asked).toEqual([['common', GOOD]])
  })

  test('let a password in where nobody can tell whether it is leaked, and log that without it', async () => {
    const { deps, logged } = rules({
      isLeakedPassword: () => Promise.reject(new Error('no answer')),
      settings: { passwordCheck: 'hibp' },
    })
    expect(await brokenRule(deps, { password: GOOD, email: EMAIL })).toBe(null)
    expect(logged).toEqual([{ event: 'password_check_failed', error: 'Error: no answer' }])
  })

  test('of common passwords are our own: without them no password is taken', async () => {
    const { deps } = rules({ isCommonPassword: () => Promise.reject(new Error('no list')) })
    await expect(brokenRule(deps, { password: GOOD, email: EMAIL })).rejects.toThrow('no list')
  })
})

describe('what a caller is told', () => {
  const hibp = { passwordCheck: 'hibp' } as const

  test.each([
    ['too_short', 'password', 'short', 'must have at least 15 characters', {}],
    ['too_short', 'new_password', 'short', 'must have at least 20 characters', { settings: { passwordMinLength: 20 } }],
    ['too_long', 'password', 'x'.repeat(129), 'must have at most 128 characters', {}],
    ['own_address', 'new_password', 'janedoejanedoejanedoe', 'is made of your own address', {}],
    ['service_name', 'password', 'tessera & tessera', 'is made of the name of this service', {}],
    [
      'common',
      'password',
      GOOD,
      'is among the most used passwords, or close to one of them',
      { isCommonPassword: async () => true },
    ],
    [
      'leaked',
      'new_password',
      GOOD,
      'is known from leaks of other sites',
      { isLeakedPassword: async () => true, settings: hibp },
    ],
  ] as const)(
    'of %s names %s and the rule: %j %s, and the log the rule alone',
    async (rule, field, password, words, changes) => {
      const { deps } = rules(changes)
      const error = await requireGoodPassword(deps, { password, email: EMAIL }, field).catch(
        (thrown: unknown) => thrown,
      )
      expect(error).toBeInstanceOf(TesseraError)
      const { code, status, message, fields, cause } = error as TesseraError
      expect({ code, status, message, fields, cause }).toEqual({
        code: 'password_not_accepted',
        status: 400,
        message: 'Password is not accepted',
        fields: { [field]: [words] },
        cause: rule,
      })
    },
  )

  test('is nothing about a good one', async () => {
    await expect(
      requireGoodPassword(rules().deps, { password: GOOD, email: EMAIL }, 'password'),
    ).resolves.toBeUndefined()
  })
})
