/** The client of a session as columns: its own, and the one of a visit. */

import type { Client } from '../../domain/places/place.ts'
import { parameter, type Value } from '../statement.ts'

/** The columns of a client, as the parameters that `clientValues` fills. */
export function clientParameters() {
  return {
    ip: parameter('address'),
    asn: parameter('asn'),
    country: parameter('country'),
    city: parameter('city'),
    provider: parameter('provider'),
    userAgent: parameter('userAgent'),
  }
}

export function clientValues(client: Client): Readonly<Record<string, Value>> {
  const { address, asn, country, city, provider, userAgent } = client
  return { address, asn, country, city, provider, userAgent }
}

/** The columns of a visit, as the same parameters. */
export function visitParameters() {
  return {
    visitIp: parameter('address'),
    visitCountry: parameter('country'),
    visitCity: parameter('city'),
    visitProvider: parameter('provider'),
    visitUserAgent: parameter('userAgent'),
  }
}

/** The columns of a visit, for a refresh from the session's own place: there is none. */
export const noVisit = {
  visitIp: null,
  visitCountry: null,
  visitCity: null,
  visitProvider: null,
  visitUserAgent: null,
} as const
