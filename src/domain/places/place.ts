/**
 * Where a client is, and whether that is still the same place. A stolen pair shows by the place it is used from; how wide a
 * place is, the operator chooses (`LOCATION_POLICY`).
 */

import { leadingGroups, networkOf } from './address.ts'
import { countryName, oneLine } from './names.ts'

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
  readonly provider: string | null
  readonly userAgent: string | null
}

/**
 * When a client is in the session's own place. `sameAddress`: it is, by the address in its token alone. Otherwise it is where the
 * session's row has this ASN or this country; null matches no row.
 */
export interface PlaceCondition {
  readonly sameAddress: boolean
  readonly asn: number | null
  readonly country: string | null
  readonly keys: PlaceKeys
}

type KeyKind = Exclude<LocationPolicy, 'off'>

/** A client's place by the names that rows of `allowed_places` have: `null` where that name does not count, or is not known. */
export type PlaceKeys = Readonly<Record<KeyKind, string | null>>

/**
 * Which names of places count under each policy: its own, and the narrower ones, since the policy may have changed after an
 * owner allowed a place. A provider serves many countries and a country has many providers, so neither of those is the narrower.
 */
const HOLDING: Readonly<Record<LocationPolicy, readonly KeyKind[]>> = {
  address: ['address'],
  subnet: ['address', 'subnet'],
  asn: ['address', 'subnet', 'asn'],
  country: ['address', 'subnet', 'country'],
  off: ['address'],
}

const ADDRESS_BITS = { v4: 32, v6: 64 }
const SUBNET_BITS = { v4: 24, v6: 48 }

/** The address that requests of all Workers in other zones come from. Anybody can run one, so it is nobody's place. */
const WORKERS = '2a06:98c0:3600::103'

/**
 * The condition for a client that presents a token issued to `issuedTo` (a canonical address).
 *
 * The same address is the same place under every policy, so that neither a change of policy nor a request whose ASN or country
 * Cloudflare does not know signs anybody out. The address of Workers is an exception: it is never the same place.
 */
export function placeCondition(policy: LocationPolicy, issuedTo: string, client: Client): PlaceCondition {
  const keys = holdingKeys(policy, client)
  if (issuedTo === WORKERS || client.address === WORKERS) {
    return { sameAddress: policy === 'off', asn: null, country: null, keys }
  }
  const bits = policy === 'subnet' ? SUBNET_BITS : ADDRESS_BITS
  return {
    sameAddress: policy === 'off' || networkOf(issuedTo, bits) === networkOf(client.address, bits),
    asn: policy === 'asn' ? client.asn : null,
    country: policy === 'country' ? client.country : null,
    keys,
  }
}

/** Whether a client is in the session's own place, as its row has it. */
export function isOwnPlace(
  policy: LocationPolicy,
  session: Pick<Client, 'address' | 'asn' | 'country'>,
  client: Client,
): boolean {
  const { sameAddress, asn, country } = placeCondition(policy, session.address, client)
  return sameAddress || (asn !== null && asn === session.asn) || (country !== null && country === session.country)
}

/** The names of a client's place that count under a policy. */
export function holdingKeys(policy: LocationPolicy, client: Pick<Client, 'address' | 'asn' | 'country'>): PlaceKeys {
  const keys = placeKeys(client)
  const holding = HOLDING[policy]
  return {
    address: keys.address,
    subnet: holding.includes('subnet') ? keys.subnet : null,
    asn: holding.includes('asn') ? keys.asn : null,
    country: holding.includes('country') ? keys.country : null,
  }
}

/** The name under which an owner may allow a client's place; `null` for the address of Workers, which nobody may allow. */
export function placeKey(policy: LocationPolicy, client: Pick<Client, 'address' | 'asn' | 'country'>): string | null {
  const keys = placeKeys(client)
  return keys[policy === 'off' ? 'address' : policy] ?? keys.address
}

/** How far that place reaches, as the end of a sentence: "the address 203.0.113.7", "all of Iceland". */
export function describePlace(
  policy: LocationPolicy,
  client: Pick<Client, 'address' | 'asn' | 'country' | 'provider'>,
): string {
  const { address, asn, country } = client
  if (policy === 'asn' && asn !== null) {
    const name = oneLine(client.provider)
    return name === null ? `the whole network AS${asn}` : `the whole network of ${name} (AS${asn})`
  }
  if (policy === 'country' && country !== null) return `all of ${countryName(country) ?? countryOfCode(country)}`
  const bits = policy === 'subnet' ? SUBNET_BITS : ADDRESS_BITS
  const start = leadingGroups(address, bits)
  return start === address ? `the address ${address}` : `every address that starts with ${start}`
}

function placeKeys({ address, asn, country }: Pick<Client, 'address' | 'asn' | 'country'>): PlaceKeys {
  if (address === WORKERS) return { address: null, subnet: null, asn: null, country: null }
  return {
    address: `address:${networkOf(address, ADDRESS_BITS)}`,
    subnet: `subnet:${networkOf(address, SUBNET_BITS)}`,
    asn: asn === null ? null : `asn:${asn}`,
    country: country === null ? null : `country:${country}`,
  }
}

/** Cloudflare gives clients of Tor a country code of its own, which has no name. */
function countryOfCode(code: string): string {
  return code === 'T1' ? 'the Tor network' : `what has the country code ${oneLine(code)}`
}
