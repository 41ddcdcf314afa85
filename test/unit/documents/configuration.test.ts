/** docs/configuration.md: every key that can be set, with its default. */

import { expect, test } from 'vitest'

import { parseConfig } from '../../../src/config.ts'
import { LOCATION_POLICIES } from '../../../src/domain/places/place.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { read, table } from '../../support/markdown.ts'

const document = read('docs/configuration.md')

test('has every key of the configuration with its default', () => {
  const defaults = parseConfig({ AUTH_SECRET: TEST_BINDINGS.AUTH_SECRET })
  const words: Readonly<Record<string, string>> = {
    AUTH_SECRET: 'none, required',
    PUBLIC_URL: 'none, required but on this machine',
  }
  const documented = table(document, '| key | default | |').map(([key = '', value = '']) => [
    key.replaceAll('`', ''),
    value,
  ])

  expect(Object.fromEntries(documented)).toEqual(
    Object.fromEntries(
      Object.keys(TEST_BINDINGS).map((key) => {
        const value = defaults[key as keyof typeof defaults]
        const isSet = value !== undefined && !(Array.isArray(value) && value.length === 0)
        return [key, words[key] ?? (isSet ? `\`${JSON.stringify(value).replaceAll('"', '')}\`` : 'none')]
      }),
    ),
  )
})

test('says whom each location policy suits', () => {
  const policies = table(document, '| `LOCATION_POLICY` | the same place is | suits |').map(([name]) => name)
  expect(policies).toEqual(LOCATION_POLICIES.map((policy) => `\`${policy}\``))
})
