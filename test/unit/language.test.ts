/** Which language a browser asks for. */

import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { LANGUAGES } from '../../src/domain/language.ts'
import { preferredLanguage } from '../../src/http/request/language.ts'

test.each([
  ['', null],
  ['ru', 'ru'],
  ['RU', 'ru'],
  ['ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7', 'ru'],
  ['en-US,en;q=0.9,ru;q=0.8', 'en'],
  ['en;q=0.5, ru;q=0.8', 'ru'],
  ['en;q=0.5, ru ; q=0.501', 'ru'],
  // Of two that are wanted as much, the first.
  ['ru, en', 'ru'],
  ['en, ru', 'en'],
  ['de-DE, de;q=0.9, ru;q=0.2', 'ru'],
  ['uk, ru;q=0.8, en;q=0.1', 'ru'],
  ['de, fr', null],
  ['*', null],
  ['ru;q=0, *', null],
  ['ru;q=0', null],
  ['en;q=0, ru;q=0.1', 'ru'],
  // What is no range is passed over, and its neighbours count.
  ['ru;q=2, en;q=0.1', 'en'],
  ['ru;q=0.1234', null],
  ['ru;q=-1', null],
  ['ru_RU, en;q=0.1', 'en'],
  [';;, ,ru', 'ru'],
  ['russian', null],
  [`${'de,'.repeat(32)}ru`, null],
  ['x'.repeat(10_000), null],
])('of %j is %s', (header, language) => {
  expect(preferredLanguage(header)).toBe(language)
})

test('is one that there are words in, whatever is sent', () => {
  const part = fc.constantFrom('ru', 'en', '*', ';q=', '0.5', ',', ' ', '-', 'RU', '1')
  const header = fc.oneof(
    fc.string(),
    fc.array(part).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(header, (text) => {
      expect([null, ...LANGUAGES]).toContain(preferredLanguage(text))
    }),
  )
})
