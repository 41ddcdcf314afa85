/** A user as columns, and what of it no two accounts have in common. */

import { sql } from 'drizzle-orm'

import type { UniqueField, User, WantedValues } from '../../domain/operators/user.ts'
import { isTaken } from '../d1.ts'
import { select } from '../query.ts'
import { users } from '../schema.ts'
import { aliased, parameter } from '../statement.ts'

/** What is selected of a user. */
export function userColumns() {
  return {
    ...aliased({
      id: users.id,
      guid: users.guid,
      email: users.primaryEmail,
      group: users.group,
      externalId: users.externalId,
      ownClaims: users.ownClaims,
      confirmedAt: users.confirmedAt,
      language: users.language,
      timeZone: users.timeZone,
      createdAt: users.createdAt,
      updatedAt: users.updatedAt,
      leftAt: users.leftAt,
    }),
    isActive: sql<number>`${users.isActive}`.as('isActive'),
    hasPassword: sql<number>`${users.passwordHash} is not null`.as('hasPassword'),
  }
}

export type UserRow = Omit<User, 'isActive' | 'hasPassword'> & {
  readonly isActive: number
  readonly hasPassword: number
}

export function toUser(row: UserRow): User {
  const { id, guid, email, group, externalId, ownClaims, isActive, confirmedAt } = row
  const { hasPassword, language, timeZone, createdAt, updatedAt, leftAt } = row
  const state = { email, group, externalId, ownClaims, isActive: isActive === 1, confirmedAt, language, timeZone }
  return { id, guid, ...state, hasPassword: hasPassword === 1, createdAt, updatedAt, leftAt }
}

/** 1 for each value of the parameters `email`, `externalId` and `guid` that an account has which is not the one of `besideId`. */
export function takenColumns(besideId: ReturnType<typeof sql>) {
  const has = (condition: ReturnType<typeof sql>) =>
    sql<number>`exists ${select({ one: sql`1` })
      .from(sql`${users} as others`)
      .where(sql`${condition} and others.id is not ${besideId}`)}`
  return {
    emailTaken: has(sql`others.primary_email = ${parameter('email')} collate nocase`).as('emailTaken'),
    externalIdTaken: has(sql`others.external_id = ${parameter('externalId')}`).as('externalIdTaken'),
    guidTaken: has(sql`others.guid = ${parameter('guid')}`).as('guidTaken'),
  }
}

export interface TakenRow {
  readonly emailTaken: number
  readonly externalIdTaken: number
  readonly guidTaken: number
}

export function takenIn({ emailTaken, externalIdTaken, guidTaken }: TakenRow): readonly UniqueField[] {
  return [
    ...(emailTaken === 1 ? (['primary_email'] as const) : []),
    ...(guidTaken === 1 ? (['guid'] as const) : []),
    ...(externalIdTaken === 1 ? (['external_id'] as const) : []),
  ]
}

/** What SQLite calls each value whose index has it already. */
const CONSTRAINTS = [
  ['primary_email', 'users.primary_email'],
  ['guid', 'users.guid'],
  ['external_id', 'users.external_id'],
] as const satisfies readonly (readonly [UniqueField, string])[]

/** The value that made a transaction fail since another account has it, or `null` where it failed for something else. */
export function takenBy(error: unknown): UniqueField | null {
  return CONSTRAINTS.find(([, constraint]) => isTaken(error, constraint))?.[0] ?? null
}

/** The parameters of `takenColumns`. */
export function wantedValues({ email, externalId }: WantedValues, guid: string) {
  return { email, externalId, guid }
}
