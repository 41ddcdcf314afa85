/**
 * Where a client is, and whether that is still the same place. A stolen pair gives itself away by the network it
 * is used from; which difference counts is the operator's choice (`LOCATION_POLICY`).
 */

import { networkOf } from './address.ts'

/**
 * - `address`: IPv4 to the address, IPv6 to its /64, which is what one subscriber line holds
 * - `subnet`: IPv4 /24, IPv6 /48
 * - `asn`, `country`: as Cloudflare knows them
 * - `off`: every place is the same
 */
export const LOCATION_POLICIES = ['address', 'subnet', 'asn', 'country', 'off'] as const
export type LocationPolicy = (typeof LOCATION_POLICIES)[number]

/** A client as its connection shows it. `address` is canonical; the rest is what is known of it. */
export interface Client {
  readonly address: string
  readonly asn: number | null
  readonly country: string | null
  readonly city: string | null
  readonly network: string | null
  readonly userAgent: string | null
}

/**
 * What must hold for a session to be in the place that it was last seen in: either it is settled already, by the
 * address that the token carries, or the session's row must have this ASN or this country.
 */
export interface PlaceCondition {
  readonly sameAddress: boolean
  readonly asn: number | null
  readonly country: string | null
  /** The client's place as `allowed_places` may name it: under any policy, since that may change after the owner allowed it. */
  readonly keys: Readonly<Record<Exclude<LocationPolicy, 'off'>, string | null>>
}

const ADDRESS_BITS = { v4: 32, v6: 64 }
const SUBNET_BITS = { v4: 24, v6: 48 }

/**
 * The condition for a client that presents a token issued to `issuedTo` (a canonical address).
 *
 * The same address is the same place under every policy. So a change of policy between two deploys signs nobody
 * out, and neither does a request of which Cloudflare does not know the ASN or country.
 */
export function placeCondition(policy: LocationPolicy, issuedTo: string, client: Client): PlaceCondition {
  const bits = policy === 'subnet' ? SUBNET_BITS : ADDRESS_BITS
  return {
    sameAddress: policy === 'off' || networkOf(issuedTo, bits) === networkOf(client.address, bits),
    asn: policy === 'asn' ? client.asn : null,
    country: policy === 'country' ? client.country : null,
    keys: placeKeys(client),
  }
}

/** The name of a client's place, by which its owner may allow it. */
export function placeKey(policy: LocationPolicy, client: Pick<Client, 'address' | 'asn' | 'country'>): string {
  const keys = placeKeys(client)
  return keys[policy === 'off' ? 'address' : policy] ?? keys.address
}

function placeKeys({ address, asn, country }: Pick<Client, 'address' | 'asn' | 'country'>) {
  return {
    address: `address:${networkOf(address, ADDRESS_BITS)}`,
    subnet: `subnet:${networkOf(address, SUBNET_BITS)}`,
    asn: asn === null ? null : `asn:${asn}`,
    country: country === null ? null : `country:${country}`,
  }
}
