/**
 * Statements that are built once per isolate. Drizzle writes the SQL, from the typed schema; D1 prepares it; a request
 * only binds values. Building a query on every call would cost more CPU than the call itself.
 */

import { type Column, type GetColumnData, is, Param, Placeholder, type Query, type SQL, sql } from 'drizzle-orm'

export type Value = string | number | null

/** A prepared statement with named parameters. */
export interface Statement<Row> {
  /** Values by name; those that the statement does not have are ignored. D1 throws for one that is missing. */
  readonly bind: (values: Readonly<Record<string, Value>>) => D1PreparedStatement
  /** The rows of a result of this statement. */
  readonly rows: (result: D1Result | undefined) => readonly Row[]
}

interface BuiltQuery<Row> {
  readonly toSQL: () => Query
  readonly _: { readonly result: Row[] | D1Result }
}

/** The variable part `name` of a query that is given to `prepare`. */
export function parameter(name: string): SQL<never> {
  return sql`${sql.placeholder(name)}`
}

/** Columns under the names of their keys, since D1 returns rows by column name, and two tables may have columns of one name. */
export function aliased<Columns extends Record<string, Column>>(columns: Columns) {
  const entries = Object.entries(columns).map(([key, column]) => [key, sql`${column}`.as(key)])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `fromEntries` forgets which keys it was given
  return Object.fromEntries(entries) as { [Key in keyof Columns]: SQL.Aliased<GetColumnData<Columns[Key]>> }
}

/** Prepares a Drizzle query whose variable parts are `parameter(name)`. */
export function prepare<Row = never>(d1: D1Database, query: BuiltQuery<Row>): Statement<Row> {
  const { sql: text, params } = query.toSQL()
  const prepared = d1.prepare(text)
  const sources = params.map(source)
  return {
    bind: (values) => prepared.bind(...sources.map((from) => (from.name === null ? from.value : values[from.name]))),
    rows: (result) => {
      // An empty list would mean that no row matched, where D1 gave no result at all.
      if (result === undefined) throw new RangeError('D1 gave no result for a statement of a batch')
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- D1 knows no types; the query that made the rows does
      return result.results as Row[]
    },
  }
}

function source(param: unknown): { readonly name: string | null; readonly value: unknown } {
  if (is(param, Placeholder)) return { name: param.name, value: null }
  if (is(param, Param)) return source(param.value)
  return { name: null, value: param }
}
