/**
 * Where a client is, and whether that is still the same place. A stolen pair shows by the place it is used from; how wide a
 * place is, the operator chooses (`LOCATION_POLICY`).
 */

import { leadingGroups, networkOf } from './address.ts'

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

/** What the row of a session may agree in with a client, wherever its address is. */
const KNOWN = ['asn', 'country'] as const
export type Known = (typeof KNOWN)[number]

/** The part of a client that a place is made of. */
type Compared = Pick<Client, 'address' | Known>

/**
 * When a client is in the session's own place. `sameAddress`: it is, by the address in its token alone. Otherwise it is where the
 * session's row has what is known of the client here; null matches no row. Elsewhere it is where the owner allowed one of these places.
 */
export interface PlaceCondition extends Pick<Client, Known> {
  readonly sameAddress: boolean
  /** As `holdingKeys` names them; none where the address settles it. */
  readonly keys: readonly string[]
}

const ADDRESS_BITS = { v4: 32, v6: 64 }
const SUBNET_BITS = { v4: 24, v6: 48 }

/** The kinds of names that a place has, each with the name of a client's place: `null` where that is not known. */
const NAMES = {
  address: ({ address }: Compared) => `address:${networkOf(address, ADDRESS_BITS)}`,
  subnet: ({ address }: Compared) => `subnet:${networkOf(address, SUBNET_BITS)}`,
  asn: ({ asn }: Compared) => (asn === null ? null : `asn:${asn}`),
  country: ({ country }: Compared) => (country === null ? null : `country:${country}`),
} as const
type NameKind = keyof typeof NAMES

interface Policy {
  /** The bits of an address that settle it by themselves; `null`: every address is the same. */
  readonly bits: { readonly v4: number; readonly v6: number } | null
  /** What the row of the session may agree in instead. */
  readonly known: Known | null
  /**
   * The names that count: its own, under which an owner allows a place, or by the address where it is not known; and the narrower
   * ones, since the policy may have changed after a place was allowed. A provider serves many countries and a country has many
   * providers, so neither of those is the narrower.
   */
  readonly names: readonly [own: NameKind, ...narrower: NameKind[]]
}

const POLICIES: Readonly<Record<LocationPolicy, Policy>> = {
  address: { bits: ADDRESS_BITS, known: null, names: ['address'] },
  subnet: { bits: SUBNET_BITS, known: null, names: ['subnet', 'address'] },
  asn: { bits: ADDRESS_BITS, known: 'asn', names: ['asn', 'address', 'subnet'] },
  country: { bits: ADDRESS_BITS, known: 'country', names: ['country', 'address', 'subnet'] },
  off: { bits: null, known: null, names: ['address'] },
}

const NOTHING_KNOWN: Pick<Client, Known> = { asn: null, country: null }

/** The address that requests of all Workers in other zones come from. Anybody can run one, so it is nobody's place. */
const WORKERS = '2a06:98c0:3600::103'

/** Whether an address is one that anybody can come from, and so in nobody's place. */
export function isNobodys(address: string): boolean {
  return address === WORKERS
}

/**
 * The condition for a client that presents a token issued to `issuedTo` (a canonical address).
 *
 * The same address is the same place under every policy, so that neither a change of policy nor a request whose ASN or country
 * Cloudflare does not know signs anybody out. The address of Workers is an exception: it is never the same place.
 */
export function placeCondition(policy: LocationPolicy, issuedTo: string, client: Client): PlaceCondition {
  const { bits, known } = POLICIES[policy]
  const isShared = isNobodys(issuedTo) || isNobodys(client.address)
  const sameAddress = bits === null || (!isShared && networkOf(issuedTo, bits) === networkOf(client.address, bits))
  return {
    ...NOTHING_KNOWN,
    ...(known !== null && !isShared && { [known]: client[known] }),
    sameAddress,
    keys: sameAddress ? [] : holdingKeys(policy, client),
  }
}

/** Whether a client is in the session's own place, as its row has it. */
export function isOwnPlace(policy: LocationPolicy, session: Compared, client: Client): boolean {
  const condition = placeCondition(policy, session.address, client)
  return condition.sameAddress || KNOWN.some((name) => condition[name] !== null && condition[name] === session[name])
}

/** The names of a client's place that count under a policy, as rows of `allowed_places` have them. */
export function holdingKeys(policy: LocationPolicy, client: Compared): readonly string[] {
  if (isNobodys(client.address)) return []
  return POLICIES[policy].names.flatMap((kind) => NAMES[kind](client) ?? [])
}

/** The name under which an owner may allow a client's place; `null` for the address of Workers, which nobody may allow. */
export function placeKey(policy: LocationPolicy, client: Compared): string | null {
  return isNobodys(client.address) ? null : NAMES[ownName(policy, client)](client)
}

/** How far a place reaches. The words of each language say it. */
export type PlaceReach =
  | { readonly kind: 'address'; readonly address: string }
  /** Every address that starts like this. */
  | { readonly kind: 'addresses'; readonly start: string }
  | { readonly kind: 'network'; readonly asn: number; readonly provider: string | null }
  /** By its code, or that which Cloudflare has for something else, such as `T1` for Tor. */
  | { readonly kind: 'country'; readonly country: string }

/** How far the place reaches under which an owner allows a client's place. */
export function reachOf(policy: LocationPolicy, client: Compared & Pick<Client, 'provider'>): PlaceReach {
  const { address, asn, country, provider } = client
  const [own] = POLICIES[policy].names
  if (own === 'asn' && asn !== null) return { kind: 'network', asn, provider }
  if (own === 'country' && country !== null) return { kind: 'country', country }
  const start = leadingGroups(address, own === 'subnet' ? SUBNET_BITS : ADDRESS_BITS)
  return start === address ? { kind: 'address', address } : { kind: 'addresses', start }
}

/** The same, of a place by the name that `placeKey` gave it; `null` for a name of a kind that this version does not know. */
export function reachOfKey(key: string, provider: string | null): PlaceReach | null {
  const [kind, name = ''] = key.split(/:(.*)/, 2)
  if (kind === 'asn') return { kind: 'network', asn: Number(name), provider }
  if (kind === 'country') return { kind: 'country', country: name }
  if (kind !== 'address' && kind !== 'subnet') return null
  const [address = '', bits] = name.split('/')
  const start = leadingGroups(address, { v4: Number(bits), v6: Number(bits) })
  return start === address ? { kind: 'address', address } : { kind: 'addresses', start }
}

/** Of the names that a place has, the one under which it is allowed. */
function ownName(policy: LocationPolicy, client: Compared): NameKind {
  const [own] = POLICIES[policy].names
  return NAMES[own](client) === null ? 'address' : own
}
