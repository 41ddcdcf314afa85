/** The SQL of one session. Every condition stands in a WHERE clause, so that a row which changed meanwhile no longer matches. */

import { and, eq, exists, gt, isNull, ne, not, or, sql } from 'drizzle-orm'

import { agreesWithPlace, clientParameters, noVisit, visitParameters } from './client-columns.ts'
import { isAliveByItself, isEndedByAccount, nextExpiry } from './lifetime.ts'
import { isNamed, isNamedById } from './named.ts'
import { select, update } from '../query.ts'
import { endColumns } from './end-columns.ts'
import { allowedPlaces, sessions, users } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'

/** Every statement about one session, prepared. Build it once per isolate. */
export function prepareSessionStatements(d1: D1Database) {
  const seen = clientParameters()
  const isActive = eq(users.isActive, 1)
  const ended = endColumns(parameter('reason'))
  // The client is in the session's own place: the addresses agree already, or what is known of it does.
  const isOwnPlace = sql`(${parameter('sameAddress')} or ${agreesWithPlace})`
  const isAllowedPlace = exists(
    select({ one: sql`1` })
      .from(allowedPlaces)
      .where(
        and(
          eq(allowedPlaces.userId, sessions.userId),
          sql`${allowedPlaces.place} in (select value from json_each(${parameter('placeKeys')}))`,
          gt(allowedPlaces.expiresAt, parameter('now')),
        ),
      ),
  )
  const isProven = eq(sessions.boundKey, parameter('provenKey'))
  const isLive = and(
    isNamedById,
    isAliveByItself,
    exists(
      select({ one: sql`1` })
        .from(users)
        .where(and(eq(users.id, sessions.userId), eq(users.guid, parameter('guid')), isActive, not(isEndedByAccount))),
    ),
  )
  // A DPoP proof is for a URL and a minute, whatever token it comes with: the one that got the live token does not get the next one.
  const isNewProof = sql`${sessions.boundProof} is not ${parameter('proofId')}`
  const isRotatable = and(
    eq(sessions.jti, parameter('presentedJti')),
    isLive,
    or(isNull(sessions.boundKey), and(isProven, isNewProof)),
  )
  const rotated = {
    previousJti: sql`${sessions.jti}`,
    jti: parameter('nextJti'),
    issuedAt: parameter('now'),
    rotatedAt: parameter('now'),
    expiresAt: nextExpiry,
    // The proof counts where the session is bound; of others, none is remembered.
    boundProof: sql`iif(${sessions.boundKey} is null, null, ${parameter('proofId')})`,
  }
  const sessionColumns = aliased({
    sid: sessions.sid,
    userId: sessions.userId,
    jti: sessions.jti,
    issuedAt: sessions.issuedAt,
    previousJti: sessions.previousJti,
    rotatedAt: sessions.rotatedAt,
    expiresAt: sessions.expiresAt,
    createdAt: sessions.createdAt,
    endedAt: sessions.endedAt,
    address: sessions.ip,
    asn: sessions.asn,
    country: sessions.country,
    city: sessions.city,
    provider: sessions.provider,
    boundKey: sessions.boundKey,
    boundBy: sessions.boundBy,
    boundProof: sessions.boundProof,
  })
  // The columns of a left join are all null where the account is gone.
  const accountColumns = {
    isEndedByAccount: isEndedByAccount.as('isEndedByAccount'),
    isActive: sql<number | null>`${users.isActive}`.as('isActive'),
    accountId: sql<number | null>`${users.id}`.as('accountId'),
    guid: sql<string | null>`${users.guid}`.as('guid'),
    email: sql<string | null>`${users.primaryEmail}`.as('email'),
    externalId: sql<string | null>`${users.externalId}`.as('externalId'),
    ownClaims: sql<string | null>`${users.ownClaims}`.as('ownClaims'),
    group: sql<string | null>`${users.group}`.as('group'),
    isConfirmed: sql<number>`${users.confirmedAt} is not null`.as('isConfirmed'),
  }

  return {
    // Wherever the key of a bound session is, its owner is: that place is its own from then on.
    // The row has one live jti, so of any number of parallel updates with that jti exactly one matches.
    rotate: prepare(
      d1,
      update(sessions)
        .set({
          ...rotated,
          ...seen,
          ...noVisit,
          // A request whose ASN or country Cloudflare does not know leaves the row's own, where it is from there: under those policies
          // they are the place.
          asn: sql`iif(${isOwnPlace}, coalesce(${seen.asn}, ${sessions.asn}), ${seen.asn})`,
          country: sql`iif(${isOwnPlace}, coalesce(${seen.country}, ${sessions.country}), ${seen.country})`,
        })
        .where(and(isRotatable, or(isOwnPlace, isProven))),
    ),
    // A refresh from an allowed place is a visit: it leaves the session's own place in the row, so that its owner may
    // refresh from there again.
    rotateOnVisit: prepare(
      d1,
      update(sessions)
        .set({ ...rotated, ...visitParameters() })
        .where(and(isRotatable, isAllowedPlace)),
    ),
    findRotated: prepare(
      d1,
      select({
        ...sessionColumns,
        ...accountColumns,
        inPlace: sql<number>`(${isOwnPlace} or ${isAllowedPlace} or coalesce(${isProven}, 0))`.as('inPlace'),
      })
        .from(sessions)
        .leftJoin(users, eq(users.id, sessions.userId))
        .where(eq(sessions.sid, parameter('sid'))),
    ),
    find: prepare(
      d1,
      select({ ...sessionColumns, ...accountColumns })
        .from(sessions)
        .leftJoin(users, eq(users.id, sessions.userId))
        .where(eq(sessions.sid, parameter('sid'))),
    ),
    findGoverned: prepare(
      d1,
      select({ ...sessionColumns, ...accountColumns, isAllowed: sql<number>`${isAllowedPlace}`.as('isAllowed') })
        .from(sessions)
        .leftJoin(users, eq(users.id, sessions.userId))
        .where(eq(sessions.sid, parameter('sid'))),
    ),
    end: prepare(
      d1,
      update(sessions)
        .set(ended)
        .where(
          and(
            isNamed,
            isNull(sessions.endedAt),
            sql`${sessions.jti} = coalesce(${parameter('onlyWhileJti')}, ${sessions.jti})`,
          ),
        )
        .returning({ sid: sessions.sid }),
    ),
    // The same key may come twice: the answer to its first registration was lost. A page may have refreshed since the browser sent it: its
    // answer and that of the registration, in either order, would leave the browser with cookies of two pairs, or with one that outlives its token.
    bind: prepare(
      d1,
      update(sessions)
        .set({ boundKey: parameter('boundKey'), boundBy: parameter('boundBy') })
        .where(
          and(
            eq(sessions.jti, parameter('jti')),
            isLive,
            or(isNull(sessions.boundKey), eq(sessions.boundKey, parameter('boundKey'))),
          ),
        )
        .returning({ sid: sessions.sid }),
    ),
    // The mail about a reused token goes out once a session, so the row has nothing more to tell and may be purged early.
    endReused: prepare(
      d1,
      update(sessions)
        .set(ended)
        .where(and(isNamed, isNull(sessions.endedAt), ne(sessions.jti, parameter('usedJti'))))
        .returning({ sid: sessions.sid }),
    ),
  }
}
