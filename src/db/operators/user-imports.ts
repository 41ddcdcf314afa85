/**
 * Accounts that are brought along, in D1: a round trip looks for the ids of all, and one makes all that are not there. A batch is one
 * parameter, as JSON, so that however many accounts it has, it is the same few statements.
 */

import { type SQL, sql } from 'drizzle-orm'

import type { EventFeed } from '../../domain/events/event-outbox.ts'
import type { IdentifiedUser, ImportedUser, UserStore, WantedIds } from '../../domain/operators/user.ts'
import { normalizeEmail } from '../../domain/accounts/account.ts'
import { newUser } from '../accounts/new-user.ts'
import { runBatch } from '../d1.ts'
import { prepareEvent, runTelling } from '../events/event.ts'
import { insertInto, select } from '../query.ts'
import { users } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'
import { prepareAct } from './audit.ts'
import { takenBy } from './user-columns.ts'

/** Imports over a D1 database. Build them once per isolate. */
export function createUserImports(d1: D1Database, feed: EventFeed): Pick<UserStore, 'identify' | 'createAll'> {
  const statements = prepareStatements(d1, feed)

  return {
    async identify(ids) {
      const lists = [statements.byGuid, statements.byEmail, statements.byExternalId] as const
      const keys = ['guid', 'email', 'externalId'] as const
      const results = await runBatch(
        d1,
        lists.map((list, i) => list.bind({ ids: listOf(ids, keys[i] ?? 'guid') })),
      )
      const found = lists.flatMap((list, i) => list.rows(results[i]))
      // An account that several lists have found is one.
      const byGuid = new Map(found.map((row) => [row.guid, toIdentified(row)]))
      return [...byGuid.values()]
    },

    async createAll(made) {
      const [first] = made
      if (first === undefined) return true
      const lines = JSON.stringify(made.map(({ user }) => toColumns(user)))
      const acts = JSON.stringify(made.map(({ user, act }) => ({ guid: user.guid, facts: JSON.stringify(act.facts) })))
      const values = { lines, acts, now: first.act.now }
      // An id that another account has got meanwhile fails the transaction, so that nothing behind it needs a condition.
      try {
        await runTelling(d1, feed, [
          statements.create.bind(values),
          statements.act.bind(first.act, values),
          statements.event.bind(values),
        ])
        return true
      } catch (error) {
        if (takenBy(error) === null) throw error
        return false
      }
    },
  }
}

function listOf(ids: readonly WantedIds[], key: keyof WantedIds): string {
  return JSON.stringify(ids.flatMap((one) => one[key] ?? []))
}

function toIdentified({
  email,
  hasLeft,
  ...row
}: Omit<IdentifiedUser, 'hasLeft'> & { hasLeft: number }): IdentifiedUser {
  // An address that was written by SQL may have capitals.
  return { ...row, email: email === null ? null : normalizeEmail(email), hasLeft: hasLeft === 1 }
}

function toColumns({ isActive, ...user }: ImportedUser) {
  return { ...user, isActive: Number(isActive) }
}

/** What a line of the list of a statement says. */
function line(name: string): SQL<never> {
  return sql`line.value ->> ${sql.raw(`'${name}'`)}`
}

function prepareStatements(d1: D1Database, { isFollowed }: EventFeed) {
  const identified = {
    ...aliased({ guid: users.guid, email: users.primaryEmail, externalId: users.externalId }),
    hasLeft: sql<number>`${users.leftAt} is not null`.as('hasLeft'),
  }
  const ids = sql`json_each(${parameter('ids')}) as given`
  /** For each id that is given, the account that has it, by its index. */
  const by = (has: ReturnType<typeof sql>) =>
    prepare(
      d1,
      select(identified)
        .from(sql`${ids} cross join ${users}`)
        .where(has),
    )

  const acts = sql`json_each(${parameter('acts')}) as line`
  const isOfLine = sql`${users.guid} = ${line('guid')}`
  return {
    byGuid: by(sql`${users.guid} = given.value`),
    byEmail: by(sql`${users.primaryEmail} = given.value collate nocase`),
    byExternalId: by(sql`${users.externalId} = given.value`),
    create: prepare(
      d1,
      insertInto(users).select((query) =>
        query
          .select(
            newUser({
              guid: line('guid'),
              email: line('email'),
              passwordHash: line('passwordHash'),
              group: line('group'),
              isActive: line('isActive'),
              confirmedAt: line('confirmedAt'),
              language: line('language'),
              timeZone: line('timeZone'),
              createdAt: line('createdAt'),
              externalId: line('externalId'),
              ownClaims: line('ownClaims'),
            }),
          )
          .from(sql`json_each(${parameter('lines')}) as line`),
      ),
    ),
    act: prepareAct(d1, isOfLine, {
      of: sql`${acts} cross join ${users}`,
      userId: sql`${users.id}`,
      facts: sql`${line('facts')}`,
    }),
    event: prepareEvent(d1, isFollowed, 'registered', 'imported', {
      where: sql`${users.guid} in (select ${line('guid')} from ${acts})`,
    }),
  }
}
