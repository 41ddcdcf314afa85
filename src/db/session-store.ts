/**
 * Sessions in D1. Every method is one round trip, and every decision is made inside a statement: what was read in one
 * round trip may be wrong in the next.
 */

import { and, type Column, eq, exists, gt, isNull, type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'

import type { Client } from '../domain/place.ts'
import type { SessionStore } from '../domain/ports.ts'
import { prepareNotice } from './outbox.ts'
import { sessions, users } from './schema.ts'
import { aliased, parameter, prepare, runBatch, type Value } from './statement.ts'

/** The session store over a D1 database. Build it once per isolate. */
export function createSessionStore(d1: D1Database, newId: () => string): SessionStore {
  const statements = prepareStatements(d1)
  const storeNotice = prepareNotice(d1)

  return {
    async openForGuid(guid, { client, ...session }) {
      const [, opened] = await runBatch(d1, [
        statements.createAccount.bind({ guid, now: session.now }),
        statements.openForGuid.bind({ guid, ...session, ...clientValues(client) }),
      ])
      return statements.openForGuid.rows(opened)[0] ?? null
    },

    async openForPassword({ id, passwordHash }, rehash, { client, ...session }) {
      const verified = { userId: id, passwordHash }
      const open = statements.openForPassword.bind({ ...verified, ...session, ...clientValues(client) })
      const replace = statements.replaceHash.bind({ ...verified, rehash, now: session.now })
      // The hash goes last: opening depends on the one that was verified.
      const [opened] = await runBatch(d1, rehash === null ? [open] : [open, replace])
      return statements.openForPassword.rows(opened).length === 1
    },

    async rotate({ place, client, ...rotation }) {
      const { asn: placeAsn, country: placeCountry } = place
      const condition = { sameAddress: place.sameAddress ? 1 : 0, placeAsn, placeCountry }
      const [, found] = await runBatch(d1, [
        statements.rotate.bind({ ...rotation, ...condition, ...clientValues(client) }),
        statements.findRotated.bind({ sid: rotation.sid, ...condition }),
      ])
      const row = statements.findRotated.rows(found)[0]
      if (row === undefined) return null
      const { userId, guid, email, group, inPlace, ...session } = row
      // A left join: without an active account, all its columns are null.
      const account = userId === null || guid === null || group === null ? null : { id: userId, guid, email, group }
      return { session, account, inPlace: inPlace === 1 }
    },

    async end({ notice, ...end }) {
      const revoke = statements.revoke.bind(end)
      if (notice === null) {
        const [revoked] = await runBatch(d1, [revoke])
        return { ended: statements.revoke.rows(revoked).length === 1, notificationId: null }
      }
      const [revoked, stored] = await runBatch(d1, [revoke, storeNotice.bind(newId(), notice, end)])
      return {
        ended: statements.revoke.rows(revoked).length === 1,
        notificationId: storeNotice.rows(stored)[0]?.id ?? null,
      }
    },
  }
}

function prepareStatements(d1: D1Database) {
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
  const inPlace = sql<number>`(${parameter('sameAddress')} or coalesce(${sessions.asn} = ${parameter('placeAsn')}, 0) or coalesce(${sessions.country} = ${parameter('placeCountry')}, 0))`

  return {
    createAccount: prepare<'guid' | 'now'>(
      d1,
      db
        .insert(users)
        .values({ guid: parameter('guid'), createdAt: parameter('now'), updatedAt: parameter('now') })
        .onConflictDoNothing({ target: users.guid }),
    ),
    openForGuid: prepare<'guid' | OpenNames, { id: number; guid: string; email: string | null; group: string }>(
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
    openForPassword: prepare<'userId' | 'passwordHash' | OpenNames, { sid: string }>(
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
    replaceHash: prepare<'userId' | 'passwordHash' | 'rehash' | 'now'>(
      d1,
      db
        .update(users)
        .set({ passwordHash: parameter('rehash'), updatedAt: parameter('now') })
        .where(and(eq(users.id, parameter('userId')), eq(users.passwordHash, parameter('passwordHash')))),
    ),
    // Of any number of parallel callers, one finds its jti still in the row.
    rotate: prepare<RotateNames>(
      d1,
      db
        .update(sessions)
        .set({
          previousJti: sql`${sessions.jti}`,
          jti: parameter('nextJti'),
          issuedAt: parameter('now'),
          rotatedAt: parameter('now'),
          expiresAt: sql`min(${parameter('now')} + ${parameter('refreshTtlSeconds')}, ${sessions.createdAt} + ${parameter('sessionMaxSeconds')})`,
          ...seen,
          asn: sql`coalesce(${seen.asn}, ${sessions.asn})`,
          country: sql`coalesce(${seen.country}, ${sessions.country})`,
        })
        .where(
          and(
            eq(sessions.sid, parameter('sid')),
            eq(sessions.jti, parameter('presentedJti')),
            isNull(sessions.revokedAt),
            gt(sessions.expiresAt, parameter('now')),
            sql`${sessions.createdAt} + ${parameter('sessionMaxSeconds')} > ${parameter('now')}`,
            inPlace,
            exists(
              db
                .select({ one: sql`1` })
                .from(users)
                .where(and(eq(users.id, sessions.userId), isActive)),
            ),
          ),
        ),
    ),
    findRotated: prepare(
      d1,
      db
        .select({
          ...aliased({
            sid: sessions.sid,
            jti: sessions.jti,
            issuedAt: sessions.issuedAt,
            previousJti: sessions.previousJti,
            rotatedAt: sessions.rotatedAt,
            expiresAt: sessions.expiresAt,
            createdAt: sessions.createdAt,
            revokedAt: sessions.revokedAt,
            address: sessions.ip,
          }),
          userId: sql<number | null>`${users.id}`.as('userId'),
          guid: sql<string | null>`${users.guid}`.as('guid'),
          email: sql<string | null>`${users.primaryEmail}`.as('email'),
          group: sql<string | null>`${users.group}`.as('group'),
          inPlace: inPlace.as('inPlace'),
        })
        .from(sessions)
        .leftJoin(users, and(eq(users.id, sessions.userId), isActive))
        .where(eq(sessions.sid, parameter('sid'))),
    ),
    revoke: prepare<'sid' | 'onlyWhileJti' | 'reason' | 'now', { sid: string }>(
      d1,
      db
        .update(sessions)
        .set({ revokedAt: parameter('now'), revokedReason: parameter('reason') })
        .where(
          and(
            eq(sessions.sid, parameter('sid')),
            isNull(sessions.revokedAt),
            sql`${sessions.jti} = coalesce(${parameter('onlyWhileJti')}, ${sessions.jti})`,
          ),
        )
        .returning({ sid: sessions.sid }),
    ),
  }
}

type ClientNames = 'address' | 'asn' | 'country' | 'city' | 'network' | 'userAgent'
type OpenNames = 'sid' | 'jti' | 'now' | 'expiresAt' | ClientNames
type PlaceNames = 'sameAddress' | 'placeAsn' | 'placeCountry'
type RotateNames =
  | 'sid'
  | 'presentedJti'
  | 'nextJti'
  | 'now'
  | 'refreshTtlSeconds'
  | 'sessionMaxSeconds'
  | PlaceNames
  | ClientNames

function clientValues(client: Client): Readonly<Record<ClientNames, Value>> {
  const { address, asn, country, city, network, userAgent } = client
  return { address, asn, country, city, network, userAgent }
}

/** A column of the account whose session a statement has just inserted. */
function ofAccount(column: Column): SQL {
  return sql`(select ${column} from ${users} where ${users.id} = ${sessions.userId})`
}
