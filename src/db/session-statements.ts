/** The SQL of sessions. What decides is in the WHERE clauses: a row that changed meanwhile matches no longer. */

import { and, type Column, desc, eq, exists, gt, isNull, notExists, type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'

import { allowedPlaces, sessions, users } from './schema.ts'
import { aliased, parameter, prepare } from './statement.ts'

/** Nobody recognizes more devices than this; the newest are listed. */
const MAX_LISTED = 100

/** Every statement about sessions, prepared. Build it once per isolate. */
export function prepareSessionStatements(d1: D1Database) {
  const db = drizzle(d1)
  // What the columns of a client hold after it was seen.
  const seen = {
    ip: parameter('address'),
    asn: parameter('asn'),
    country: parameter('country'),
    city: parameter('city'),
    network: parameter('network'),
    userAgent: parameter('userAgent'),
  }
  const opened = {
    sid: parameter('sid').as('sid'),
    userId: users.id,
    jti: parameter('jti').as('jti'),
    issuedAt: parameter('now').as('issued_at'),
    previousJti: sql<string | null>`null`.as('previous_jti'),
    rotatedAt: sql<number | null>`null`.as('rotated_at'),
    expiresAt: parameter('expiresAt').as('expires_at'),
    createdAt: parameter('now').as('created_at'),
    revokedAt: sql<number | null>`null`.as('revoked_at'),
    revokedReason: sql<string | null>`null`.as('revoked_reason'),
    ip: seen.ip.as('ip'),
    asn: seen.asn.as('asn'),
    country: seen.country.as('country'),
    city: seen.city.as('city'),
    network: seen.network.as('network'),
    userAgent: seen.userAgent.as('user_agent'),
  }
  const isActive = eq(users.isActive, 1)
  const revoked = {
    revokedAt: parameter('now'),
    revokedReason: parameter('reason'),
    expiresAt: sql`min(${sessions.expiresAt}, ${parameter('now')})`,
  }
  // The place of the session is the client's own: settled by the address, or by what the row says of it.
  const isOwnPlace = sql`(${parameter('sameAddress')} or coalesce(${sessions.asn} = ${parameter('placeAsn')}, 0) or coalesce(${sessions.country} = ${parameter('placeCountry')}, 0))`
  const isAllowedPlace = exists(
    db
      .select({ one: sql`1` })
      .from(allowedPlaces)
      .where(
        and(
          eq(allowedPlaces.userId, sessions.userId),
          eq(allowedPlaces.place, parameter('placeKey')),
          gt(allowedPlaces.expiresAt, parameter('now')),
        ),
      ),
  )
  const isLive = and(
    isNull(sessions.revokedAt),
    gt(sessions.expiresAt, parameter('now')),
    sql`${sessions.createdAt} + ${parameter('sessionMaxSeconds')} > ${parameter('now')}`,
  )
  const isRotatable = and(
    eq(sessions.sid, parameter('sid')),
    eq(sessions.jti, parameter('presentedJti')),
    isLive,
    exists(
      db
        .select({ one: sql`1` })
        .from(users)
        .where(and(eq(users.id, sessions.userId), isActive)),
    ),
  )
  const rotated = {
    previousJti: sql`${sessions.jti}`,
    jti: parameter('nextJti'),
    issuedAt: parameter('now'),
    rotatedAt: parameter('now'),
    expiresAt: sql`min(${parameter('now')} + ${parameter('refreshTtlSeconds')}, ${sessions.createdAt} + ${parameter('sessionMaxSeconds')})`,
  }
  const sessionColumns = aliased({
    sid: sessions.sid,
    jti: sessions.jti,
    issuedAt: sessions.issuedAt,
    previousJti: sessions.previousJti,
    rotatedAt: sessions.rotatedAt,
    expiresAt: sessions.expiresAt,
    createdAt: sessions.createdAt,
    revokedAt: sessions.revokedAt,
    address: sessions.ip,
    asn: sessions.asn,
    country: sessions.country,
  })
  // Of a left join: all null where the account is inactive or gone.
  const accountColumns = {
    userId: sql<number | null>`${users.id}`.as('userId'),
    guid: sql<string | null>`${users.guid}`.as('guid'),
    email: sql<string | null>`${users.primaryEmail}`.as('email'),
    group: sql<string | null>`${users.group}`.as('group'),
    isConfirmed: sql<number>`${users.confirmedAt} is not null`.as('isConfirmed'),
  }

  return {
    // `ON CONFLICT DO NOTHING` would write a row even for a known guid: the counter behind AUTOINCREMENT.
    createAccount: prepare(
      d1,
      db.insert(users).select((query) =>
        query
          .select({
            id: sql<number>`null`.as('id'),
            guid: parameter('guid').as('guid'),
            primaryEmail: sql<string | null>`null`.as('primary_email'),
            passwordHash: sql<string | null>`null`.as('password_hash'),
            group: sql<string>`'user'`.as('group'),
            isActive: sql<number>`1`.as('is_active'),
            confirmedAt: sql<number | null>`null`.as('confirmed_at'),
            failedSignIns: sql<number>`0`.as('failed_sign_ins'),
            lockedUntil: sql<number | null>`null`.as('locked_until'),
            createdAt: parameter('now').as('created_at'),
            updatedAt: parameter('now').as('updated_at'),
          })
          .from(sql`(select 1)`)
          .where(
            notExists(
              db
                .select({ one: sql`1` })
                .from(users)
                .where(eq(users.guid, parameter('guid'))),
            ),
          ),
      ),
    ),
    openForGuid: prepare(
      d1,
      db
        .insert(sessions)
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
        }),
    ),
    openForPassword: prepare(
      d1,
      db
        .insert(sessions)
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
              ),
            ),
        )
        .returning({ sid: sessions.sid }),
    ),
    replaceHash: prepare(
      d1,
      db
        .update(users)
        .set({ passwordHash: parameter('rehash'), updatedAt: parameter('now') })
        .where(and(eq(users.id, parameter('userId')), eq(users.passwordHash, parameter('passwordHash')))),
    ),
    // Of any number of parallel callers, one finds its jti still in the row.
    rotate: prepare(
      d1,
      db
        .update(sessions)
        .set({
          ...rotated,
          ...seen,
          // Cloudflare may not know them this time; that is no reason to forget them.
          asn: sql`coalesce(${seen.asn}, ${sessions.asn})`,
          country: sql`coalesce(${seen.country}, ${sessions.country})`,
        })
        .where(and(isRotatable, isOwnPlace)),
    ),
    // An allowed place is a visit: the session's own place stays what it was, and its way home stays open.
    rotateOnVisit: prepare(d1, db.update(sessions).set(rotated).where(and(isRotatable, isAllowedPlace))),
    findRotated: prepare(
      d1,
      db
        .select({
          ...sessionColumns,
          ...accountColumns,
          inPlace: sql<number>`(${isOwnPlace} or ${isAllowedPlace})`.as('inPlace'),
        })
        .from(sessions)
        .leftJoin(users, and(eq(users.id, sessions.userId), isActive))
        .where(eq(sessions.sid, parameter('sid'))),
    ),
    find: prepare(
      d1,
      db
        .select({ ...sessionColumns, ...accountColumns })
        .from(sessions)
        .leftJoin(users, and(eq(users.id, sessions.userId), isActive))
        .where(eq(sessions.sid, parameter('sid'))),
    ),
    list: prepare(
      d1,
      db
        .select({
          ...sessionColumns,
          ...aliased({
            city: sessions.city,
            network: sessions.network,
            userAgent: sessions.userAgent,
          }),
        })
        .from(sessions)
        .where(and(eq(sessions.userId, parameter('userId')), isLive))
        .orderBy(desc(sessions.issuedAt))
        .limit(MAX_LISTED),
    ),
    // A revoked row is as good as expired: the purge finds both by one index.
    revoke: prepare(
      d1,
      db
        .update(sessions)
        .set(revoked)
        .where(
          and(
            eq(sessions.sid, parameter('sid')),
            isNull(sessions.revokedAt),
            sql`${sessions.jti} = coalesce(${parameter('onlyWhileJti')}, ${sessions.jti})`,
          ),
        )
        .returning({ sid: sessions.sid }),
    ),
    revokeOfUser: prepare(
      d1,
      db
        .update(sessions)
        .set(revoked)
        .where(
          and(
            eq(sessions.userId, parameter('userId')),
            isNull(sessions.revokedAt),
            sql`${sessions.sid} = coalesce(${parameter('onlySid')}, ${sessions.sid})`,
            sql`${sessions.sid} is not ${parameter('exceptSid')}`,
          ),
        )
        .returning({ sid: sessions.sid }),
    ),
  }
}
/** A column of the account whose session a statement has just inserted. */
function ofAccount(column: Column): SQL {
  return sql`(select ${column} from ${users} where ${users.id} = ${sessions.userId})`
}
