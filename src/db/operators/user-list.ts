/**
 * Lists of users in D1. A page reads a window of ids, so that a filter which few users fit costs no more than the window, however many
 * there are; an address and an external id are found by their index.
 */

import { and, asc, type SQL, sql } from 'drizzle-orm'

import type { UserPage, UserQuery } from '../../domain/operators/user.ts'
import { runBatch } from '../d1.ts'
import { select } from '../query.ts'
import { users } from '../schema.ts'
import { parameter, prepare, type Value } from '../statement.ts'
import { toUser, userColumns } from './user-columns.ts'

/** How many rows a page reads at most. */
export const WINDOW_ROWS = 10_000

/** Lists of users over a D1 database. Build it once per isolate. */
export function createUserList(d1: D1Database): (query: UserQuery) => Promise<UserPage> {
  const statements = prepareStatements(d1)

  return async (query) => {
    const values = valuesOf(query)
    if (query.email !== null || query.externalId !== null) {
      const find = query.email === null ? statements.findByExternalId : statements.findByEmail
      const [found] = await runBatch(d1, [find.bind(values)])
      return { users: find.rows(found).map(toUser), next: null }
    }
    const [listed, bounds] = await runBatch(d1, [statements.list.bind(values), statements.bounds.bind(values)])
    const rows = statements.list.rows(listed)
    const page = rows.slice(0, query.limit)
    const [{ first, last } = { first: null, last: null }] = statements.bounds.rows(bounds)
    return { users: page.map(toUser), next: nextAfter(rows.length > page.length ? page.at(-1)?.id : undefined) }

    /** Behind the last user of a full page, or behind the window where there are users beyond. */
    function nextAfter(lastOfFull: number | undefined): number | null {
      if (lastOfFull !== undefined) return lastOfFull
      if (first === null || last === null) return null
      const end = first + WINDOW_ROWS - 1
      return end < last ? end : null
    }
  }
}

function prepareStatements(d1: D1Database) {
  const after = sql`${users.id} > ${parameter('after')}`
  const first = sql`(select id from ${users} as ahead where ahead.id > ${parameter('after')} order by ahead.id limit 1)`
  const inWindow = and(after, sql`${users.id} < ${first} + ${sql.raw(String(WINDOW_ROWS))}`)
  const hasEmail = sql`${users.primaryEmail} = ${parameter('email')} collate nocase`
  const hasExternalId = sql`${users.externalId} = ${parameter('externalId')}`
  const isFound = sql`(${parameter('search')} is null or ${contains(sql`${users.primaryEmail}`)}
    or ${contains(sql`${users.externalId}`)}
    or substr(${users.guid}, 1, length(${parameter('searchLower')})) = ${parameter('searchLower')})`
  const fits = and(
    sql`(${users.leftAt} is not null) = ${parameter('hasLeft')}`,
    sql`(${parameter('group')} is null or ${users.group} = ${parameter('group')})`,
    sql`(${parameter('isActive')} is null or ${users.isActive} = ${parameter('isActive')})`,
    sql`(${parameter('isConfirmed')} is null or (${users.confirmedAt} is not null) = ${parameter('isConfirmed')})`,
    isFound,
  )

  return {
    list: prepare(
      d1,
      select(userColumns())
        .from(users)
        .where(and(inWindow, fits))
        .orderBy(asc(users.id))
        .limit(sql.placeholder('rows')),
    ),
    bounds: prepare(
      d1,
      select({
        first: sql<number | null>`${first}`.as('first'),
        last: sql<number | null>`(select max(id) from ${users})`.as('last'),
      }).from(sql`(select 1)`),
    ),
    findByEmail: prepare(
      d1,
      select(userColumns())
        .from(users)
        .where(and(hasEmail, sql`(${parameter('externalId')} is null or ${hasExternalId})`, after, fits)),
    ),
    findByExternalId: prepare(
      d1,
      select(userColumns())
        .from(users)
        .where(and(hasExternalId, after, fits)),
    ),
  }
}

function valuesOf(query: UserQuery): Readonly<Record<string, Value>> {
  const { email, externalId, search, group, isActive, isConfirmed, hasLeft, after, limit } = query
  return {
    email,
    externalId,
    search,
    searchLower: search?.toLowerCase() ?? null,
    group,
    isActive: toFlag(isActive),
    isConfirmed: toFlag(isConfirmed),
    hasLeft: toFlag(hasLeft),
    after,
    // One more than a page has, so that it shows whether there is another.
    rows: limit + 1,
  }
}

function toFlag(is: boolean | null): number | null {
  return is === null ? null : Number(is)
}

/**
 * The condition that a column has what is searched for, in any case. `lower` knows ASCII alone, so a text with other capitals is also looked
 * for as it was given. No pattern of LIKE, in which some characters would mean others, and which D1 takes up to 50 bytes.
 */
function contains(column: SQL): SQL {
  return sql`(instr(lower(${column}), ${parameter('searchLower')}) > 0 or instr(lower(${column}), lower(${parameter('search')})) > 0)`
}
