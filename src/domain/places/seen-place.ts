/**
 * Places as sign-ins remember them: a country and a network in it. `LOCATION_POLICY` may be as narrow as one address, and a mail about each
 * new address of a phone would soon be read by nobody.
 */

import { networkOf } from './address.ts'
import { type Client, isNobodys } from './place.ts'

/** How long a place is known after the last sign-in from there. */
export const SEEN_PLACE_SECONDS = 90 * 86_400

/** What stands for a network whose number is not known. */
const RANGE_BITS = { v4: 24, v6: 48 }

/** The name of a client's place: `DE/AS64500`, or `DE/203.0.113.0/24` where the network is not known, or `-/…` where the country is not. */
export function seenPlaceKey({ address, asn, country }: Pick<Client, 'address' | 'asn' | 'country'>): string {
  return `${country ?? '-'}/${asn === null || isNobodys(address) ? networkOf(address, RANGE_BITS) : `AS${asn}`}`
}

/** An IPv6 client can have every address of a /56 or a /48. */
const CLIENT_BITS = { v4: 32, v6: 48 }

/** What of an address is one client, where a client is counted by itself. */
export function clientNetwork(address: string): string {
  return networkOf(address, CLIENT_BITS)
}

/** The name of a client within its place: `DE/AS64500 203.0.113.7/32`. */
export function seenAddressKey(client: Pick<Client, 'address' | 'asn' | 'country'>): string {
  return `${seenPlaceKey(client)} ${clientNetwork(client.address)}`
}

/**
 * Whether a client is in a place of the owner's, which was noted at `seenAt`. Never at the address that all Workers have: whoever runs one would
 * be at home with everybody who signs in through a Worker that does not name its client.
 */
export function isInSeenPlace({ address }: Pick<Client, 'address'>, seenAt: number | null, now: number): boolean {
  return !isNobodys(address) && seenAt !== null && seenAt > now - SEEN_PLACE_SECONDS
}
