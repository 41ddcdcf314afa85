/**
 * Round trips to D1. None waits for longer than its limit, and every failure is `unavailable`: a caller may come back, and
 * nobody is signed out because of it.
 */

import { inTime, NoAnswer } from '../domain/in-time.ts'
import { TesseraError } from '../errors.ts'

/**
 * How long one round trip may take. A refresh that moved makes the longest chain: three tries of the rotation and their
 * pauses, the end of the session, and the message about it (`mail/delivery.ts`) stay below 8 s, or 10 s where the end
 * finds that another client was faster; and the three tries below the interval of a race, so that a retry of our own never
 * looks like reuse.
 */
const ROUND_TRIP_MILLISECONDS = 1750
const ATTEMPTS = 3
/** The longest pause after the first try; after the second it is twice as long. */
const PAUSE_MILLISECONDS = 50

/** How long a caller should wait before asking again when D1 is down. */
const RETRY_AFTER_SECONDS = 1

/** For the log, where a database has not the schema: what to run. */
export const NOT_MIGRATED = 'D1 is not migrated. Locally, run `npm start`; deployed, run `npm run deploy`'

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
 * answer in time, may have happened. Throws `unavailable` when D1 stays silent, and at once when it says that it has too
 * much to do: further tries would give it more. It may have happened even so. `random` is at least 0 and below 1.
 */
export async function untilAnswered<Result>(
  operation: () => Promise<Result>,
  random: () => number = Math.random,
): Promise<Result> {
  return attempt(1)

  async function attempt(tries: number): Promise<Result> {
    try {
      return await operation()
    } catch (error) {
      if (!(error instanceof TesseraError) || isOverloaded(error.cause) || tries === ATTEMPTS) throw error
      // The half of a pause is chance, so that callers who failed together do not come back together.
      const milliseconds = PAUSE_MILLISECONDS * tries * (0.5 + random() / 2)
      await new Promise((resolve) => setTimeout(resolve, milliseconds))
      return attempt(tries + 1)
    }
  }
}

/** Whether D1 failed for want of a table. */
export function lacksTable(error: unknown): boolean {
  return error instanceof Error && error.message.includes('no such table')
}

function isOverloaded(cause: unknown): boolean {
  return cause instanceof Error && /overloaded|Too many requests queued/.test(cause.message)
}

function unavailable(cause: unknown): TesseraError {
  return new TesseraError('unavailable', { cause: inWords(cause), retryAfterSeconds: RETRY_AFTER_SECONDS })
}

function inWords(cause: unknown): unknown {
  if (cause instanceof NoAnswer) return 'D1 is silent'
  return lacksTable(cause) ? NOT_MIGRATED : cause
}
