/**
 * The client that a back end asks for, as the back end names it. What comes from a server comes from the server's address: a session that
 * was opened in that place would be blocked at its owner's first refresh. Only the service key makes these headers count, since
 * anybody can write them.
 */

import type { Context } from 'hono'

import { canonicalAddress } from '../../domain/places/address.ts'
import { isAsn, isCity, isCountryCode, keptUserAgent, knownCountry } from '../../domain/places/client-facts.ts'
import type { Client } from '../../domain/places/place.ts'
import { type ErrorDetail, TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'
import { mayIssue, readBearer } from './bearer.ts'

/** What says it, by header. */
export const CLIENT_HEADERS = {
  address: 'Tessera-Client-IP',
  country: 'Tessera-Client-Country',
  asn: 'Tessera-Client-ASN',
  city: 'Tessera-Client-City',
  userAgent: 'Tessera-Client-User-Agent',
} as const

/**
 * The client that the headers name, or `null`: without them, or without a bearer token, they change nothing. Throws `forbidden` for a
 * bearer token that is not the service key, and `client_not_valid`, with the header's name, for what cannot be read.
 */
export async function readNamedClient(c: Context<AppEnv>): Promise<Client | null> {
  if (readBearer(c) === null || !namesClient(c)) return null
  if (!(await mayIssue(c))) throw new TesseraError('forbidden', { cause: 'service key' })
  return requireNamedClient(c)
}

/** As `readNamedClient`, where a bearer token may be an access token instead: then the headers change nothing. */
export async function readNamedClientOrNull(c: Context<AppEnv>): Promise<Client | null> {
  return namesClient(c) && (await mayIssue(c)) ? requireNamedClient(c) : null
}

/** As `readNamedClient`, for a caller whose service key was checked, and who has to name a client. Throws `client_not_valid`. */
export function requireNamedClient(c: Context<AppEnv>): Client {
  const text = c.req.header(CLIENT_HEADERS.address)
  if (text === undefined) throw new TesseraError('client_not_valid', { detail: 'Tessera-Client-IP is missing' })
  const address = canonicalAddress(text)
  if (address === null) throw notValid('Tessera-Client-IP is not valid')
  return {
    address,
    asn: read(c, CLIENT_HEADERS.asn, parseAsn, 'Tessera-Client-ASN is not valid'),
    country: knownCountry(read(c, CLIENT_HEADERS.country, parseCountry, 'Tessera-Client-Country is not valid')),
    city: read(c, CLIENT_HEADERS.city, parseCity, 'Tessera-Client-City is not valid'),
    // No header names the provider, which is a name for people: the number of its network is what a policy compares.
    provider: null,
    // The user agent of the request is that of the back end.
    userAgent: keptUserAgent(c.req.header(CLIENT_HEADERS.userAgent)),
  }
}

function namesClient(c: Context<AppEnv>): boolean {
  return Object.values(CLIENT_HEADERS).some((name) => c.req.header(name) !== undefined)
}

/** What an optional header says. An empty one says nothing: proxies send such for what they do not know. */
function read<Value>(
  c: Context<AppEnv>,
  name: string,
  parse: (text: string) => Value | null,
  detail: ErrorDetail<'client_not_valid'>,
): Value | null {
  const text = c.req.header(name) ?? ''
  if (text === '') return null
  const value = parse(text)
  if (value === null) throw notValid(detail)
  return value
}

function notValid(detail: ErrorDetail<'client_not_valid'>): TesseraError {
  return new TesseraError('client_not_valid', { detail })
}

function parseAsn(text: string): number | null {
  const asn = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : Number.NaN
  return isAsn(asn) ? asn : null
}

function parseCountry(text: string): string | null {
  return isCountryCode(text) ? text : null
}

/**
 * UTF-8, percent-encoded where the back end's HTTP client cannot send that: a header of `fetch` is Latin-1, of which the runtime
 * makes U+FFFD.
 */
function parseCity(text: string): string | null {
  const city = decodePercent(text)
  return isCity(city) ? city : null
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
