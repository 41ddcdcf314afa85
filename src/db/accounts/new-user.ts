/** A row of `users` that a SELECT inserts, which Drizzle wants with every column, in their order. */

import { type SQL, sql } from 'drizzle-orm'

import { DEFAULT_GROUP } from '../../domain/accounts/account.ts'
import { parameter } from '../statement.ts'

/** What a new account may bring along: SQL in place of what one has that brings nothing. */
interface Given {
  readonly guid?: SQL<string>
  readonly email?: SQL<string | null>
  readonly passwordHash?: SQL<string | null>
  readonly group?: SQL<string>
  readonly isActive?: SQL<number>
  readonly confirmedAt?: SQL<number | null>
  readonly language?: SQL<string | null>
  readonly timeZone?: SQL<string | null>
  readonly createdAt?: SQL<number>
  readonly externalId?: SQL<string | null>
  readonly ownClaims?: SQL<string | null>
}

/** The columns of a new account, by the parameters `guid` and `now` where nothing else is given. */
export function newUser(given: Given) {
  const nothing = sql<null>`null`
  const { guid = parameter('guid'), group = sql<string>`${DEFAULT_GROUP}`, isActive = sql<number>`1` } = given
  return {
    id: sql<number>`null`.as('id'),
    guid: guid.as('guid'),
    primaryEmail: (given.email ?? nothing).as('primary_email'),
    passwordHash: (given.passwordHash ?? nothing).as('password_hash'),
    group: group.as('group'),
    isActive: isActive.as('is_active'),
    confirmedAt: (given.confirmedAt ?? nothing).as('confirmed_at'),
    failedSignIns: sql<number>`0`.as('failed_sign_ins'),
    lockedUntil: nothing.as('locked_until'),
    endedBefore: nothing.as('ended_before'),
    endedExcept: nothing.as('ended_except'),
    credentialsVersion: sql<number>`0`.as('credentials_version'),
    language: (given.language ?? nothing).as('language'),
    timeZone: (given.timeZone ?? nothing).as('time_zone'),
    leftAt: nothing.as('left_at'),
    createdAt: (given.createdAt ?? parameter('now')).as('created_at'),
    updatedAt: parameter('now').as('updated_at'),
    externalId: (given.externalId ?? nothing).as('external_id'),
    ownClaims: (given.ownClaims ?? nothing).as('own_claims'),
  }
}
