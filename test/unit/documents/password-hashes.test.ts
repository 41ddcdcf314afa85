/** docs/password-hashes.md: its tables name the functions, bounds and refusals that there are. */

import { describe, expect, test } from 'vitest'

import { readForeignHash } from '../../../src/domain/accounts/foreign-hash.ts'
import { parsePhc } from '../../../src/domain/accounts/phc.ts'
import { FOREIGN_HASHES, TOO_STRONG_HASHES } from '../../support/foreign-hashes.ts'
import { read, table } from '../../support/markdown.ts'
import { SALT } from '../../support/passwords.ts'

const document = read('docs/password-hashes.md')

/** What stands between backticks. */
function codesIn(cell = ''): readonly string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)
}

/** The name of the function of what is stored for a hash. */
function functionOf(hash: string): string {
  const taken = readForeignHash(hash)
  return 'stored' in taken ? (parsePhc(taken.stored)?.id ?? '') : taken.reason
}

const forms = table(document, '| from | form | stored as |')
const bounds = table(document, '| function | most that is taken | CPU of that | CPU of what is usual |')
const functions = new Set(FOREIGN_HASHES.map(({ hash }) => functionOf(hash)))

test('every function is in the table of forms, and in that of bounds', () => {
  expect(new Set(forms.flatMap(([, , stored]) => codesIn(stored)))).toEqual(functions)
  expect(new Set(bounds.flatMap(([name]) => codesIn(name)))).toEqual(functions)
})

test('every form that a row of the table shows is one that is read', () => {
  for (const [from = '', form = '', stored = ''] of forms.slice(0, -1)) {
    const beginnings = codesIn(form)
      .map((code) => /^(\$[a-z0-9-]+\$|[a-z0-9_]+\$|[a-z]+:)/.exec(code)?.[1])
      .filter((beginning) => beginning !== undefined && !beginning.startsWith('salt'))
    for (const beginning of beginnings) {
      const found = FOREIGN_HASHES.find(({ hash }) => hash.startsWith(beginning ?? ''))
      expect(codesIn(stored), `${from}: ${beginning}`).toContain(functionOf(found?.hash ?? ''))
    }
  }
})

describe('what one check may cost', () => {
  test.each(bounds.map(([name = '', most = '']) => [codesIn(name)[0] ?? '', codesIn(most)[0] ?? '']))(
    'is for %s at most %s',
    (id, most) => {
      const hashBytes = id === 'pbkdf2-sha1' ? 20 : id.startsWith('bcrypt') ? 23 : 32
      const hash = btoa('x'.repeat(hashBytes)).replaceAll('=', '')
      const version = id.startsWith('argon2') ? '$v=19' : ''
      expect(readForeignHash(`$${id}${version}$${most}$${SALT}$${hash}`)).toHaveProperty('stored')
      // The first parameter is the memory of Argon2 and scrypt, and all that there is of the others.
      const more = most.replace(/\d+/, (number) => String(Number(number) + 1))
      expect(readForeignHash(`$${id}${version}$${more}$${SALT}$${hash}`)).toHaveProperty('reason', 'too_costly')
    },
  )
})

test('a refusal has the reasons and the texts of its table', () => {
  const refused = ['', '$2b$', TOO_STRONG_HASHES[0]?.hash ?? ''].map(readForeignHash)
  const rows = table(document, '| reason | text | what it means |').map(([reason, text]) => [codesIn(reason)[0], text])
  expect(refused.map((one) => ('refused' in one ? [one.reason, one.refused] : one))).toEqual(rows)
})
