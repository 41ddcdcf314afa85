/** What `npm start` says of a configuration before the Worker meets it. */

import { describe, expect, test } from 'vitest'

import { findProblem, findStrangers } from '../../../scripts/configuration-problems.ts'
import { valueOf, valuesOf } from '../../../scripts/dev-options.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'

const { AUTH_SECRET } = TEST_BINDINGS

describe('a configuration', () => {
  test('that can be used is no problem, and a later source goes before an earlier one', () => {
    expect(
      findProblem({
        'wrangler.toml': { LOCATION_POLICY: 'mars' },
        '.dev.vars': { AUTH_SECRET, LOCATION_POLICY: 'off' },
      }),
    ).toBe(undefined)
  })

  test('that cannot be used is one line, with the key and the source that counts, and without its value', () => {
    expect(
      findProblem({
        'wrangler.toml': { REFRESH_REUSE_SECONDS: '0' },
        '.dev.vars': { AUTH_SECRET, REFRESH_REUSE_SECONDS: '90' },
      }),
    ).toBe('Configuration: REFRESH_REUSE_SECONDS must be at most 60 (set in .dev.vars)')
    expect(findProblem({ '.dev.vars': { AUTH_SECRET: 'hunter2' }, '--var': { AUDIENCE: '' } })).toMatch(
      /^Configuration: AUTH_SECRET needs at least 43 characters[^\n]*\(set in \.dev\.vars\)$/,
    )
  })

  test.each([[{}], [{ AUTH_SECRET: '' }]])('without a secret says how to get one: %j', (values) => {
    expect(findProblem({ '.dev.vars': values })).toBe(
      'Configuration: AUTH_SECRET is missing in .dev.vars. Delete that file, and npm start writes a new one.',
    )
  })
})

describe('a key that is not known', () => {
  test.each([
    ['LOCATION_POLICI', ': did you mean LOCATION_POLICY?'],
    ['MAIL_FORM', ': did you mean MAIL_FROM?'],
    ['auth_secret', ': did you mean AUTH_SECRET?'],
    ['AUTHSECRET', ': did you mean AUTH_SECRET?'],
    ['SOMETHING_ELSE', '.'],
    ['X', '.'],
  ])('is pointed out, with the nearest one where there is one: %s', (key, hint) => {
    expect(findStrangers({ '.dev.vars': { AUTH_SECRET, [key]: '1' } })).toEqual([
      `${key} in .dev.vars is no key of the configuration${hint}`,
    ])
  })

  test('is none of those that there are', () => {
    expect(findStrangers({ '.dev.vars': TEST_BINDINGS })).toEqual([])
  })
})

test('options are found as wrangler reads them', () => {
  const args = ['--port', '8799', '--var', 'A:1', 'B:x=y', '--ip=0.0.0.0', '--var=C:3', '-e', 'x', '--var']
  expect(valuesOf(args, '--var')).toEqual(['A:1', 'B:x=y', 'C:3'])
  expect([
    valueOf(args, '--port'),
    valueOf(args, '--ip'),
    valueOf(args, '--env', '-e'),
    valueOf(args, '--name'),
  ]).toEqual(['8799', '0.0.0.0', 'x', undefined])
})
