/**
 * Deletes rows that have been over for a while. An index that finds them would cost every refresh another written row, so each run
 * of a day reads one slice of every table, by `rowid`, and the runs of a day together read all of it.
 *
 * The time of a run decides which slice it reads, so that no state is kept; a slice whose run failed is read the next day. The
 * first run of a day reads the newest rows. During the day a table grows at its new end and shrinks at its old one, and both move
 * the borders of its slices towards newer rows: a row that was not read yet moves into a slice whose run is still to come.
 *
 * What is kept of sessions that leave is written in the order in which it is over, and looked at from the oldest on.
 */

import { and, exists, eq, isNull, lte, type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'

import { LINKS } from '../domain/mails/links.ts'
import { AUDIT_DAYS } from '../domain/operators/audit.ts'
import { SEEN_PLACE_SECONDS } from '../domain/places/seen-place.ts'
import type { Log } from '../log.ts'
import { hasLeft } from './accounts/left.ts'
import { runBatch } from './d1.ts'
import { deleteFrom, insertInto, select } from './query.ts'
import {
  addressChanges,
  allowedPlaces,
  attempts,
  audit,
  events,
  notifications,
  pastSessions,
  registrations,
  seenPlaces,
  sessions,
  usedLinks,
  users,
} from './schema.ts'
import { tellsNothing } from './sessions/end-columns.ts'
import { parameter, prepare, type Statement } from './statement.ts'

/** The interval of the cron trigger in `wrangler.toml`. */
export const RUN_SECONDS = 300
const RUNS_A_DAY = 86_400 / RUN_SECONDS

/** A session stays for another day after that (`sessions/end-columns.ts`), for whoever asks what happened. */
const KEEP_SESSIONS_SECONDS = 86_400
/** A mail stays longer than its links work, and longer than it is tried; what is noted of a used link stays as long. */
export const KEEP_MAILS_SECONDS = 30 * 86_400

/** What is kept of a session whose row was deleted, and what happened to accounts, is told for so long. */
export const KEEP_HISTORY_SECONDS = 90 * 86_400
/** An event that nobody took from its queue stays longer: its queue may have been taken away. */
const KEEP_UNSENT_EVENTS_SECONDS = 180 * 86_400

/** A registration stays longer than its link works. */
export const KEEP_REGISTRATIONS_SECONDS = 2 * 86_400
/** As long as the link works that takes the change back. */
export const KEEP_ADDRESS_CHANGES_SECONDS = LINKS.undo_email.lifetimeSeconds
/** What was tried counts for a day, or until a wait ends. */
const KEEP_ATTEMPTS_SECONDS = 2 * 86_400

/** The rows that one statement deletes at most, so that callers wait only briefly for D1's one thread. */
const CHUNK_ROWS = 1000
/** In one run, of all tables together. Rows that are left are in a slice of the next day. */
const MAX_CHUNKS = 24
/** A chunk may take longer than a caller's round trip, since nobody waits for it. After this, D1 is taken to be silent. */
const CHUNK_MILLISECONDS = 5000

/**
 * Deletes rows that are over at `now`, of the slice whose turn it is at `scheduledAt` (both in seconds since 1970), and logs
 * how many went.
 */
export type Purge = (now: number, scheduledAt: number) => Promise<void>

interface PurgeOptions {
  readonly slices?: number
  /** A queue of events is bound: what waits for it may still be sent, also of an account whose owner left. */
  readonly isFollowed?: boolean
}

/** The purge of a D1 database, as so many slices as there are runs a day. Build it once per isolate. */
export function createPurge(
  d1: D1Database,
  log: Log,
  { slices = RUNS_A_DAY, isFollowed = false }: PurgeOptions = {},
): Purge {
  const tables = [
    // Those that had not ended went with the account.
    prepareTable(
      d1,
      slices,
      sessions,
      sql`(${tellsNothing(ago(KEEP_SESSIONS_SECONDS))} or ${sessions.endedAt} is not null and ${hasLeft(sessions.userId)})`,
      keepSessions,
    ),
    prepareTable(d1, slices, allowedPlaces, lte(allowedPlaces.expiresAt, parameter('now'))),
    // Of the mails about an account whose owner left, the one that is still to be sent is about that. One to confirm an address belongs to
    // no account: it goes once its registration has become one, or is forgotten.
    prepareTable(
      d1,
      slices,
      notifications,
      sql`(${lte(notifications.createdAt, ago(KEEP_MAILS_SECONDS))}
        or (${notifications.sentAt} is not null or ${notifications.failedAt} is not null)
          and (${hasLeft(notifications.userId)} or ${notifications.userId} = 0 and not ${isRegistered(notifications.id)}))`,
    ),
    prepareTable(d1, slices, usedLinks, lte(usedLinks.usedAt, ago(KEEP_MAILS_SECONDS))),
    prepareTable(d1, slices, registrations, lte(registrations.createdAt, ago(KEEP_REGISTRATIONS_SECONDS))),
    prepareTable(d1, slices, addressChanges, lte(addressChanges.changedAt, ago(KEEP_ADDRESS_CHANGES_SECONDS))),
    prepareTable(d1, slices, seenPlaces, lte(seenPlaces.seenAt, ago(SEEN_PLACE_SECONDS))),
    prepareTable(
      d1,
      slices,
      attempts,
      sql`max(${attempts.at}, ${attempts.waitsUntil}) <= ${ago(KEEP_ATTEMPTS_SECONDS)}`,
    ),
    prepareTable(d1, slices, audit, lte(audit.at, ago(AUDIT_DAYS * 86_400))),
    prepareOldest(d1, pastSessions, lte(pastSessions.keptAt, ago(KEEP_HISTORY_SECONDS))),
    prepareTable(
      d1,
      slices,
      events,
      sql`((${events.at} <= ${ago(KEEP_HISTORY_SECONDS)} and ${isNull(events.dueAt)} or ${events.at} <= ${ago(KEEP_UNSENT_EVENTS_SECONDS)})
          and not (${events.endedBefore} is not null and ${saysWhatEnded()})
        or ${isFollowed ? 0 : 1} and ${events.dueAt} is not null and ${events.type} <> 'left' and ${hasLeft(events.userId)})`,
    ),
  ]

  return async (now, scheduledAt) => {
    const slice = slices - 1 - (Math.floor(scheduledAt / RUN_SECONDS) % slices)
    const waiting = [...tables]
    let total = 0
    for (let left = MAX_CHUNKS; left > 0; left -= 1) {
      const deleteChunk = waiting.shift()
      if (deleteChunk === undefined) break
      // oxlint-disable-next-line no-await-in-loop -- one after the other: D1 has one thread, and callers wait for it
      const deleted = await deleteChunk({ slice, now })
      total += deleted
      // A table that may have more goes behind the others, so that none waits for the end of another.
      if (deleted === CHUNK_ROWS) waiting.push(deleteChunk)
    }
    if (total > 0) log({ event: 'purged', rows: total })
  }
}

/** Whether a mail is that of a registration which nobody has confirmed. */
function isRegistered(id: SQLiteColumn): SQL {
  return sql`exists (select 1 from ${registrations} where ${registrations.id} = ${id})`
}

/** Whether a session is still told of that an event ended: without the event, its history would name a later end. */
function saysWhatEnded(): SQL {
  // Each half of the sessions is in an index of its own.
  const halves = ['told.revoked_at is null', 'told.revoked_at is not null']
  const told = [
    hasEnded(pastSessions, 'opened_at', 'true'),
    ...halves.map((half) => hasEnded(sessions, 'created_at', half)),
  ]
  return sql`(${sql.join(told, sql` or `)})`
}

function hasEnded(table: SQLiteTable, openedAt: string, which: string): SQL {
  return sql`exists (
    select 1 from ${table} as told
    where told.user_id = ${events.userId} and told.sid is not ${events.endedExcept}
      and told.${sql.raw(openedAt)} <= ${events.endedBefore} and ${sql.raw(which)})`
}

function ago(seconds: number): SQL {
  return sql`${parameter('now')} - ${seconds}`
}

/** What is kept of the sessions that a chunk deletes, unless their account is gone or its owner left. */
function keepSessions(chunk: SQL) {
  const hasOwner = exists(
    select({ one: sql`1` })
      .from(users)
      .where(and(eq(users.id, sessions.userId), isNull(users.leftAt))),
  )
  return insertInto(pastSessions).select((query) =>
    query
      .select({
        id: sql<number>`null`.as('id'),
        sid: sessions.sid,
        userId: sessions.userId,
        openedAt: sql<number>`${sessions.createdAt}`.as('opened_at'),
        lastUsedAt: sql<number>`${sessions.issuedAt}`.as('last_used_at'),
        expiredAt: sql<number>`${sessions.expiresAt}`.as('expired_at'),
        endedAt: sql<number | null>`${sessions.endedAt}`.as('ended_at'),
        endReason: sql<string | null>`${sessions.endReason}`.as('end_reason'),
        country: sessions.country,
        city: sessions.city,
        provider: sessions.provider,
        userAgent: sessions.userAgent,
        keptAt: parameter('now').as('kept_at'),
      })
      .from(sessions)
      .where(and(sql`${sessions}.rowid in (${chunk})`, hasOwner)),
  )
}

/** Deletes a chunk of rows, of a slice where the table is read in slices, and says how many went. */
type DeleteChunk = (position: { readonly slice: number; readonly now: number }) => Promise<number>

/**
 * Prepares the purge of one table, which deletes a chunk of a slice, the oldest being 0. `keep` is the statement that keeps something of
 * these rows, in the same transaction.
 */
function prepareTable(
  d1: D1Database,
  slices: number,
  table: SQLiteTable,
  isOver: SQL,
  keep?: typeof keepSessions,
): DeleteChunk {
  // Each sub-query reads one row, where one SELECT of both would read the whole table.
  const [oldest, newest] = [sql`(select min(rowid) from ${table})`, sql`(select max(rowid) from ${table})`]
  // The rowid at which a slice begins: the range of the table in equal parts.
  const border = (below: SQL) => sql`(${oldest} * (${slices} - ${below}) + (${newest} + 1) * ${below}) / ${slices}`
  const slice = parameter('slice')
  // A sub-query selects the ids, since SQLite takes no LIMIT in a DELETE.
  const chunk = sql`
    select rowid from ${table}
    where rowid >= ${border(slice)} and rowid < ${border(sql`(${slice} + 1)`)} and ${isOver}
    order by rowid limit ${CHUNK_ROWS}`
  return prepareChunk(d1, table, chunk, keep === undefined ? [] : [prepare(d1, keep(chunk))])
}

/** Prepares the purge of a table whose rows are in the order of their times: of its oldest rows it deletes those that are over. */
function prepareOldest(d1: D1Database, table: SQLiteTable, isOver: SQL): DeleteChunk {
  const oldest = sql`(select *, rowid as row_id from ${table} order by rowid limit ${CHUNK_ROWS}) as ${table}`
  return prepareChunk(d1, table, sql`select row_id from ${oldest} where ${isOver}`)
}

function prepareChunk(
  d1: D1Database,
  table: SQLiteTable,
  chunk: SQL,
  keeping: readonly Statement<unknown>[] = [],
): DeleteChunk {
  const statements = [...keeping, prepare(d1, deleteFrom(table).where(sql`rowid in (${chunk})`))]
  return async (position) => {
    const results = await runBatch(
      d1,
      statements.map((statement) => statement.bind(position)),
      CHUNK_MILLISECONDS,
    )
    return results.at(-1)?.meta.changes ?? 0
  }
}
