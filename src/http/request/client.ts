/**
 * The client of a request. `CF-Connecting-IP` is set by Cloudflare, over whatever the caller sent; no other header
 * says where somebody is, since any of them can be made up.
 */

import type { Context } from 'hono'

import { canonicalAddress } from '../../domain/places/address.ts'
import { keptUserAgent, knownCountry } from '../../domain/places/client-facts.ts'
import type { Client } from '../../domain/places/place.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'

/**
 * Where a request comes from, with its address in canonical form. Throws `wrong_data_structure` for a malformed address, and
 * `unavailable` where there is none: the edge failed to set it, and a 401 would sign the client out.
 */
export function readClient(c: Context<AppEnv>): Client {
  const header = c.req.header('CF-Connecting-IP')
  if (header === undefined) {
    throw new TesseraError('unavailable', { cause: 'CF-Connecting-IP is missing', retryAfterSeconds: 1 })
  }
  const address = canonicalAddress(header)
  if (address === null) throw new TesseraError('wrong_data_structure', { cause: 'CF-Connecting-IP' })
  const cf = c.req.raw.cf as Partial<IncomingRequestCfProperties> | null | undefined
  return {
    address,
    asn: typeof cf?.asn === 'number' ? cf.asn : null,
    country: knownCountry(cf?.country ?? null),
    city: cf?.city || null,
    provider: cf?.asOrganization || null,
    userAgent: keptUserAgent(c.req.header('User-Agent')),
  }
}
