/** The SQL of sign-ins. A session is inserted by a SELECT from `users`, so that the account is judged in the same statement. */

import { and, type Column, eq, isNull, notExists, type SQL, sql } from 'drizzle-orm'

import { mayTry } from '../accounts/failures.ts'
import { newUser } from '../accounts/new-user.ts'
import { clientParameters } from './client-columns.ts'
import { isNamed, isOpened } from './named.ts'
import { insertInto, select, update } from '../query.ts'
import { endColumns } from './end-columns.ts'
import { sessions, users } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'

/** A sign-in ends at most this many sessions beyond `SESSIONS_MAX`: after that was lowered, there may be thousands. */
const MAX_CROWDED_OUT = 100

/** Every statement that opens a session, prepared. Build it once per isolate. */
export function prepareSignInStatements(d1: D1Database) {
  const seen = clientParameters()
  const opened = {
    sid: parameter('sid').as('sid'),
    userId: users.id,
    jti: parameter('jti').as('jti'),
    issuedAt: parameter('now').as('issued_at'),
    previousJti: sql<string | null>`null`.as('previous_jti'),
    rotatedAt: sql<number | null>`null`.as('rotated_at'),
    expiresAt: parameter('expiresAt').as('expires_at'),
    // An end of all sessions within this second, or by a clock ahead of this one, does not mean a session that opens after it.
    createdAt: sql<number>`max(${parameter('now')}, coalesce(${users.endedBefore} + 1, 0))`.as('created_at'),
    endedAt: sql<number | null>`null`.as('revoked_at'),
    endReason: sql<string | null>`null`.as('revoked_reason'),
    ip: seen.ip.as('ip'),
    asn: seen.asn.as('asn'),
    country: seen.country.as('country'),
    city: seen.city.as('city'),
    provider: seen.provider.as('network'),
    userAgent: seen.userAgent.as('user_agent'),
    visitIp: sql<string | null>`null`.as('visit_ip'),
    visitCountry: sql<string | null>`null`.as('visit_country'),
    visitCity: sql<string | null>`null`.as('visit_city'),
    visitProvider: sql<string | null>`null`.as('visit_network'),
    visitUserAgent: sql<string | null>`null`.as('visit_user_agent'),
    boundKey: parameter('boundKey').as('bound_key'),
    boundBy: parameter('boundBy').as('bound_by'),
    boundProof: parameter('boundProof').as('bound_proof'),
  }
  const isActive = eq(users.isActive, 1)

  return {
    // `NOT EXISTS`, since `ON CONFLICT DO NOTHING` would write the counter row of AUTOINCREMENT even for a known guid.
    createAccount: prepare(
      d1,
      insertInto(users)
        .select((query) =>
          query
            .select(newUser({}))
            .from(sql`(select 1)`)
            .where(
              notExists(
                select({ one: sql`1` })
                  .from(users)
                  .where(eq(users.guid, parameter('guid'))),
              ),
            ),
        )
        .returning(aliased({ guid: users.guid })),
    ),
    openForGuid: prepare(
      d1,
      insertInto(sessions)
        .select((query) =>
          query
            .select(opened)
            .from(users)
            .where(and(eq(users.guid, parameter('guid')), isActive)),
        )
        .returning({
          id: sql<number>`${sessions.userId}`.as('id'),
          guid: sql<string>`${ofAccount(users.guid)}`.as('guid'),
          email: sql<string | null>`${ofAccount(users.primaryEmail)}`.as('email'),
          group: sql<string>`${ofAccount(users.group)}`.as('group'),
          externalId: sql<string | null>`${ofAccount(users.externalId)}`.as('externalId'),
          ownClaims: sql<string | null>`${ofAccount(users.ownClaims)}`.as('ownClaims'),
        }),
    ),
    openForPassword: prepare(
      d1,
      insertInto(sessions)
        .select((query) =>
          query
            .select(opened)
            .from(users)
            .where(
              and(
                eq(users.id, parameter('userId')),
                eq(users.passwordHash, parameter('passwordHash')),
                isActive,
                sql`${users.confirmedAt} is not null`,
                mayTry(),
              ),
            ),
        )
        .returning({ sid: sessions.sid }),
    ),
    endReplaced: prepare(
      d1,
      update(sessions)
        .set(endColumns('replaced'))
        .where(and(isNamed, isNull(sessions.endedAt), isOpened))
        .returning(aliased({ sid: sessions.sid })),
    ),
    endOldest: prepare(
      d1,
      update(sessions)
        .set(endColumns('crowded_out'))
        .where(sql`rowid in (${crowdedOut()})`)
        .returning(aliased({ sid: sessions.sid })),
    ),
    replaceHash: prepare(
      d1,
      update(users)
        .set({ passwordHash: parameter('rehash'), updatedAt: parameter('now') })
        .where(and(eq(users.id, parameter('userId')), eq(users.passwordHash, parameter('passwordHash')), isOpened)),
    ),
  }
}

/** A column of the account whose session a statement has just inserted. */
function ofAccount(column: Column): SQL {
  return sql`(select ${column} from ${users} where ${users.id} = ${sessions.userId})`
}

/**
 * The rowids of sessions beyond `sessionsMax`, the one that was just opened counted in; none where no session was opened. Each
 * part reads the index of sessions that nobody ended, newest first, and no row. The session that `ended_except` names is older
 * than all others that live, so it is the first to go.
 */
export function crowdedOut(): SQL {
  const opened = sql`(select rowid from ${sessions} where ${sessions.sid} = ${parameter('openedSid')})`
  const userId = sql`(select ${sessions.userId} from ${sessions} where ${sessions.sid} = ${parameter('openedSid')})`
  const ofOpened = (column: Column) => sql`(select ${column} from ${users} where ${users.id} = ${userId})`
  const others = sql`
    select rowid from ${sessions}
    where ${sessions.userId} = ${userId} and ${sessions.endedAt} is null
      and ${sessions.createdAt} > coalesce(${ofOpened(users.endedBefore)}, 0) and rowid <> ${opened}
    order by ${sessions.createdAt} desc, rowid desc`
  return sql`
    select rowid from (${others} limit ${sql.raw(String(MAX_CROWDED_OUT))} offset ${parameter('sessionsMax')} - 1)
    union all
    select rowid from ${sessions}
    where ${sessions.sid} = ${ofOpened(users.endedExcept)} and ${sessions.endedAt} is null and ${sessions.sid} <> ${parameter('openedSid')}
      and (select count(*) from (${others} limit ${parameter('sessionsMax')})) >= ${parameter('sessionsMax')} - 1`
}
