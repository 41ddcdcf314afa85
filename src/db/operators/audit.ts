/** The ledger in D1. Rows are inserted, in the transaction of the act, and read; the purge alone deletes them, once they are old. */

import { and, desc, eq, lt, type SQL, sql } from 'drizzle-orm'

import type { Act, AuditAction, AuditStore } from '../../domain/operators/audit.ts'
import { run } from '../d1.ts'
import { insertInto, select } from '../query.ts'
import { audit, users } from '../schema.ts'
import { aliased, parameter, prepare, type Value } from '../statement.ts'

/** The ledger over a D1 database. Build it once per isolate. */
export function createAuditStore(d1: D1Database): AuditStore {
  const list = prepare(
    d1,
    select({
      ...aliased({
        id: audit.id,
        at: audit.at,
        actor: audit.actor,
        action: audit.action,
        facts: audit.facts,
        address: audit.ip,
        asn: audit.asn,
        country: audit.country,
        city: audit.city,
        userAgent: audit.userAgent,
      }),
      guid: sql<string | null>`${users.guid}`.as('guid'),
    })
      .from(audit)
      .leftJoin(users, eq(users.id, audit.userId))
      .where(
        and(
          sql`(${parameter('guid')} is null or ${users.guid} = ${parameter('guid')})`,
          isAsked('actor'),
          isAsked('action'),
          sql`${audit.at} >= coalesce(${parameter('since')}, 0)`,
          sql`${audit.at} <= coalesce(${parameter('until')}, ${audit.at})`,
          lt(audit.id, sql`coalesce(${parameter('before')}, 9223372036854775807)`),
        ),
      )
      .orderBy(desc(audit.id))
      .limit(sql.placeholder('limit')),
  )

  return {
    async list(query) {
      return list.rows(await run(list.bind({ ...query }))).map(({ id, at, actor, action, guid, facts, ...client }) => ({
        id,
        at,
        actor,
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only `prepareAct` writes it
        action: action as AuditAction,
        guid,
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `actValues` wrote an object
        facts: JSON.parse(facts) as Readonly<Record<string, unknown>>,
        client,
      }))
    },
  }
}

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

/** The condition that a row is as asked for, where that is asked for. */
function isAsked(name: 'actor' | 'action'): SQL {
  return sql`${audit[name]} = coalesce(${parameter(name)}, ${audit[name]})`
}
