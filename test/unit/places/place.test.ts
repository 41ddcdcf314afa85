/** Places: which difference makes another one under each policy, and what a place is called. */

import { describe, expect, test } from 'vitest'

import {
  type Client,
  holdingKeys,
  isOwnPlace,
  LOCATION_POLICIES,
  placeCondition,
  placeKey,
} from '../../../src/domain/places/place.ts'

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
