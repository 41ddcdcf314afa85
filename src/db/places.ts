/** The places that owners allowed. One round trip each. */

import { and, asc, eq, gt } from 'drizzle-orm'

import type { AllowedPlaceStore } from '../domain/places/allowed-place.ts'
import { run } from './d1.ts'
import { deleteFrom, select } from './query.ts'
import { allowedPlaces } from './schema.ts'
import { aliased, parameter, prepare } from './statement.ts'

/** The place store over a D1 database. Build it once per isolate. */
export function createAllowedPlaceStore(d1: D1Database): AllowedPlaceStore {
  const statements = prepareStatements(d1)

  return {
    async list(userId, now) {
      return statements.list.rows(await run(statements.list.bind({ userId, now })))
    },

    async remove(userId, id) {
      return statements.remove.rows(await run(statements.remove.bind({ userId, id }))).length === 1
    },
  }
}

function prepareStatements(d1: D1Database) {
  return {
    list: prepare(
      d1,
      select(
        aliased({
          id: allowedPlaces.id,
          place: allowedPlaces.place,
          country: allowedPlaces.country,
          city: allowedPlaces.city,
          provider: allowedPlaces.provider,
          createdAt: allowedPlaces.createdAt,
          expiresAt: allowedPlaces.expiresAt,
        }),
      )
        .from(allowedPlaces)
        .where(and(eq(allowedPlaces.userId, parameter('userId')), gt(allowedPlaces.expiresAt, parameter('now'))))
        .orderBy(asc(allowedPlaces.id)),
    ),
    remove: prepare(
      d1,
      deleteFrom(allowedPlaces)
        .where(and(eq(allowedPlaces.userId, parameter('userId')), eq(allowedPlaces.id, parameter('id'))))
        .returning({ id: allowedPlaces.id }),
    ),
  }
}
