/** Users in D1, as operators make, find, change and end them. One round trip each, and a second one to say why an account was not made. */

import { eq, sql } from 'drizzle-orm'

import type { EventFeed } from '../../domain/events/event-outbox.ts'
import type { UserStore } from '../../domain/operators/user.ts'
import { run } from '../d1.ts'
import { prepareEvent, runTelling } from '../events/event.ts'
import { insertInto, select } from '../query.ts'
import { users } from '../schema.ts'
import { parameter, prepare } from '../statement.ts'
import { createEndOfAll } from './all-sessions.ts'
import { prepareAct } from './audit.ts'
import { createUserChanges } from './user-changes.ts'
import { takenBy, takenColumns, takenIn, toUser, userColumns } from './user-columns.ts'
import { createUserEnds } from './user-ends.ts'
import { createUserImports } from './user-imports.ts'
import { createUserList } from './user-list.ts'

/** Users over a D1 database. Build it once per isolate. */
export function createUserStore(d1: D1Database, newId: () => string, feed: EventFeed): UserStore {
  const statements = prepareStatements(d1, feed)

  return {
    ...createUserChanges(d1, newId, feed),
    ...createUserEnds(d1, newId, feed),
    ...createEndOfAll(d1, feed),
    ...createUserImports(d1, feed),
    list: createUserList(d1),

    async create(user, act) {
      const { email, guid, externalId } = user
      const values = { ...user, isActive: Number(user.isActive), now: act.now }
      // A value that another account has fails the transaction, so that nothing behind it needs a condition.
      const results = await runTelling(d1, feed, [
        statements.create.bind(values),
        statements.act.bind(act, values),
        statements.event.bind(values),
        statements.find.bind(values),
      ]).catch((error: unknown) => {
        const taken = takenBy(error)
        if (taken === null) throw error
        return taken
      })
      if (typeof results !== 'string') {
        const [row] = statements.find.rows(results[3])
        if (row === undefined) throw new RangeError('a user that was just inserted is not there')
        return toUser(row)
      }
      // SQLite names one of them.
      const [row] = statements.taken.rows(await run(statements.taken.bind({ email, guid, externalId })))
      return [...new Set([results, ...(row === undefined ? [] : takenIn(row))])]
    },

    async find(guid) {
      const [row] = statements.find.rows(await run(statements.find.bind({ guid })))
      return row === undefined ? null : toUser(row)
    },
  }
}

function prepareStatements(d1: D1Database, { isFollowed }: EventFeed) {
  const hasGuid = eq(users.guid, parameter('guid'))
  const now = parameter('now')
  return {
    create: prepare(
      d1,
      insertInto(users).values({
        guid: parameter('guid'),
        primaryEmail: parameter('email'),
        passwordHash: parameter('passwordHash'),
        group: parameter('group'),
        isActive: parameter('isActive'),
        confirmedAt: parameter('confirmedAt'),
        language: parameter('language'),
        timeZone: parameter('timeZone'),
        externalId: parameter('externalId'),
        ownClaims: parameter('ownClaims'),
        createdAt: now,
        updatedAt: now,
      }),
    ),
    act: prepareAct(d1, hasGuid),
    event: prepareEvent(d1, isFollowed, 'registered', 'operator', { where: hasGuid }),
    find: prepare(d1, select(userColumns()).from(users).where(hasGuid)),
    taken: prepare(d1, select(takenColumns(sql`0`)).from(sql`(select 1)`)),
  }
}
