/** Addresses: one spelling for every address, and the network of each. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { canonicalAddress, networkOf } from '../../../src/domain/places/address.ts'

describe('an address has one spelling', () => {
  test.each([
    // IPv4
    ['0.0.0.0', '0.0.0.0'],
    ['203.0.113.7', '203.0.113.7'],
    ['255.255.255.255', '255.255.255.255'],
    ['1.20.100.200', '1.20.100.200'],
    // RFC 5952 section 4.1: no leading zeros
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8:00aa:0:1:2:3:4', '2001:db8:aa:0:1:2:3:4'],
    // 4.2.1: as short as can be
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8::0:1', '2001:db8::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['::', '::'],
    ['1::', '1::'],
    // 4.2.2: one group of zeros is not shortened
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    // 4.2.3: the longest run, and of two equal ones the first
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:1:0:0:0:0:0', '0:0:1::'],
    ['0:0:1:1:1:1:0:0', '::1:1:1:1:0:0'],
    ['1:0:0:0:1:0:0:0', '1::1:0:0:0'],
    // 4.3: lower case
    ['2001:DB8::ABCD:EF', '2001:db8::abcd:ef'],
    ['FE80::1', 'fe80::1'],
    // RFC 4291 section 2.5.5.2: IPv4 inside IPv6 is the same client
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['0:0:0:0:0:ffff:cb00:7107', '203.0.113.7'],
    ['0000:0000:0000:0000:0000:ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:0.0.0.0', '0.0.0.0'],
    ['::ffff:255.255.255.255', '255.255.255.255'],
    // … but nothing else that ends in dotted decimal is
    ['::203.0.113.7', '::cb00:7107'],
    ['64:ff9b::203.0.113.7', '64:ff9b::cb00:7107'],
    ['::ffff:0:203.0.113.7', '::ffff:0:cb00:7107'],
    ['1::ffff:203.0.113.7', '1::ffff:cb00:7107'],
    ['::fffe:203.0.113.7', '::fffe:cb00:7107'],
    ['1:2:3:4:5:6:203.0.113.7', '1:2:3:4:5:6:cb00:7107'],
  ])('%s is written %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical)
    expect(canonicalAddress(canonical)).toBe(canonical)
  })

  test.each([
    [''],
    [' '],
    ['unknown'],
    ['localhost'],
    ['example.com'],
    ['203.0.113.7, 198.51.100.23'],
    ['203.0.113.7,198.51.100.23'],
    [' 203.0.113.7'],
    ['203.0.113.7 '],
    ['203.0.113.7\n'],
    ['203.0.113.7\0'],
    ['203.0.113'],
    ['203.0.113.7.1'],
    ['203.0.113.'],
    ['.203.0.113.7'],
    ['203..113.7'],
    ['203.0.113.256'],
    ['203.0.113.1000'],
    ['203.0.113.-7'],
    ['203.0.113.+7'],
    ['203.0.113.07'],
    ['0203.0.113.7'],
    ['203.0.113.00'],
    ['0xcb.0.113.7'],
    ['203.0.113.7e0'],
    ['3405803783'],
    ['203.0.113.7:443'],
    ['203.0.113.7/32'],
    ['٢٠٣.0.113.7'],
    ['２03.0.113.7'],
    [':'],
    [':::'],
    ['::::'],
    [':1'],
    ['1:'],
    ['1:2'],
    [':1::'],
    ['::1:'],
    ['1::2::3'],
    ['1:::2'],
    ['1:2:3:4:5:6:7'],
    ['1:2:3:4:5:6:7:8:9'],
    ['1:2:3:4:5:6:7:8::'],
    ['::1:2:3:4:5:6:7:8'],
    ['1:2:3:4::5:6:7:8'],
    ['12345::'],
    ['::12345'],
    ['00001::'],
    ['g::'],
    ['::-1'],
    ['::0x1'],
    ['::1 '],
    [' ::1'],
    ['::1\n'],
    ['[::1]'],
    ['[::1]:443'],
    ['::1/128'],
    ['fe80::1%eth0'],
    ['fe80::1%25eth0'],
    ['fe80::1%1'],
    ['::ffff:203.0.113'],
    ['::ffff:203.0.113.256'],
    ['::ffff:203.0.113.07'],
    ['::ffff:203.0.113.7:1'],
    ['203.0.113.7::'],
    ['203.0.113.7::1'],
    ['::203.0.113.7:1'],
    ['1:2:3:4:5:6:7:203.0.113.7'],
    ['1:2:3:4:5:203.0.113.7'],
    ['::1.2.3.4.5'],
    ['１::'],
  ])('%j is no address', (text) => {
    expect(canonicalAddress(text)).toBeNull()
  })
})

/** An independent parser: what the WHATWG URL standard makes of an IPv6 host, or `null`. */
function oracle(text: string): string | null {
  // A host ends at these, and the parser drops tab and line breaks before it looks.
  if (/[^0-9a-fA-F:.]/.test(text)) return null
  const url = `http://[${text}]`
  if (!URL.canParse(url)) return null
  const host = new URL(url).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(host)
  if (mapped === null) return host
  const bits = mapped.slice(1).map((part) => Number.parseInt(part, 16))
  return bits.flatMap((part) => [part >> 8, part & 0xff]).join('.')
}

