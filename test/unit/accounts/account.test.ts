/** E-mail addresses, as accounts have them. */

import { describe, expect, test } from 'vitest'

import { normalizeEmail } from '../../../src/domain/accounts/account.ts'

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
