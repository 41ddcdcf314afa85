/** What a `Cookie` header holds under one name: every value of it, whatever else is in the header. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { cookieValues } from '../../src/http/request/cookies.ts'

function quote(cookie: { readonly value: string; readonly quoted: boolean }): string {
  return cookie.quoted ? `"${cookie.value}"` : cookie.value
}

describe('the values of a cookie', () => {
  test.each([
    ['', []],
    ['access_token=a', ['a']],
    ['theme=dark; access_token=a; lang=en', ['a']],
    ['access_token=a;lang=en', ['a']],
    ['lang=en;access_token=a', ['a']],
    ['  access_token=a  ;  lang=en  ', ['a']],
    ['access_token="a"', ['a']],
    ['access_token=a=b==', ['a=b==']],
    // all of them, in their order
    ['access_token=a; access_token=b', ['a', 'b']],
    ['access_token=a; lang=en; access_token=a', ['a', 'a']],
    // an empty one is none
    ['access_token=', []],
    ['access_token=""', []],
    ['access_token= ; access_token=a', ['a']],
    // other names
    ['Access_Token=a', []],
    ['xaccess_token=a', []],
    ['access_token2=a', []],
    ['__Host-access_token=a', []],
    ['access_token', []],
    ['theme=access_token=a', []],
    ['=access_token=a', []],
    // as it came: nothing is decoded
    ['access_token=a%20b', ['a%20b']],
    ['access_token="a', ['"a']],
    ['access_token="', ['"']],
    ['access_token=""a""', ['"a"']],
    ['access_token=a,b', ['a,b']],
  ])('in %j are %j', (header, values) => {
    expect(cookieValues(header, 'access_token')).toEqual(values)
  })

  // RFC 6265 section 4.1.1: a token, and octets without blanks, quotes, commas, semicolons and backslashes.
  const NAMES = ['access_token', 'refresh_token', 'access', 'access_token_', 'x-access_token', 'ACCESS_TOKEN', 'a']
  const name = fc.constantFrom(...NAMES)
  const value = fc
    .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: 40 })
    .map((codes) => String.fromCharCode(...codes))
    .filter((text) => !/["\\,;]/.test(text))
  const pairs = fc.array(fc.record({ name, value, quoted: fc.boolean() }), { maxLength: 8 })
  const separator = fc.constantFrom('; ', ';', ' ;  ')

  test('are what was serialised, all of it, in its order', () => {
    fc.assert(
      fc.property(pairs, separator, (cookies, between) => {
        const header = cookies.map((cookie) => `${cookie.name}=${quote(cookie)}`).join(between)
        for (const wanted of NAMES) {
          const expected = cookies.filter((cookie) => cookie.name === wanted).map((cookie) => cookie.value)
          expect(cookieValues(header, wanted)).toEqual(expected)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('are texts without blanks around, whatever the header is: it never throws', () => {
    const near = fc.string({ unit: fc.constantFrom('access_token', '=', ';', ' ', '"', 'a', '\t', '\0', 'é', '%') })
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ unit: 'binary-ascii' })), name, (header, wanted) => {
        for (const found of cookieValues(header, wanted)) {
          expect(found).not.toBe('')
          expect(found).not.toContain(';')
          expect(header).toContain(found)
        }
      }),
      { numRuns: 500 },
    )
  })
})
