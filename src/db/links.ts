/** What owners decide by the links of a mail. One round trip each. */

import { and, eq, isNull, sql } from 'drizzle-orm'

import { NoticeFacts } from '../domain/mails/notice.ts'
import type { LinkStore } from '../domain/mails/links.ts'
import { endedNow } from './sessions/of-account.ts'
import { run, runBatch } from './d1.ts'
import { deleteFrom, insertInto, select, update } from './query.ts'
import { allowedPlaces, notifications, users } from './schema.ts'
import { aliased, parameter, prepare } from './statement.ts'

/** The link store over a D1 database. Build it once per isolate. */
export function createLinkStore(d1: D1Database): LinkStore {
  const statements = prepareStatements(d1)

  return {
    async findNotice(id) {
      const row = statements.findNotice.rows(await run(statements.findNotice.bind({ id })))[0]
      if (row === undefined) return null
      return {
        facts: NoticeFacts.parse(JSON.parse(row.facts)),
        // Whoever ended everything did not know the place: the other link of that mail is void.
        usedAt: { end_sessions: row.sessionsEndedAt, allow_place: row.placeAllowedAt ?? row.sessionsEndedAt },
      }
    },

    async endSessions(noticeId, now) {
      const [, , marked] = await runBatch(d1, [
        statements.endSessions.bind({ id: noticeId, now }),
        statements.removePlaces.bind({ id: noticeId }),
        statements.markSessionsEnded.bind({ id: noticeId, now }),
      ])
      return statements.markSessionsEnded.rows(marked).length === 1
    },

    async allowPlaces(noticeId, places, now, expiresAt) {
      const results = await runBatch(d1, [
        ...places.map(({ key, ...place }) =>
          statements.allowPlace.bind({ id: noticeId, now, expiresAt, key, ...place }),
        ),
        statements.markPlaceAllowed.bind({ id: noticeId, now }),
      ])
      return statements.markPlaceAllowed.rows(results.at(-1)).length === 1
    },
  }
}

function prepareStatements(d1: D1Database) {
  const isThis = eq(notifications.id, parameter('id'))
  // The last statement of each batch marks the mail; those before it do something only while it has no mark.
  const hasNotEnded = and(isThis, isNull(notifications.sessionsEndedAt))
  const owner = select({ userId: notifications.userId }).from(notifications).where(hasNotEnded)
  const isUnused = and(hasNotEnded, isNull(notifications.placeAllowedAt))

  return {
    findNotice: prepare(
      d1,
      select(
        aliased({
          facts: notifications.facts,
          sessionsEndedAt: notifications.sessionsEndedAt,
          placeAllowedAt: notifications.placeAllowedAt,
        }),
      )
        .from(notifications)
        .where(isThis),
    ),
    markSessionsEnded: prepare(
      d1,
      update(notifications)
        .set({ sessionsEndedAt: parameter('now') })
        .where(hasNotEnded)
        .returning({ id: notifications.id }),
    ),
    endSessions: prepare(
      d1,
      update(users)
        .set(endedNow())
        .where(sql`${users.id} in ${owner}`),
    ),
    removePlaces: prepare(d1, deleteFrom(allowedPlaces).where(sql`${allowedPlaces.userId} in ${owner}`)),
    markPlaceAllowed: prepare(
      d1,
      update(notifications)
        .set({ placeAllowedAt: parameter('now') })
        .where(isUnused)
        .returning({ id: notifications.id }),
    ),
    allowPlace: prepare(
      d1,
      insertInto(allowedPlaces)
        .select((query) =>
          query
            .select({
              id: sql<number>`null`.as('id'),
              userId: notifications.userId,
              place: parameter('key').as('place'),
              country: parameter('country').as('country'),
              city: parameter('city').as('city'),
              provider: parameter('provider').as('network'),
              createdAt: parameter('now').as('created_at'),
              expiresAt: parameter('expiresAt').as('expires_at'),
            })
            .from(notifications)
            .where(isUnused),
        )
        .onConflictDoUpdate({
          target: [allowedPlaces.userId, allowedPlaces.place],
          set: { expiresAt: parameter('expiresAt') },
        }),
    ),
  }
}
