/**
 * The SQL of all sessions of an account. The index holds only sessions that nobody ended, in the order in which they were
 * opened, so that a statement reads the rows that it needs and no others, however many an account has left behind.
 */

import { and, type Column, desc, eq, exists, isNull, not, type SQL, sql } from 'drizzle-orm'

import type { EndReason, ListedSession } from '../../domain/sessions/session.ts'
import { isAliveByItself, isEndedByAccount, openedTooEarly } from './lifetime.ts'
import { prepareEvent } from '../events/event.ts'
import { select, update } from '../query.ts'
import { endColumns } from './end-columns.ts'
import { sessions, users } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'

/** Every statement about the sessions of the account `userId`, prepared. Build it once per isolate. */
export function prepareOwnedSessionStatements(d1: D1Database, isFollowed: boolean) {
  const userId = parameter('userId')
  return {
    ...prepareSessionLists(d1, userId),
    endOwn: prepareEndOfOne(d1, userId, 'revoked'),
    tellOthers: prepareEvent(d1, isFollowed, 'sessions_ended', 'owner', {
      where: and(eq(users.id, userId), hasLiveSession()),
      ...endedNow(),
      endedExcept: parameter('sid'),
    }),
    // The session that is kept must still live: one that has ended meanwhile would come back to life as the kept one.
    endOthers: prepare(
      d1,
      update(users)
        .set({ ...endedNow(), endedExcept: parameter('sid') })
        .where(and(eq(users.id, userId), hasLiveSession()))
        .returning({ id: users.id }),
    ),
  }
}

/** The statements that list the live sessions of an account. What they find is for `readLists`. */
export function prepareSessionLists(d1: D1Database, userId: SQL) {
  const ofAccount = (column: Column) => sql`(select ${column} from ${users} where ${users.id} = ${userId})`
  const listed = aliased({
    sid: sessions.sid,
    issuedAt: sessions.issuedAt,
    createdAt: sessions.createdAt,
    expiresAt: sessions.expiresAt,
    address: sessions.ip,
    country: sessions.country,
    city: sessions.city,
    provider: sessions.provider,
    userAgent: sessions.userAgent,
    visitAddress: sessions.visitIp,
    visitCountry: sessions.visitCountry,
    visitCity: sessions.visitCity,
    visitProvider: sessions.visitProvider,
    visitUserAgent: sessions.visitUserAgent,
    boundBy: sessions.boundBy,
  })

  return {
    // Expired sessions among these are left out afterwards, without others in their place: looking for those could read any
    // number of rows.
    listNewest: prepare(
      d1,
      select(listed)
        .from(sessions)
        .where(
          and(
            eq(sessions.userId, userId),
            isNull(sessions.endedAt),
            // The bound is one expression, since SQLite would search the index by only the first of two.
            sql`${sessions.createdAt} > max(${openedTooEarly}, coalesce(${ofAccount(users.endedBefore)}, 0))`,
          ),
        )
        .orderBy(desc(sessions.createdAt), sql`rowid desc`)
        .limit(sql.placeholder('limit')),
    ),
    // The session that `ended_except` names may live although it was opened before the others ended.
    findKept: prepare(
      d1,
      select(listed)
        .from(sessions)
        .where(
          and(
            eq(sessions.sid, ofAccount(users.endedExcept)),
            eq(sessions.userId, userId),
            isNull(sessions.endedAt),
            sql`${sessions.createdAt} > ${openedTooEarly}`,
            sql`${sessions.createdAt} <= ${ofAccount(users.endedBefore)}`,
          ),
        ),
    ),
  }
}

/** The statement that ends the session `sid` of an account, while it lives. */
export function prepareEndOfOne(d1: D1Database, userId: SQL, reason: EndReason) {
  return prepare(
    d1,
    update(sessions)
      .set(endColumns(reason))
      .where(
        and(
          eq(sessions.sid, parameter('sid')),
          eq(sessions.userId, userId),
          isAliveByItself,
          exists(
            select({ one: sql`1` })
              .from(users)
              .where(and(eq(users.id, sessions.userId), not(isEndedByAccount))),
          ),
        ),
      )
      .returning({ sid: sessions.sid }),
  )
}

/** The condition that an account has the live session `sid`. */
export function hasLiveSession(): SQL {
  return exists(
    select({ one: sql`1` })
      .from(sessions)
      .where(
        and(eq(sessions.sid, parameter('sid')), eq(sessions.userId, users.id), isAliveByItself, not(isEndedByAccount)),
      ),
  )
}

interface ListedRow extends Omit<ListedSession, 'visit'> {
  readonly visitAddress: string | null
  readonly visitCountry: string | null
  readonly visitCity: string | null
  readonly visitProvider: string | null
  readonly visitUserAgent: string | null
}

/** The sessions that the statements of a list found and that live at `now`, the last used one first. */
export function readLists(rows: readonly ListedRow[], now: number): readonly ListedSession[] {
  return rows
    .filter(({ expiresAt }) => expiresAt > now)
    .toSorted((a, b) => b.issuedAt - a.issuedAt)
    .map(toListed)
}

function toListed(row: ListedRow): ListedSession {
  const { visitAddress, visitCountry, visitCity, visitProvider, visitUserAgent, ...session } = row
  if (visitAddress === null) return { ...session, visit: null }
  return {
    ...session,
    visit: {
      address: visitAddress,
      country: visitCountry,
      city: visitCity,
      provider: visitProvider,
      userAgent: visitUserAgent,
    },
  }
}

/**
 * For the `set` of an update of `users`: ends every session that was opened until now. The newest session counts even where it
 * was opened by a clock ahead of this one. Reading it takes one entry of the index.
 */
export function endedNow() {
  const newest = sql`(select max(${sessions.createdAt}) from ${sessions} where ${sessions.userId} = ${users.id} and ${sessions.endedAt} is null)`
  return {
    endedBefore: sql`max(${parameter('now')}, coalesce(${users.endedBefore}, 0), coalesce(${newest}, 0))`,
    endedExcept: sql`null`,
  }
}
