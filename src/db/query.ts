/**
 * Drizzle's query builders, without its D1 driver. Queries are written here and run by `statement.ts`, so the driver's
 * session and result mapping would be loaded by every isolate and used by none.
 */

import {
  QueryBuilder,
  type SelectedFields,
  SQLiteAsyncDialect,
  SQLiteDeleteBase,
  SQLiteInsertBuilder,
  type SQLiteTable,
  SQLiteUpdateBuilder,
} from 'drizzle-orm/sqlite-core'

const dialect = new SQLiteAsyncDialect()
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a session of Drizzle runs queries, and `statement.ts` runs these
const noSession = undefined as never

type Insert<Table extends SQLiteTable> = SQLiteInsertBuilder<Table, 'async', D1Result>
type Update<Table extends SQLiteTable> = SQLiteUpdateBuilder<Table, 'async', D1Result>
type Delete<Table extends SQLiteTable> = SQLiteDeleteBase<Table, 'async', D1Result>

export function select<Selection extends SelectedFields>(selection: Selection) {
  return new QueryBuilder(dialect).select(selection)
}

export function insertInto<Table extends SQLiteTable>(table: Table): Insert<Table> {
  return new SQLiteInsertBuilder(table, noSession, dialect)
}

export function update<Table extends SQLiteTable>(table: Table): Update<Table> {
  return new SQLiteUpdateBuilder(table, noSession, dialect)
}

export function deleteFrom<Table extends SQLiteTable>(table: Table): Delete<Table> {
  return new SQLiteDeleteBase(table, noSession, dialect)
}
