/**
 * Places that requests pretend to come from. Deployed, Cloudflare's edge sets the address of a request and what is known of it.
 * `wrangler dev` always sets those of this machine, which a place replaces by its own.
 */

import * as z from 'zod/mini'

export const PlaceId = z.enum(['home', 'city', 'phone', 'abroad'])
export type PlaceId = z.output<typeof PlaceId>

/** The addresses are for documentation (RFC 5737, RFC 3849), and the networks for private use (RFC 6996). */
interface Place {
  readonly name: string
  readonly address: string
  readonly city: string
  readonly country: string
  readonly asn: number
  readonly provider: string
}

export type Where = PlaceId | 'thief'

const PLACES: Readonly<Record<Exclude<Where, 'home'>, Place>> = {
  city: {
    name: 'Another city',
    address: '203.0.113.80',
    city: 'Dallas',
    country: 'US',
    // The number that `wrangler dev` has for home, so that both cities have one provider.
    asn: 395747,
    provider: 'The same provider',
  },
  phone: {
    name: 'A phone network',
    address: '198.51.100.160',
    city: 'Austin',
    country: 'US',
    asn: 64_512,
    provider: 'Example Mobile',
  },
  abroad: {
    name: 'Another country',
    address: '192.0.2.44',
    city: 'Lisbon',
    country: 'PT',
    asn: 64_513,
    provider: 'Example Telecom',
  },
  thief: {
    name: 'Somewhere else',
    address: '2001:db8:66::1',
    city: 'Reykjavík',
    country: 'IS',
    asn: 64_514,
    provider: 'Example Hosting',
  },
}

const THIEF_AGENT = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:146.0) Gecko/20100101 Firefox/146.0'

/** A place in words, for people: its name, and what is known of it. */
export function describePlace(where: Where): { readonly name: string; readonly detail: string } {
  if (where === 'home') return { name: 'Home', detail: 'This machine, as wrangler dev sees it' }
  const { name, address, city, country, provider } = PLACES[where]
  return { name, detail: `${city}, ${country} · ${provider} · ${address}` }
}

export type IncomingRequest = Request<unknown, IncomingRequestCfProperties>

/**
 * The request as it would arrive from a place. An address that a caller sent stays: only that of this machine, which `wrangler
 * dev` fills in, is replaced.
 */
export function comeFrom(where: Where, request: IncomingRequest): IncomingRequest {
  if (where === 'home' || !isOwnAddress(request.headers.get('CF-Connecting-IP'))) return request
  const { address, city, country, asn, provider } = PLACES[where]
  const headers = new Headers(request.headers)
  headers.set('CF-Connecting-IP', address)
  if (where === 'thief') headers.set('User-Agent', THIEF_AGENT)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the properties that `wrangler dev` made, four of them replaced
  const cf = { ...request.cf, city, country, asn, asOrganization: provider } as IncomingRequestCfProperties
  return new Request(request, { headers, cf })
}

function isOwnAddress(address: string | null): boolean {
  return address === null || /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/i.test(address)
}
