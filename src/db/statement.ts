/**
 * Statements that are built once per isolate. Drizzle writes the SQL, from the typed schema; D1 prepares it; a request
 * only binds values. Building a query on every call would cost more CPU than the call itself.
 */

import { type Column, type GetColumnData, is, Param, Placeholder, type Query, type SQL, sql } from 'drizzle-orm'

import { inTime, NoAnswer } from '../domain/in-time.ts'
import { TesseraError } from '../errors.ts'

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

/**
 * How long one round trip may take. A refresh that moved makes the longest chain: three tries of the rotation and their
 * pauses, the end of the session, and the message about it (`mail/delivery.ts`) stay below 8 s, or 10 s where the end
 * finds that another client was faster; and the three tries below the interval of a race, so that a retry of our own never
 * looks like reuse.
 */
const ROUND_TRIP_MILLISECONDS = 1750
const ATTEMPTS = 3
const PAUSE_MILLISECONDS = 50

/** How long a caller should wait before asking again when D1 is down. */
const RETRY_AFTER_SECONDS = 1

/** For the log, where a database has not the schema: what to run. */
export const NOT_MIGRATED = 'D1 is not migrated. Locally, run `npm start`; deployed, run `npm run deploy`'

/** The variable part `name` of a query that is given to `prepare`. */
export function parameter(name: string): SQL<never> {
  return sql`${sql.placeholder(name)}`
}

/** Columns under the names of their keys: D1 returns rows by column name, and two tables may share one. */
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
      // "No rows" would be an answer, and a wrong one.
      if (result === undefined) throw new RangeError('D1 gave no result for a statement of a batch')
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- D1 knows no types; the query that made the rows does
      return result.results as Row[]
    },
  }
}

/**
 * Runs statements as one transaction, in one round trip. Throws `unavailable` for every failure of D1, its silence among
 * them: after that the transaction may have happened, or may happen yet.
 */
export async function runBatch(d1: D1Database, statements: D1PreparedStatement[]): Promise<D1Result[]> {
  try {
    return await inTime(d1.batch(statements), ROUND_TRIP_MILLISECONDS)
  } catch (cause) {
    throw unavailable(cause)
  }
}

/** Runs one statement. Throws as `runBatch` does. */
export async function run(
  statement: D1PreparedStatement,
  limitMilliseconds = ROUND_TRIP_MILLISECONDS,
): Promise<D1Result> {
  try {
    return await inTime(statement.run(), limitMilliseconds)
  } catch (cause) {
    throw unavailable(cause)
  }
}

/**
 * Runs something that may safely run twice, until D1 answers: D1 never retries a write, and one that failed, or did not
 * answer in time, may have happened. Throws `unavailable` when D1 stays silent; it may have happened even so.
 */
export async function untilAnswered<Result>(operation: () => Promise<Result>, attempt = 1): Promise<Result> {
  try {
    return await operation()
  } catch (error) {
    if (!(error instanceof TesseraError) || attempt === ATTEMPTS) throw error
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS * attempt))
    return untilAnswered(operation, attempt + 1)
  }
}

function unavailable(cause: unknown): TesseraError {
  return new TesseraError('unavailable', { cause: inWords(cause), retryAfterSeconds: RETRY_AFTER_SECONDS })
}

function inWords(cause: unknown): unknown {
  if (cause instanceof NoAnswer) return 'D1 is silent'
  return lacksTable(cause) ? NOT_MIGRATED : cause
}

/** Whether D1 failed for want of a table. */
export function lacksTable(error: unknown): boolean {
  return error instanceof Error && error.message.includes('no such table')
}

function source(param: unknown): { readonly name: string | null; readonly value: unknown } {
  if (is(param, Placeholder)) return { name: param.name, value: null }
  if (is(param, Param)) return source(param.value)
  return { name: null, value: param }
}
