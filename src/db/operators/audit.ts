/** The ledger in D1. Rows are inserted, in the transaction of the act, and read; the purge alone deletes them, once they are old. */

import { and, eq, gt, lt, type SQL, sql } from 'drizzle-orm'

import type { Act, AuditAction, AuditQuery, AuditStore } from '../../domain/operators/audit.ts'
import { runBatch } from '../d1.ts'
import { insertInto } from '../query.ts'
import { audit, type notifications, users } from '../schema.ts'
import { aliased, parameter, prepare, type Value } from '../statement.ts'
import { LAST, pageOf, preparePage } from './page.ts'

/**
 * How far the clocks of two edge locations may be apart. Ids are in the order of the transactions, which the times of the rows follow but
 * for this.
 */
const CLOCKS_APART_SECONDS = 300

/** The ledger over a D1 database. Build it once per isolate. */
export function createAuditStore(d1: D1Database): AuditStore {
  const pages = {
    ofAccount: prepareList(d1, sql`${audit.userId} = (select id from ${users} where guid = ${parameter('guid')})`),
    ofActor: prepareList(d1, eq(audit.actor, parameter('actor'))),
    all: prepareList(d1, undefined),
  }

  return {
    async list({ before, ...query }) {
      const { page, border } = pageFor(query)
      const values = { ...query, before: before ?? LAST, rows: query.limit + 1 }
      const [found, reached] = await runBatch(d1, [page.bind(values), border.bind(values)])
      const { rows, next } = pageOf(page.rows(found), query.limit, border.rows(reached)[0])
      return { next: next?.id ?? null, entries: rows.map(toEntry) }
    },
  }

  function pageFor({ guid, actor }: Pick<AuditQuery, 'guid' | 'actor'>) {
    if (guid !== null) return pages.ofAccount
    return actor === null ? pages.all : pages.ofActor
  }
}

/** A list of those rows that `where` finds by an index, the newest first. Rows that are written later stand before its beginning. */
function prepareList(d1: D1Database, where: SQL | undefined) {
  // The first row and the last one in which the times that are asked for may be, by the index of times. Together with the cursor they
  // are one bound, since SQLite seeks by one and reads past the other.
  const since = sql`(select id from ${audit} where at < ${parameter('since')} - ${CLOCKS_APART_SECONDS} order by at desc limit 1)`
  const until = sql`(select id from ${audit} where at > ${parameter('until')} + ${CLOCKS_APART_SECONDS} order by at limit 1)`
  return preparePage(d1, {
    table: audit,
    where: and(
      where,
      gt(audit.id, sql`coalesce(${since}, 0)`),
      lt(audit.id, sql`min(${parameter('before')}, coalesce(${until}, ${sql.raw(String(LAST))}))`),
    ),
    order: sql`${audit.id} desc`,
    keys: aliased({ id: audit.id }),
    columns: {
      ...aliased({
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
    },
    filter: and(
      isAsked('actor'),
      isAsked('action'),
      sql`${audit.at} >= coalesce(${parameter('since')}, ${audit.at})`,
      sql`${audit.at} <= coalesce(${parameter('until')}, ${audit.at})`,
    ),
  })
}

type AuditRow = ReturnType<ReturnType<typeof prepareList>['page']['rows']>[number]

function toEntry({ id, at, actor, action, guid, facts, ...client }: AuditRow) {
  return {
    id,
    at,
    actor,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only `prepareAct` writes it
    action: action as AuditAction,
    guid,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `actValues` wrote an object
    facts: JSON.parse(facts) as Readonly<Record<string, unknown>>,
    client,
  }
}

/** What an act is about, where that is no account: each row makes one act. */
interface ActSource {
  readonly of: typeof notifications | SQL
  readonly userId: SQL | null
  /** Completes the parameter `actFacts`. */
  readonly facts?: SQL<never>
}

/** The statement that stores an act about each account that `where` finds, or each row of a source; about none, where both are left out. */
export function prepareAct(d1: D1Database, where?: SQL, source?: ActSource) {
  const about =
    source ?? (where === undefined ? { of: sql`(select 1)`, userId: null } : { of: users, userId: users.id })
  const statement = prepare(
    d1,
    insertInto(audit).select((query) =>
      query
        .select({
          id: sql<number>`null`.as('id'),
          at: parameter('now').as('at'),
          actor: parameter('actor').as('actor'),
          action: parameter('action').as('action'),
          userId: sql<number | null>`${about.userId}`.as('user_id'),
          facts: (source?.facts ?? parameter('actFacts')).as('facts'),
          ip: parameter('actorAddress').as('ip'),
          asn: parameter('actorAsn').as('asn'),
          country: parameter('actorCountry').as('country'),
          city: parameter('actorCity').as('city'),
          userAgent: parameter('actorUserAgent').as('user_agent'),
        })
        .from(about.of)
        .where(where),
    ),
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