/** Texts that are IPv6 addresses, or nearly. */
const nearIPv6 = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('0', '0000', '1', 'ffff', 'FFFF', 'db8', '00ab') },
      { weight: 4, arbitrary: fc.constant('') },
      { weight: 1, arbitrary: fc.ipV4() },
      { weight: 1, arbitrary: fc.constantFrom('12345', '01.2.3.4', '1.2.3', '1.2.3.256', 'g', '.') },
    ),
    { minLength: 1, maxLength: 10 },
  )
  .map((parts) => parts.join(':'))

describe('the WHATWG URL parser agrees', () => {
  test('about every IPv6 address', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        expect(oracle(text)).not.toBeNull()
        expect(canonicalAddress(text)).toBe(oracle(text))
      }),
      { numRuns: 2000 },
    )
  })

  test('about what is nearly one', () => {
    const seen = { addresses: 0, junk: 0 }
    fc.assert(
      fc.property(nearIPv6, (text) => {
        // Without a colon it is IPv4 to us, and never a host in brackets.
        fc.pre(text.includes(':'))
        seen[oracle(text) === null ? 'junk' : 'addresses'] += 1
        expect(canonicalAddress(text)).toBe(oracle(text))
      }),
      { numRuns: 4000 },
    )
    // Both answers were put to the test.
    expect(seen.addresses).toBeGreaterThan(100)
    expect(seen.junk).toBeGreaterThan(100)
  })

  test('about groups of zeros, wherever they stand', () => {
    const group = fc.constantFrom('0', '0000', '1', 'ffff')
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const text = groups.join(':')
        expect(canonicalAddress(text)).toBe(oracle(text))
      }),
      { numRuns: 1000 },
    )
  })

  test('about every IPv4 address', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(canonicalAddress(text)).toBe(new URL(`http://${text}`).hostname)
      }),
    )
  })

  test('no text at all makes it throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', size: 'medium' }), (text) => {
        const canonical = canonicalAddress(text)
        expect(canonical === null || canonicalAddress(canonical) === canonical).toBe(true)
      }),
    )
  })
})

describe('the network of an address', () => {
  const V4 = '203.255.255.255'
  const V6 = '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'

  test.each([
    // used by the policies
    ['203.0.113.7', 32, '203.0.113.7/32'],
    ['203.0.113.7', 24, '203.0.113.0/24'],
    // odd ones
    [V4, 0, '0.0.0.0/0'],
    [V4, 1, '128.0.0.0/1'],
    [V4, 7, '202.0.0.0/7'],
    [V4, 8, '203.0.0.0/8'],
    [V4, 9, '203.128.0.0/9'],
    [V4, 16, '203.255.0.0/16'],
    [V4, 23, '203.255.254.0/23'],
    [V4, 25, '203.255.255.128/25'],
    [V4, 31, '203.255.255.254/31'],
  ])('%s to %i bits is %s', (address, v4, network) => {
    expect(networkOf(address, { v4, v6: 13 })).toBe(network)
  })

  test.each([
    // used by the policies
    [V6, 64, '2001:db8:ffff:ffff::/64'],
    [V6, 48, '2001:db8:ffff::/48'],
    ['2001:db8::1', 64, '2001:db8::/64'],
    // odd ones
    [V6, 0, '::/0'],
    [V6, 1, '::/1'],
    ['ffff::', 1, '8000::/1'],
    [V6, 12, '2000::/12'],
    [V6, 15, '2000::/15'],
    [V6, 16, '2001::/16'],
    [V6, 33, '2001:db8:8000::/33'],
    [V6, 47, '2001:db8:fffe::/47'],
    [V6, 56, '2001:db8:ffff:ff00::/56'],
    [V6, 63, '2001:db8:ffff:fffe::/63'],
    [V6, 65, '2001:db8:ffff:ffff:8000::/65'],
    [V6, 127, '2001:db8:ffff:ffff:ffff:ffff:ffff:fffe/127'],
    [V6, 128, '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff/128'],
  ])('%s to %i bits is %s', (address, v6, network) => {
    expect(networkOf(address, { v4: 13, v6 })).toBe(network)
  })

  test.each([[''], ['unknown'], ['203.0.113.256'], ['fe80::1%eth0']])('%j has none', (text) => {
    expect(() => networkOf(text, { v4: 32, v6: 64 })).toThrow(new RangeError('not a canonical address'))
  })
})
