/**
 * Pages of long lists. A page is read in the order of an index from its cursor on, and filtered on the way: where few rows are as asked
 * for, it ends after so many, and the next one goes on from there.
 */

import { eq, type SQL, sql } from 'drizzle-orm'

import { select } from '../query.ts'
import { type audit, type notifications, users } from '../schema.ts'
import { prepare } from '../statement.ts'

/** How many rows a page looks at. Both of its statements read them, where a page is not full before. */
const SCANNED_ROWS = 5000

/** Larger than every id and every time. */
export const LAST = Number.MAX_SAFE_INTEGER

type Columns = Readonly<Record<string, SQL.Aliased>>

interface List<Keys extends Columns, Selected extends Columns> {
  readonly table: typeof audit | typeof notifications
  /** What the index finds, from the cursor on. */
  readonly where: SQL | undefined
  readonly order: SQL
  /** What the cursor of a row is made of. */
  readonly keys: Keys
  /** What a row of the page shows: of the table, and of the account that it is about. */
  readonly columns: Selected
  readonly filter: SQL | undefined
}

/** Prepares the pages of a list, of `rows` rows: the page, and its border, which is the key of the last row that it looks at. */
export function preparePage<Keys extends Columns, Selected extends Columns>(
  d1: D1Database,
  { table, where, order, keys, columns, filter }: List<Keys, Selected>,
) {
  // The sub-query has the name of its table, so that columns mean the same inside and outside. Its limit keeps its order, and lets the
  // page stop reading when it is full.
  const within = sql`(select *, rowid as row_id from ${table} where ${where ?? sql`true`} order by ${order}`
  const scanned = sql`${within} limit ${SCANNED_ROWS}) as ${table}`
  const last = sql`${within} limit 1 offset ${SCANNED_ROWS - 1}) as ${table}`
  return {
    page: prepare(
      d1,
      select({ ...columns, ...keys })
        .from(scanned)
        .leftJoin(users, eq(users.id, table.userId))
        .where(filter)
        .limit(sql.placeholder('rows')),
    ),
    border: prepare(d1, select(keys).from(last)),
  }
}

/** A page of `limit` rows out of one row more, and the row behind which the next page begins; `null`: this was the last one. */
export function pageOf<Key, Row extends Key>(found: readonly Row[], limit: number, border: Key | undefined) {
  const rows = found.slice(0, limit)
  return { rows, next: found.length > limit ? (rows.at(-1) ?? null) : (border ?? null) }
}
