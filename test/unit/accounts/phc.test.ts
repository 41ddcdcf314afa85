/** The PHC string format: what is read is written again to the letter, and nothing else is read. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { formatPhc, parsePhc } from '../../../src/domain/accounts/phc.ts'
import { HASHES } from '../../support/accounts.ts'

function bytes(minLength: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength, maxLength: 64 })
}

describe('a PHC string', () => {
  test.each(Object.entries(HASHES))('of the kind %s is written as it was read', (_kind, stored) => {
    const phc = parsePhc(stored)

    expect(phc === null ? null : formatPhc(phc)).toBe(stored)
  })

  test('names the function, its version and costs, the salt and the hash', () => {
    expect(parsePhc('$argon2id$v=19$m=64,t=3,p=4$MDEyMzQ1Njc$AAECAwQFBgcICQoLDA0ODw')).toEqual({
      id: 'argon2id',
      version: '19',
      params: { m: 64, t: 3, p: 4 },
      salt: new TextEncoder().encode('01234567'),
      hash: Uint8Array.from({ length: 16 }, (_, i) => i),
    })
  })

  test('has no version where its function has none', () => {
    expect(parsePhc('$scrypt$ln=4,r=8,p=1$MDEyMzQ1Njc$AAECAwQFBgcICQoLDA0ODw')?.version).toBeUndefined()
  })

  test('is read back, whatever its salt and its hash are', () => {
    const costs = fc.dictionary(
      fc.string({ unit: fc.constantFrom('m', 't', 'ln'), minLength: 1, maxLength: 4 }),
      fc.nat(),
      {
        minKeys: 1,
        maxKeys: 3,
        noNullPrototype: true,
      },
    )
    fc.assert(
      fc.property(
        fc.option(fc.constantFrom('19', '16'), { nil: undefined }),
        costs,
        bytes(8),
        bytes(16),
        (...parts) => {
          const [version, params, salt, hash] = parts
          const fits = Object.values(params).every((cost) => cost < 1_000_000_000)
          const phc = { id: 'argon2id', version, params, salt, hash }
          expect(parsePhc(formatPhc(phc))).toEqual(fits ? phc : null)
        },
      ),
    )
  })

  test.each([
    ['a salt of 7 bytes', new Uint8Array(7), new Uint8Array(16)],
    ['a salt of 65 bytes', new Uint8Array(65), new Uint8Array(16)],
    ['a hash of 15 bytes', new Uint8Array(8), new Uint8Array(15)],
    ['a hash of 65 bytes', new Uint8Array(8), new Uint8Array(65)],
  ])('with %s is none', (_name, salt, hash) => {
    expect(parsePhc(formatPhc({ id: 'scrypt', version: undefined, params: { ln: 4 }, salt, hash }))).toBeNull()
  })
})
