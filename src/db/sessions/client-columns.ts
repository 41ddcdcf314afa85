/** The client of a session as columns: its own, the one of a visit, and what of it makes a place. */

import { sql } from 'drizzle-orm'

import type { Client, Known } from '../../domain/places/place.ts'
import { sessions } from '../schema.ts'
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

/** What is known of a client, each as the parameters that `placeValues` fills. Where it is null, no row agrees. */
const agreements = {
  asn: sql`coalesce(${sessions.asn} = ${parameter('placeAsn')}, 0)`,
  country: sql`coalesce(${sessions.country} = ${parameter('placeCountry')}, 0)`,
} satisfies Readonly<Record<Known, unknown>>

/** The row of a session agrees with what is known of a client. */
export const agreesWithPlace = sql.join(Object.values(agreements), sql` or `)

export function placeValues({ asn, country }: Pick<Client, Known>) {
  return { placeAsn: asn, placeCountry: country } satisfies Readonly<Record<`place${Capitalize<Known>}`, Value>>
}
