/** Addresses and places: one spelling for every address, and which difference makes another place. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { canonicalAddress, networkOf } from '../../../src/domain/places/address.ts'
import {
  type Client,
  holdingKeys,
  isOwnPlace,
  LOCATION_POLICIES,
  placeCondition,
  placeKey,
} from '../../../src/domain/places/place.ts'

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

function at(address: string, known: Partial<Client> = {}): Client {
  return { address, asn: null, country: null, city: null, provider: null, userAgent: null, ...known }
}

describe('the same place', () => {
  test.each([
    // policy, issued to, presented from, same
    ['address', '203.0.113.7', '203.0.113.7', true],
    ['address', '203.0.113.7', '203.0.113.8', false],
    ['address', '203.0.113.7', '203.0.113.6', false],
    ['address', '2001:db8:0:1::1', '2001:db8:0:1:ffff:ffff:ffff:ffff', true],
    ['address', '2001:db8:0:1::1', '2001:db8:0:2::1', false],
    ['address', '2001:db8:0:1::1', '2001:db8:1:1::1', false],
    ['address', '203.0.113.7', '2001:db8::1', false],
    ['address', '2001:db8::1', '203.0.113.7', false],
    ['subnet', '203.0.113.7', '203.0.113.255', true],
    ['subnet', '203.0.113.7', '203.0.112.7', false],
    ['subnet', '203.0.113.7', '203.0.114.7', false],
    ['subnet', '2001:db8:0:1::1', '2001:db8:0:ffff::1', true],
    ['subnet', '2001:db8:0:1::1', '2001:db8:1:1::1', false],
    ['subnet', '203.0.113.7', '2001:db8::1', false],
    // The ASN and the country are the row's to compare; the address settles it only where it is the same one.
    ['asn', '203.0.113.7', '203.0.113.7', true],
    ['asn', '203.0.113.7', '203.0.113.8', false],
    ['asn', '2001:db8:0:1::1', '2001:db8:0:1::2', true],
    ['asn', '2001:db8:0:1::1', '2001:db8:0:2::1', false],
    ['country', '203.0.113.7', '203.0.113.7', true],
    ['country', '203.0.113.7', '203.0.113.8', false],
    ['country', '2001:db8:0:1::1', '2001:db8:0:1::2', true],
    ['country', '2001:db8:0:1::1', '2001:db8:0:2::1', false],
    ['off', '203.0.113.7', '203.0.113.7', true],
    ['off', '203.0.113.7', '198.51.100.23', true],
    ['off', '203.0.113.7', '2001:db8::1', true],
  ] as const)('under %s, %s and %s: %s', (policy, issuedTo, from, sameAddress) => {
    const known = { asn: 64_496, country: 'IS' }
    expect(placeCondition(policy, issuedTo, at(from, known))).toEqual({
      keys: sameAddress ? [] : holdingKeys(policy, at(from, known)),
      sameAddress,
      asn: policy === 'asn' ? 64_496 : null,
      country: policy === 'country' ? 'IS' : null,
    })
  })

  test.each(['asn', 'country'] as const)(
    'under %s, one that is not known matches nothing but the address',
    (policy) => {
      expect(placeCondition(policy, '203.0.113.7', at('198.51.100.23'))).toEqual({
        sameAddress: false,
        asn: null,
        country: null,
        keys: holdingKeys(policy, at('198.51.100.23')),
      })
      expect(placeCondition(policy, '203.0.113.7', at('203.0.113.7'))).toEqual({
        sameAddress: true,
        asn: null,
        country: null,
        keys: [],
      })
    },
  )

  test.each(LOCATION_POLICIES)('a change of the policy to %s signs nobody out who stayed', (policy) => {
    const { sameAddress } = placeCondition(policy, '2001:db8:0:1::1', at('2001:db8:0:1::2'))
    expect(sameAddress).toBe(true)
  })

  test('an address that is none is a fault of ours, not another place', () => {
    expect(() => placeCondition('address', 'unknown', at('203.0.113.7'))).toThrow(RangeError)
  })
})

describe("the session's own place", () => {
  const session = { address: '203.0.113.7', asn: 64_496, country: 'IS' }

  test.each([
    ['address', '203.0.113.7', {}, true],
    ['address', '203.0.113.8', { asn: 64_496, country: 'IS' }, false],
    ['subnet', '203.0.113.8', {}, true],
    ['subnet', '203.0.114.8', { asn: 64_496, country: 'IS' }, false],
    ['asn', '198.51.100.23', { asn: 64_496 }, true],
    ['asn', '198.51.100.23', { country: 'IS' }, false],
    ['country', '198.51.100.23', { country: 'IS' }, true],
    ['country', '198.51.100.23', { asn: 64_496 }, false],
    ['off', '2001:db8::1', {}, true],
  ] as const)('under %s, from %s %j: %s', (policy, address, known, isIn) => {
    expect(isOwnPlace(policy, session, at(address, known))).toBe(isIn)
  })

  test.each(['asn', 'country'] as const)(
    'of which no %s is known is not that of a client of which none is',
    (policy) => {
      expect(isOwnPlace(policy, { ...session, asn: null, country: null }, at('198.51.100.23'))).toBe(false)
    },
  )
})

// Cloudflare gives it to the Workers of every other zone, whoever's they are.
describe("the address that everybody's Workers share is nobody's place", () => {
  const shared = '2a06:98c0:3600::103'
  const known = { asn: 64_496, country: 'IS' }

  test.each(['address', 'subnet', 'asn', 'country'] as const)('under %s: neither from there nor to there', (policy) => {
    for (const [session, client] of [
      [shared, shared],
      [shared, '203.0.113.7'],
      ['203.0.113.7', shared],
      [shared, '2a06:98c0:3600::104'],
    ] as const) {
      expect(isOwnPlace(policy, { address: session, ...known }, at(client, known))).toBe(false)
    }
  })

  test('under off it is as every other', () => {
    expect(isOwnPlace('off', { address: shared, ...known }, at('203.0.113.7', known))).toBe(true)
    expect(isOwnPlace('off', { address: '203.0.113.7', ...known }, at(shared, known))).toBe(true)
  })

  test.each(LOCATION_POLICIES)('under %s it has no name, so nobody can allow it', (policy) => {
    expect(placeKey(policy, at(shared, known))).toBeNull()
    expect(holdingKeys(policy, at(shared, known))).toEqual([])
  })

  test('its neighbour is a place', () => {
    expect(isOwnPlace('address', { address: '2a06:98c0:3600::104', ...known }, at('2a06:98c0:3600::104'))).toBe(true)
  })
})

describe('the names of places that hold', () => {
  const client = at('203.0.113.7', { asn: 64_496, country: 'IS' })
  const [address, subnet, asn, country] = ['address:203.0.113.7/32', 'subnet:203.0.113.0/24', 'asn:64496', 'country:IS']

  // What was allowed under a wider policy would admit more than the policy of today does.
  test.each([
    ['address', [address]],
    ['subnet', [address, subnet]],
    ['asn', [address, subnet, asn]],
    ['country', [address, subnet, country]],
    ['off', [address]],
  ] as const)('under %s are its own and the narrower ones', (policy, keys) => {
    expect(new Set(holdingKeys(policy, client))).toEqual(new Set(keys))
  })

  test('are fewer where less is known', () => {
    expect(holdingKeys('asn', at('203.0.113.7'))).toEqual([address, subnet])
  })
})

describe('the name of a place, by which its owner may allow it', () => {
  test.each([
    ['address', '203.0.113.7', 'address:203.0.113.7/32'],
    ['address', '2001:db8:0:1::1', 'address:2001:db8:0:1::/64'],
    ['subnet', '203.0.113.7', 'subnet:203.0.113.0/24'],
    ['subnet', '2001:db8:0:1::1', 'subnet:2001:db8::/48'],
    ['asn', '203.0.113.7', 'asn:64496'],
    ['country', '203.0.113.7', 'country:IS'],
    ['off', '203.0.113.7', 'address:203.0.113.7/32'],
  ] as const)('under %s, of %s', (policy, address, key) => {
    expect(placeKey(policy, at(address, { asn: 64_496, country: 'IS' }))).toBe(key)
  })

  test.each(['asn', 'country'] as const)('is the address where the %s is not known', (policy) => {
    expect(placeKey(policy, at('203.0.113.7'))).toBe('address:203.0.113.7/32')
  })
})
