/** The ledger in D1. Rows are inserted, in the transaction of the act, and read; the purge alone deletes them, once they are old. */

import { type SQL, sql } from 'drizzle-orm'

import type { Act } from '../../domain/operators/audit.ts'
import { insertInto } from '../query.ts'
import { audit, users } from '../schema.ts'
import { parameter, prepare, type Value } from '../statement.ts'

/** The statement that stores an act about each account that `where` finds; about none, where it is left out. */
export function prepareAct(d1: D1Database, where?: SQL) {
  const statement = prepare(
    d1,
    insertInto(audit).select((query) => {
      const columns = query.select({
        id: sql<number>`null`.as('id'),
        at: parameter('now').as('at'),
        actor: parameter('actor').as('actor'),
        action: parameter('action').as('action'),
        userId: sql<number | null>`${where === undefined ? null : users.id}`.as('user_id'),
        facts: parameter('actFacts').as('facts'),
        ip: parameter('actorAddress').as('ip'),
        asn: parameter('actorAsn').as('asn'),
        country: parameter('actorCountry').as('country'),
        city: parameter('actorCity').as('city'),
        userAgent: parameter('actorUserAgent').as('user_agent'),
      })
      return where === undefined ? columns.from(sql`(select 1)`) : columns.from(users).where(where)
    }),
  )
  return {
    /** `values`: those of the condition. */
    bind: (act: Act, values: Readonly<Record<string, Value>> = {}) => statement.bind({ ...values, ...actValues(act) }),
  }
}

/** An act as the parameters of a statement. */
export function actValues({ action, facts, by: { key, client }, now }: Act) {
  return {
    now,
    action,
    actor: key,
    actFacts: JSON.stringify(facts),
    actorAddress: client.address,
    actorAsn: client.asn,
    actorCountry: client.country,
    actorCity: client.city,
    actorUserAgent: client.userAgent,
  }
}
