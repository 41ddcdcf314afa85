/** Own claims: what an operator may put into access tokens. */

import { assert, jsonValue, property } from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  isExternalId,
  MAX_CLAIMS_BYTES,
  readOwnClaims,
  RESERVED_CLAIMS,
} from '../../../src/domain/operators/own-claims.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text).length

describe('own claims', () => {
  test.each([
    [{}, null],
    [{ a: 1 }, '{"a":1}'],
    [{ a: { b: { c: 'd' } } }, '{"a":{"b":{"c":"d"}}}'],
    [{ a: [[1.5, null, true]] }, '{"a":[[1.5,null,true]]}'],
    [{ 'https://example.com/roles': ['admin'] }, '{"https://example.com/roles":["admin"]}'],
    [{ constructor: 1, toString: 'x' }, '{"constructor":1,"toString":"x"}'],
    [{ Sub: 'another name' }, '{"Sub":"another name"}'],
    [
      { a: { sub: 'further down, where nobody looks for it' } },
      '{"a":{"sub":"further down, where nobody looks for it"}}',
    ],
  ])('%j are kept', (claims, stored) => {
    expect(readOwnClaims(claims)).toEqual({ stored })
  })

  test.each([
    [null, 'must be a JSON object'],
    [[], 'must be a JSON object'],
    ['{}', 'must be a JSON object'],
    [undefined, 'must be a JSON object'],
    [{ a: { b: { c: {} } } }, 'must have at most 3 levels'],
    [{ a: [[[1]]] }, 'must have at most 3 levels'],
    [JSON.parse('{"__proto__": 1}'), 'must not have __proto__, which is reserved'],
    [JSON.parse('{"a": [{"__proto__": {}}]}'), 'must not have __proto__, which is reserved'],
    [{ a: 2 ** 53 }, 'must not have a number that is rounded: write it as a string'],
    [JSON.parse('{"a": 1e999}'), 'must not have a number that is rounded: write it as a string'],
  ])('%j are refused', (claims, refused) => {
    expect(readOwnClaims(claims)).toEqual({ refused })
  })

  test.each(Object.values(RESERVED_CLAIMS).flat())('%s is reserved', (name) => {
    expect(readOwnClaims({ a: 1, [name]: 1 })).toEqual({ refused: `must not have ${name}, which is reserved` })
  })

  test('have 1024 bytes at most, of UTF-8 and not of characters', () => {
    const frame = bytesOf('{"a":""}')
    expect(readOwnClaims({ a: 'x'.repeat(MAX_CLAIMS_BYTES - frame) })).toHaveProperty('stored')
    expect(readOwnClaims({ a: 'x'.repeat(MAX_CLAIMS_BYTES - frame + 1) })).toHaveProperty('refused')
    expect(readOwnClaims({ a: 'é'.repeat((MAX_CLAIMS_BYTES - frame) / 2) })).toHaveProperty('stored')
    expect(readOwnClaims({ a: 'é'.repeat((MAX_CLAIMS_BYTES - frame) / 2 + 1) })).toHaveProperty('refused')
  })

  test('whatever they are, are read back as they were given, or refused', () => {
    assert(
      property(jsonValue(), (value) => {
        const read = readOwnClaims(value)
        if ('refused' in read) return
        expect(JSON.parse(read.stored ?? '{}')).toEqual(JSON.parse(JSON.stringify(value)))
        expect(bytesOf(read.stored ?? '')).toBeLessThanOrEqual(MAX_CLAIMS_BYTES)
      }),
    )
  })
})

test.each([
  ['crm-4711', true],
  ['日本 🂡', true],
  ['x'.repeat(128), true],
  ['🂡'.repeat(128), true],
  ['', false],
  ['x'.repeat(129), false],
  ['a\u0000b', false],
  ['a\nb', false],
  ['\ud800', false],
])('%j may be an external id: %s', (text, may) => {
  expect(isExternalId(text)).toBe(may)
})
