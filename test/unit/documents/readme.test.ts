/** The README: short enough to be read, with what somebody has to know before they choose Tessera. */

import { expect, test } from 'vitest'

import { parseConfig } from '../../../src/config.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { DOCUMENTS, read } from '../../support/markdown.ts'

const MAX_LINES = 130

const readme = read('README.md')

test('has at most 130 lines', () => {
  expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_LINES)
})

test('says before anything else what the defaults cost, and what is missing', () => {
  const top = readme.slice(0, readme.indexOf('\n## '))
  const { REFRESH_REUSE_SECONDS, LOCATION_POLICY } = parseConfig({ AUTH_SECRET: TEST_BINDINGS.AUTH_SECRET })

  expect([REFRESH_REUSE_SECONDS, LOCATION_POLICY]).toEqual([0, 'address'])
  for (const words of [
    'two tabs',
    'phone',
    '`REFRESH_REUSE_SECONDS=10`',
    '`LOCATION_POLICY=address`',
    '`country` suits',
    'Nobody can register unless you say so',
  ]) {
    expect(top).toContain(words)
  }
})

test('leads to every other document that is written for people', () => {
  const others = DOCUMENTS.filter((path) => path !== 'README.md' && !path.startsWith('.github/'))
  expect(others.length).toBeGreaterThan(10)
  expect(others.filter((path) => !readme.includes(`](${path})`))).toEqual([])
})
