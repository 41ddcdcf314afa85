/** The form of a token, before anything is believed: three parts that hold JSON objects. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { parseToken } from '../../../src/domain/tokens/tokens.ts'
import { TesseraError } from '../../../src/errors.ts'
import { encodePart } from '../../support/forge.ts'
import { refusal, refused } from '../../support/refusals.ts'

/** One part of a token, of these bytes. */
function encodeBytes(...values: number[]): string {
  return encodePart(Uint8Array.from(values))
}

describe('the form', () => {
  const header = encodePart({ alg: 'ES256' })
  const payload = encodePart({ sub: 'x' })

  test.each([
    ['nothing', ''],
    ['a word', 'token'],
    ['an address', 'somebody@example.com'],
    ['two dots alone', '..'],
    ['one part', header],
    ['two parts', `${header}.${payload}`],
    ['four parts', `${header}.${payload}.c2ln.c2ln`],
    ['five parts, an encrypted token', `${header}.a.b.c.d`],
    ['no header', `.${payload}.c2ln`],
    ['no payload', `${header}..c2ln`],
    ['a header that is no JSON', `${encodeBytes(123)}.${payload}.c2ln`],
    ['a payload that is no JSON', `${header}.${encodeBytes(0xff, 0xfe)}.c2ln`],
    ['an array for a header', `${encodePart([])}.${payload}.c2ln`],
    ['null for a header', `${encodePart(null)}.${payload}.c2ln`],
    ['an array for a payload', `${header}.${encodePart(['a'])}.c2ln`],
    ['null for a payload', `${header}.${encodePart(null)}.c2ln`],
    ['a text for a payload', `${header}.${encodePart('text')}.c2ln`],
    ['a number for a payload', `${header}.${encodePart(1)}.c2ln`],
    ['true for a payload', `${header}.${encodePart(true)}.c2ln`],
    ['JSON and something after it', `${header}.${encodeBytes(...Buffer.from('{}x'))}.c2ln`],
    ['JSON after a byte order mark', `${header}.${encodeBytes(0xef, 0xbb, 0xbf, ...Buffer.from('{}'))}.c2ln`],
    ['JSON that is not UTF-8', `${header}.${encodeBytes(...Buffer.from('{"a":"'), 0xff, ...Buffer.from('"}'))}.c2ln`],
    ['padding in the header', `${encodePart({ alg: 'x' })}=.${payload}.c2ln`],
    ['padding in the payload', `${header}.${encodePart({ a: 1 })}=.c2ln`],
    ['padding in the signature', `${header}.${payload}.c2lnbg==`],
    ['base64 with a plus', `${header}.${payload}.a+b=`],
    ['base64 with a slash', `${header}.${payload}.a/bc`],
    ['a space before', ` ${header}.${payload}.c2ln`],
    ['a space after', `${header}.${payload}.c2ln `],
    ['a line break after', `${header}.${payload}.c2ln\n`],
    ['a space in the payload', `${header}.${payload.slice(0, 3)} ${payload.slice(3)}.c2ln`],
    ['a line break in the header', `${header.slice(0, 3)}\n${header.slice(3)}.${payload}.c2ln`],
    ['the scheme in front', `Bearer ${header}.${payload}.c2ln`],
    ['quotes around', `"${header}.${payload}.c2ln"`],
    ['a header of a length that base64 does not have', `${header.slice(0, 4)}A.${payload}.c2ln`],
    ['letters beyond ASCII', `${header}.${payload}.ſ`],
    ['4097 characters', `${header}.${payload}.${'A'.repeat(4095 - header.length - payload.length)}`],
  ])('of %s is refused', async (_name, text) => {
    expect(await refusal(() => parseToken(text))).toEqual(refused('wrong_data_structure', 'form'))
  })

  test.each([
    ['a signature of any kind', `${header}.${payload}.c2ln`],
    ['no signature', `${header}.${payload}.`],
    ['an empty payload', `${header}.${encodePart({})}.c2ln`],
    ['4096 characters', `${header}.${payload}.${'A'.repeat(4094 - header.length - payload.length)}`],
  ])('of %s is a form, and nothing more is said', (_name, text) => {
    const parsed = parseToken(text)
    expect(parsed.text).toBe(text)
    expect(parsed.header).toEqual({ alg: 'ES256' })
  })

  test('keeps members whose names mean something to the language', () => {
    const raw = encodePart(new TextEncoder().encode('{"__proto__":{"token_type":"access"},"constructor":1}'))
    const { payload: members } = parseToken(`${header}.${raw}.c2ln`)
    expect(Object.keys(members)).toEqual(['__proto__', 'constructor'])
    expect(members['token_type']).toBeUndefined()
  })

  test('no text makes it throw anything but wrong_data_structure', () => {
    const base64url = fc.string({ unit: fc.constantFrom('A', 'B', 'a', 'Q', '0', '9', '-', '_'), maxLength: 40 })
    const part = fc.oneof(
      base64url,
      fc.json().map((text) => encodePart(new TextEncoder().encode(text))),
      fc.string(),
    )
    const seen = { parsed: 0, refused: 0 }
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part, { maxLength: 5 }).map((parts) => parts.join('.')),
        ),
        (text) => {
          try {
            expect(parseToken(text).text).toBe(text)
            seen.parsed += 1
          } catch (error) {
            if (!(error instanceof TesseraError)) throw error
            expect([error.code, error.cause]).toEqual(['wrong_data_structure', 'form'])
            seen.refused += 1
          }
        },
      ),
      { numRuns: 1000, examples: [[`${header}.${payload}.c2ln`]] },
    )
    expect(seen.parsed).toBeGreaterThan(0)
    expect(seen.refused).toBeGreaterThan(0)
  })
})
