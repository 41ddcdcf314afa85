/**
 * The shapes of what other Workers call with. Their types are a promise that a Worker in JavaScript, or an older one, does not keep. zod has its
 * messages from `http/request/contract.ts`, which every isolate has loaded.
 */

import * as z from 'zod/mini'

import { canonicalAddress } from '../domain/places/address.ts'
import { isAsn, isCity, isCountryCode, keptUserAgent, knownCountry } from '../domain/places/client-facts.ts'
import type { Client } from '../domain/places/place.ts'
import { Guid } from '../domain/tokens/claims.ts'

export const Token = z.object({ token: z.string() })

export const User = z.object({ guid: Guid })

const Address = z.pipe(
  z.string(),
  z.transform((text, { issues }) => {
    const address = canonicalAddress(text)
    if (address !== null) return address
    issues.push({ code: 'custom', message: 'must be an IP address', input: text })
    return z.NEVER
  }),
)

/** A text that may be unknown. An empty one says nothing: proxies send such for what they do not know. */
function textOf(isGood: (text: string) => boolean, message: string) {
  return z.nullish(z.string().check(z.refine((text) => text === '' || isGood(text), message)))
}

const facts = {
  ip: Address,
  country: textOf(isCountryCode, 'must be a code of two letters'),
  asn: z.nullish(z.number().check(z.refine(isAsn, 'must be the number of a network'))),
  city: textOf(isCity, 'must be the name of a city'),
  userAgent: z.nullish(z.string()),
}

export const Facts = z.object(facts)

const DpopHeader = z.object({ proof: z.string(), method: z.string(), url: z.string() })

export const RefreshingCaller = z.object({ ...facts, dpop: z.nullish(DpopHeader) })

export const PresentedTokens = z.object({ access: z.nullish(z.string()), refresh: z.string() })

export const RevokeOptions = z.nullish(z.object({ client: z.nullish(Facts) }))

/** The client of facts, as the rules know clients. */
export function clientOf({ ip, country, asn, city, userAgent }: z.output<typeof Facts>): Client {
  return {
    address: ip,
    asn: asn ?? null,
    country: knownCountry(country ?? null),
    city: city || null,
    // Nobody names the provider, which is a name for people: the number of its network is what a policy compares.
    provider: null,
    userAgent: keptUserAgent(userAgent),
  }
}
