/** E-mail addresses and groups, as accounts have them. */

import { describe, expect, test } from 'vitest'

import { DEFAULT_GROUP, isGroup, normalizeEmail } from '../../../src/domain/accounts/account.ts'

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

describe('a group', () => {
  test.each([
    DEFAULT_GROUP,
    'x',
    'x'.repeat(32),
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f467} family',
    '\u{1f510}'.repeat(32),
    '\u0411\u0443\u0445\u0433\u0430\u043b\u0442\u0435\u0440\u0438\u044f',
    ` "it's", <b>&amp; {} \\ `,
    'null',
  ])('may be %j', (text) => {
    expect(isGroup(text)).toBe(true)
  })

  test.each([
    '',
    'x'.repeat(33),
    '\u{1f510}'.repeat(33),
    'a\nb',
    'a\n',
    '\0',
    'a\tb',
    '\u007f',
    '\u0085',
    '\ud83d',
    'a\udd10',
  ])('is not %j', (text) => {
    expect(isGroup(text)).toBe(false)
  })
})
