/** Where a browser may be sent on to, against every way that is known to smuggle another host past such a check. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { readReturnAddress } from '../../src/domain/return-address.ts'

const ORIGIN = 'https://auth.example.com'
const RULES = {
  origin: ORIGIN,
  returnOrigins: ['https://app.example.com', 'http://localhost:3000', 'https://xn--bcher-kva.example'],
}

describe('a return address', () => {
  test.each([
    ['/', '/'],
    ['/inbox', '/inbox'],
    ['/inbox?page=2&q=%20a+b#top', '/inbox?page=2&q=%20a+b#top'],
    ['/?next=//evil.com', '/?next=//evil.com'],
    ['/?next=https://evil.com\\', '/?next=https://evil.com\\'],
    ['/a//b', '/a//b'],
    ['/a/../b', '/b'],
    ['/@evil.com', '/@evil.com'],
    ['/:80/x', '/:80/x'],
    ['/https://evil.com', '/https://evil.com'],
    ['/bücher', '/b%C3%BCcher'],
    // An encoded slash is no slash to any browser.
    ['/%2f/evil.com', '/%2f/evil.com'],
    ['/%2Fevil.com', '/%2Fevil.com'],
    ['/%5cevil.com', '/%5cevil.com'],
    ['/%09/evil.com', '/%09/evil.com'],
    ['https://auth.example.com', 'https://auth.example.com/'],
    ['https://auth.example.com//evil.com', 'https://auth.example.com//evil.com'],
    ['https://app.example.com', 'https://app.example.com/'],
    ['https://app.example.com?a=b', 'https://app.example.com/?a=b'],
    ['https://app.example.com#a', 'https://app.example.com/#a'],
    ['https://app.example.com/a/./b/../c?d=e#f', 'https://app.example.com/a/c?d=e#f'],
    ['https://app.example.com/@evil.com', 'https://app.example.com/@evil.com'],
    ['https://app.example.com/\\evil.com', 'https://app.example.com//evil.com'],
    ['http://localhost:3000/a', 'http://localhost:3000/a'],
    ['https://xn--bcher-kva.example/', 'https://xn--bcher-kva.example/'],
  ])('%j leads to %j', (text, address) => {
    expect(readReturnAddress(text, RULES)).toBe(address)
  })

  test.each([
    '',
    ' ',
    'inbox',
    '.',
    './inbox',
    '../inbox',
    '?a=b',
    '#a',
    'evil.com',
    // Another host after two slashes, however they are written.
    '//evil.com',
    '///evil.com',
    '////evil.com',
    '//auth.example.com',
    '//app.example.com/',
    '\\evil.com',
    '\\\\evil.com',
    '/\\evil.com',
    '\\/evil.com',
    '/\\/evil.com',
    '/\\\\evil.com',
    '/\t/evil.com',
    '/\n/evil.com',
    '/\r/evil.com',
    '/\r\n/evil.com',
    '\t//evil.com',
    ' //evil.com',
    '/ /evil.com',
    '/\u0000/evil.com',
    // The dots go, and two slashes stay.
    '/.//evil.com',
    '/..//evil.com',
    '/./\\evil.com',
    '/.\\/evil.com',
    '/a/..//evil.com',
    '/a/../..//evil.com',
    '/%2e//evil.com',
    '/%2E%2e//evil.com',
    // A scheme without its slashes, or with others.
    'https:evil.com',
    'https:/evil.com',
    'https:///evil.com',
    'https:\\\\evil.com',
    'https:app.example.com',
    'https:/app.example.com/',
    'https:///app.example.com/',
    'https:\\\\app.example.com\\',
    'https:/inbox',
    'https:inbox',
    'https:',
    'https://',
    // Other hosts, and what looks like one of ours.
    'https://evil.com',
    'https://evil.com/https://app.example.com/',
    'https://evil.com?https://app.example.com/',
    'https://evil.com#https://app.example.com/',
    'https://app.example.com.evil.com',
    'https://app.example.comevil.com',
    'https://app.example.com@evil.com',
    'https://app.example.com:x@evil.com/',
    'https://app.example.com%2f@evil.com/',
    'https://app.example.com%2eevil.com/',
    'https://app.example.com\\@evil.com',
    'https://app.example.com\\',
    'https://app.example.com&@evil.com#@app.example.com/',
    'https://evilapp.example.com',
    'https://evil.app.example.com',
    'https://example.com',
    'https://app.example',
    'https://auth.example.com.evil.com/',
    'https://auth.example.com@evil.com/',
    // Ours, and somebody's name and password.
    'https://user:pw@app.example.com/',
    'https://user@app.example.com/',
    'https://@app.example.com/',
    'https://:@app.example.com/',
    'https://evil.com@app.example.com/',
    // Ours, written as no browser writes it, or not quite ours.
    'https://app.example.com.',
    'https://app.example.com./',
    'https://app.example.com../',
    'https://APP.example.com/',
    'HTTPS://app.example.com/',
    'https://app.example.com:443/',
    'https://app.example.com:444/',
    'https://app.example.com:/',
    'https://app.example.com:80/',
    'http://app.example.com/',
    'http://auth.example.com/',
    'http://localhost/',
    'http://localhost:30000/',
    'http://127.0.0.1:3000/',
    'https://localhost:3000/',
    // Names that a browser writes in another way, and letters of other alphabets.
    'https://bücher.example/',
    'https://аpp.example.com/',
    'https://ａpp.example.com/',
    'https://app。example.com/',
    'https://app\u00adexample.com/',
    'https://app\u200b.example.com/',
    'https://app.example.com\u2215evil.com/',
    'https://app.example.com\uff0fevil.com/',
    'https://ⓐpp.example.com/',
    // White space in it, and around it.
    'ht\ntps://app.example.com/',
    'https:\t//app.example.com/',
    'https://app.exam\tple.com/',
    'https://app.example.com/\n',
    'https://app.example.com/\r\nSet-Cookie: a=b',
    'https://app.example.com/a b',
    ' https://app.example.com/',
    'https://app.example.com/ ',
    '/inbox ',
    ' /inbox',
    '\u0001/inbox',
    '/inbox\u007f',
    '\u00a0/inbox',
    '\ufeff/inbox',
    // Encoded once more.
    '%2f%2fevil.com',
    '%2finbox',
    '%2F',
    'https%3a%2f%2fapp.example.com',
    'https://%61pp.example.com/',
    // Other schemes, some of which have the origin of the address inside them.
    'javascript:alert(1)',
    'javascript://app.example.com/%0aalert(1)',
    'JaVaScRiPt:alert(1)',
    'java\tscript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'blob:https://app.example.com/0d6a4b1e-8f5c-4a7e-9b3d-2c1f0e9d8a7b',
    'filesystem:https://app.example.com/temporary/x',
    'view-source:https://app.example.com/',
    'about:blank',
    'file:///etc/passwd',
    'ftp://app.example.com/',
    'ws://app.example.com/',
    'wss://app.example.com/',
    'mailto:a@app.example.com',
    'intent://app.example.com/#Intent;scheme=https;end',
    'null',
    'undefined',
  ])('%j leads nowhere', (text) => {
    expect(readReturnAddress(text, RULES)).toBeNull()
  })

  test.each([
    [`/${'a'.repeat(2047)}`, 2048],
    [`/${'a'.repeat(2048)}`, null],
    [`https://app.example.com/${'a'.repeat(2024)}`, 2048],
    [`https://app.example.com/${'a'.repeat(2025)}`, null],
    // Encoded, each of these letters has six characters.
    [`/${'ü'.repeat(341)}`, 2047],
    [`/${'ü'.repeat(342)}`, null],
    // Read, it would be short.
    [`/${'a/../'.repeat(410)}`, null],
  ])('has at most 2,048 characters, before and after it was read: case %#', (text, length) => {
    expect(readReturnAddress(text, RULES)?.length ?? null).toBe(length)
  })

  test('of another origin leads nowhere where none is listed', () => {
    const rules = { origin: ORIGIN, returnOrigins: [] }
    expect(readReturnAddress('https://app.example.com/', rules)).toBeNull()
    expect(readReturnAddress('https://auth.example.com/a', rules)).toBe('https://auth.example.com/a')
    expect(readReturnAddress('/a', rules)).toBe('/a')
  })

  test.each(['*', 'null', 'https://', 'https://APP.example.com', 'https://app.example.com:443', 'javascript:'])(
    'is not found by an entry that is no origin: %j',
    (entry) => {
      const rules = { origin: ORIGIN, returnOrigins: [entry] }
      for (const text of [`${entry}/x`, entry, 'https://app.example.com/', 'https://evil.com/', '//evil.com']) {
        expect(readReturnAddress(text, rules)).toBeNull()
      }
    },
  )
})

describe('whatever is taken', () => {
  /** Pieces of addresses and of tricks, in any order: nearly every text that is worth trying. */
  const PIECE = fc.oneof(
    fc.constantFrom('/', '\\', '.', '..', ':', '@', '?', '#', '%2f', '%5c', '%2e', '\t', '\n', '\r', ' ', '\u0000'),
    fc.constantFrom('https:', 'http:', 'HTTPS:', 'javascript:', 'blob:', 'data:', '//', ':443', ':3000', 'user:pw@'),
    fc.constantFrom('app.example.com', 'auth.example.com', 'evil.com', 'localhost', 'example', '。', 'а', '\u00ad'),
    fc.constantFrom(...RULES.returnOrigins, ORIGIN, 'a', 'inbox'),
    fc.string({ maxLength: 3, unit: 'binary' }),
  )
  const TEXT = fc.array(PIECE, { maxLength: 8 }).map((pieces) => pieces.join(''))
  const START = fc.constantFrom('', '/', '/', 'https://app.example.com', 'https://app.example.com/', ORIGIN)
  const CASE = fc.tuple(START, TEXT).map(([start, text]) => start + text)

  test(
    'is of the own origin or a listed one for a browser that follows it, and reads the same again',
    { timeout: 30_000 },
    () => {
      const seen = { path: 0, url: 0, none: 0 }
      fc.assert(
        fc.property(CASE, (text) => {
          const address = readReturnAddress(text, RULES)
          seen[address === null ? 'none' : address.startsWith('/') ? 'path' : 'url'] += 1
          if (address === null) return
          const { origin, username, password, href } = new URL(address, `${ORIGIN}/refresh?to=x`)
          expect([ORIGIN, ...RULES.returnOrigins]).toContain(origin)
          expect([username, password]).toEqual(['', ''])
          // Pure ASCII without controls or spaces: a header carries it as it is.
          expect(address).toMatch(/^[\x21-\x7e]+$/)
          expect(readReturnAddress(address, RULES)).toBe(address)
          if (address.startsWith('/')) expect([origin, href]).toEqual([ORIGIN, ORIGIN + address])
        }),
        { numRuns: 5_000 },
      )
      expect(Math.min(...Object.values(seen))).toBeGreaterThan(100)
    },
  )
})
