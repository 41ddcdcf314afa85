/** What requests about accounts may carry. */

import { expect, test } from 'vitest'

import { ChangePasswordRequest, EmailRequest, RegisterRequest } from '../../../src/http/request/account-contract.ts'

function takes(primary_email: string): readonly boolean[] {
  return [
    RegisterRequest.safeParse({ primary_email, password: 'x' }).success,
    EmailRequest.safeParse({ primary_email }).success,
  ]
}

test.each([
  ['an address', 'jane.doe@example.com', [true, true]],
  ['one in capitals, with blanks around it', ' Jane.Doe@Example.COM ', [true, true]],
  // Whoever has it from an import may ask for a new password, too.
  ['an odd one', '"jane doe"@localhost', [false, true]],
  [
    'one of 254 characters',
    `${'a'.repeat(64)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.example`.slice(0, 254),
    [true, true],
  ],
  ['one of 255 characters', `${' '.repeat(255 - 15)}jane@example.de`, [false, false]],
  ['nothing', '', [false, false]],
] as const)(
  'an address is judged where it is to be an account\u2019s, and only measured where one is looked for: %s',
  (_what, email, expected) => {
    expect(takes(email)).toEqual(expected)
  },
)

test.each([
  [0, false],
  [1, true],
  [1024, true],
  [1025, false],
])(
  'a password that is known has a bound, long before it is hashed: %i characters are taken: %s',
  (length, expected) => {
    const request = { current_password: 'x'.repeat(length), new_password: '' }
    expect(ChangePasswordRequest.safeParse(request).success).toBe(expected)
  },
)
