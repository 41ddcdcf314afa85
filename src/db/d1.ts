/**
 * Round trips to D1. Each has a limit of time, and every failure is `unavailable` (503): the caller may come back, and
 * a client does not take it for the end of its session.
 */

import { inTime, NoAnswer } from '../domain/in-time.ts'
import { toError } from '../domain/describe-error.ts'
import { TesseraError } from '../errors.ts'
import { type Cause, NOT_MIGRATED } from '../log.ts'

/**
 * How long one round trip may take. The longest chain is a refresh from another place: three tries of the rotation with
 * their pauses, the end of the session, and the queue message about the mail (`mail/queue.ts`). It stays below 8 s, or
 * below 10 s where another client was faster, so that the session is ended as reused after all. The three tries stay below
 * `RACE_SECONDS`, so that a retry of this Worker is never taken for a reused token.
 */
const ROUND_TRIP_MILLISECONDS = 1750
const ATTEMPTS = 3
/** The longest pause after the first try; after the second it is twice as long. */
const PAUSE_MILLISECONDS = 50

/** How long a caller should wait before asking again when D1 is down. */
const RETRY_AFTER_SECONDS = 1

/**
 * Runs statements as one transaction, in one round trip. Throws `unavailable` when D1 fails or does not answer in time; the
 * transaction may have been committed, or may still be.
 */
export async function runBatch(
  d1: D1Database,
  statements: D1PreparedStatement[],
  limitMilliseconds = ROUND_TRIP_MILLISECONDS,
): Promise<D1Result[]> {
  try {
    return await inTime(d1.batch(statements), limitMilliseconds)
  } catch (cause) {
    throw unavailable(cause)
  }
}

/** Runs one statement. Throws as `runBatch` does. */
export async function run(statement: D1PreparedStatement): Promise<D1Result> {
  try {
    return await inTime(statement.run(), ROUND_TRIP_MILLISECONDS)
  } catch (cause) {
    throw unavailable(cause)
  }
}

/**
 * Tries an operation again until D1 answers, three times at most. The operation must be one that may run twice, since a write
 * that failed or timed out may have been committed, and D1 does not retry writes itself. Throws `unavailable` when no try was
 * answered, and at once when D1 says that it is overloaded, since more tries are more load; the write may have been committed
 * even then. `random` is at least 0 and below 1.
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
      // Half of a pause is random, so that callers who failed at the same moment do not retry at the same moment.
      const milliseconds = PAUSE_MILLISECONDS * tries * (0.5 + random() / 2)
      await new Promise((resolve) => setTimeout(resolve, milliseconds))
      return attempt(tries + 1)
    }
  }
}

/** Whether D1 failed because a table is missing. */
export function lacksTable(error: unknown): boolean {
  return error instanceof Error && error.message.includes('no such table')
}

/** Whether a transaction was rolled back because a row with its key is there already. `column` is that of the key. */
export function isTaken(error: unknown, column: string): boolean {
  const cause = error instanceof TesseraError ? error.cause : null
  return cause instanceof Error && cause.message.includes(`UNIQUE constraint failed: ${column}`)
}

function isOverloaded(cause: unknown): boolean {
  return cause instanceof Error && /overloaded|Too many requests queued/.test(cause.message)
}

function unavailable(cause: unknown): TesseraError {
  return new TesseraError('unavailable', { cause: inWords(cause), retryAfterSeconds: RETRY_AFTER_SECONDS })
}

function inWords(cause: unknown): Cause | Error {
  if (cause instanceof NoAnswer) return 'D1 is silent'
  return lacksTable(cause) ? NOT_MIGRATED : toError(cause)
}
