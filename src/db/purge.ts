/**
 * Deletes rows that have been over for a while, in chunks that stay far below the limits of one statement, and only so many
 * in one run. The next run deletes what is left.
 */

import { inArray, lte } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'

import type { Log } from '../log.ts'
import { run } from './d1.ts'
import { deleteFrom, select } from './query.ts'
import { allowedPlaces, notifications, sessions } from './schema.ts'
import { parameter, prepare } from './statement.ts'

/** Sessions stay for a day after they are over (`sessions/end-columns.ts`), for whoever asks what happened. */
const KEEP_SESSIONS_SECONDS = 86_400
/** A mail stays longer than its links work, and longer than it is tried. */
const KEEP_NOTIFICATIONS_SECONDS = 30 * 86_400

/** Some 5,000 row and index writes, a fraction of a second. */
const CHUNK_ROWS = 1000
const MAX_CHUNKS = 20
/** A chunk may take longer than a caller's round trip, since nobody waits for it. After this, D1 is taken to be silent. */
const CHUNK_MILLISECONDS = 5000

/** Deletes rows that are over at `now` (seconds since 1970), and logs how many went. There may be more. */
export type Purge = (now: number) => Promise<void>

/** The purge of a D1 database. Build it once per isolate. */
export function createPurge(d1: D1Database, log: Log): Purge {
  const chunks = [
    prepareChunk(d1, sessions, sessions.sid, sessions.expiresAt, KEEP_SESSIONS_SECONDS),
    prepareChunk(d1, allowedPlaces, allowedPlaces.id, allowedPlaces.expiresAt, 0),
    prepareChunk(d1, notifications, notifications.id, notifications.createdAt, KEEP_NOTIFICATIONS_SECONDS),
  ]
  return async (now) => {
    let total = 0
    let left = MAX_CHUNKS
    for (const deleteChunk of chunks) {
      let deleted = CHUNK_ROWS
      while (deleted === CHUNK_ROWS && left > 0) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other: D1 has one thread, and callers wait for it
        deleted = await deleteChunk(now)
        total += deleted
        left -= 1
      }
    }
    if (total > 0) log({ event: 'purged', rows: total })
  }
}

/** Ids first: SQLite takes no LIMIT in a DELETE. `since` is indexed in every table. */
function prepareChunk(d1: D1Database, table: SQLiteTable, id: SQLiteColumn, since: SQLiteColumn, keepSeconds: number) {
  const over = select({ id })
    .from(table)
    .where(lte(since, parameter('cutoff')))
    .limit(CHUNK_ROWS)
  const statement = prepare(d1, deleteFrom(table).where(inArray(id, over)))
  return async (now: number) =>
    (await run(statement.bind({ cutoff: now - keepSeconds }), CHUNK_MILLISECONDS)).meta.changes
}
