/**
 * The client of a request. `CF-Connecting-IP` is set by Cloudflare, over whatever the caller sent; no other header
 * says where somebody is, since any of them can be made up.
 */

import type { Context } from 'hono'

import { canonicalAddress } from '../../domain/places/address.ts'
import type { Caller } from '../../domain/caller.ts'
import type { Client } from '../../domain/places/place.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'

const MAX_USER_AGENT_LENGTH = 256
/** How Cloudflare says that it does not know: everybody of whom that is true would be of one country. */
const UNKNOWN_COUNTRY: string = 'XX'

/**
 * Where a request comes from, with its address in canonical form. Throws `wrong_data_structure` for an address that
 * is none, and `unavailable` where there is no address: that is our edge's fault, and no reason to sign anyone out.
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
    country: cf?.country === UNKNOWN_COUNTRY ? null : cf?.country || null,
    city: cf?.city || null,
    provider: cf?.asOrganization || null,
    userAgent: c.req.header('User-Agent')?.slice(0, MAX_USER_AGENT_LENGTH) || null,
  }
}

/** Who asks. Throws as `readClient` does. */
export function readCaller(c: Context<AppEnv>): Caller {
  return { client: readClient(c), issuer: readIssuer(c) }
}

/**
 * The origin under which this deployment is reached: the issuer of its tokens (RFC 7519 section 4.1.1). Without
 * `PUBLIC_URL` only this machine is served, and then it is the request's own.
 */
function readIssuer(c: Context<AppEnv>): string {
  return c.env.settings.publicUrl ?? new URL(c.req.url).origin
}
