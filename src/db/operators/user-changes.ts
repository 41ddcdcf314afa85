/**
 * Changes of users in D1. Everything that is told of a change stands before the update in its batch, under the condition that the update
 * makes false: the user is still as it was found.
 */

import { and, eq, exists, isNull, sql } from 'drizzle-orm'

import type { EventFeed } from '../../domain/events/event-outbox.ts'
import type { ChangeableUser, UserChange, UserStore } from '../../domain/operators/user.ts'
import { run } from '../d1.ts'
import { prepareEvent, runTelling } from '../events/event.ts'
import { ADDRESSEES, prepareNotice } from '../mails/notices.ts'
import { deleteFrom, select, update } from '../query.ts'
import { addressChanges, allowedPlaces, attempts, seenPlaces, users } from '../schema.ts'
import { endedNow } from '../sessions/of-account.ts'
import { parameter, prepare, type Statement, type Value } from '../statement.ts'
import { prepareAct } from './audit.ts'
import { takenBy, takenColumns, takenIn, type TakenRow, toUser, userColumns, type UserRow } from './user-columns.ts'

/** Changes of users over a D1 database. Build it once per isolate. */
export function createUserChanges(
  d1: D1Database,
  newId: () => string,
  feed: EventFeed,
): Pick<UserStore, 'findForChange' | 'change'> {
  const { find, act, events, ...statements } = prepareStatements(d1, feed)

  function found(result: D1Result | undefined): ChangeableUser | null {
    const [row] = find.rows(result)
    if (row === undefined) return null
    return { ...toUser(row), ...pick(row), taken: takenIn(row) }
  }

  return {
    async findForChange(guid, { email, externalId }) {
      return found(await run(find.bind({ guid, email, externalId })))
    },

    async change(change) {
      const { fields, next, wanted } = change
      const values = valuesOf(change)
      const [setsPassword, setsEmail] = [fields.includes('password'), fields.includes('primary_email')]
      const mails = [
        ...(setsEmail ? [statements.emailMail.bind(newId(), change.emailMail, values)] : []),
        ...(setsPassword && next.email !== null
          ? [statements.passwordMail.bind(newId(), change.passwordMail, { ...values, email: next.email })]
          : []),
      ]
      const results = await runTelling(d1, feed, [
        ...mails,
        ...change.acts.map((one) => act.bind(one, values)),
        ...eventsOf(change, events).map((event) => event.bind(values)),
        ...(setsPassword ? [statements.forgetAttempts.bind(values)] : []),
        ...(setsEmail || setsPassword ? statements.forgetFormer.map((forget) => forget.bind(values)) : []),
        statements.change.bind(values),
        find.bind({ guid: change.found.guid, email: wanted.email, externalId: wanted.externalId }),
      ]).catch((error: unknown) => {
        const taken = takenBy(error)
        if (taken === null) throw error
        return taken
      })
      if (typeof results === 'string') return { taken: [results] }
      const user = found(results.at(-1))
      if (statements.change.rows(results.at(-2)).length === 0 || user === null) return { found: user }
      return { user, mails: mails.flatMap((_mail, i) => statements.emailMail.rows(results[i])) }
    },
  }
}

function prepareStatements(d1: D1Database, { isFollowed }: EventFeed) {
  const now = parameter('now')
  const isAsFound = and(
    eq(users.id, parameter('userId')),
    isNull(users.leftAt),
    eq(users.credentialsVersion, parameter('wasVersion')),
    eq(users.group, parameter('wasGroup')),
    eq(users.isActive, parameter('wasActive')),
    sql`${users.primaryEmail} is ${parameter('wasEmail')}`,
    sql`${users.confirmedAt} is ${parameter('wasConfirmedAt')}`,
    sql`${users.externalId} is ${parameter('wasExternalId')}`,
    sql`${users.ownClaims} is ${parameter('wasOwnClaims')}`,
    sql`${users.language} is ${parameter('wasLanguage')}`,
    sql`${users.timeZone} is ${parameter('wasTimeZone')}`,
  )
  const ofFound = exists(
    select({ one: sql`1` })
      .from(users)
      .where(isAsFound),
  )
  const { endedBefore } = endedNow()
  const ending = { where: isAsFound, endedBefore }
  const where = isAsFound

  return {
    find: prepare(
      d1,
      select({
        ...userColumns(),
        passwordHash: sql<string | null>`${users.passwordHash}`.as('passwordHash'),
        credentialsVersion: sql<number>`${users.credentialsVersion}`.as('credentialsVersion'),
        ...takenColumns(sql`${users.id}`),
      })
        .from(users)
        .where(eq(users.guid, parameter('guid'))),
    ),
    emailMail: prepareNotice(d1, isAsFound),
    passwordMail: prepareNotice(d1, isAsFound, ADDRESSEES.newEmail),
    act: prepareAct(d1, isAsFound),
    events: {
      passwordChanged: prepareEvent(d1, isFollowed, 'password_changed', 'operator', ending),
      emailChanged: prepareEvent(d1, isFollowed, 'email_changed', 'operator', ending),
      confirmed: prepareEvent(d1, isFollowed, 'confirmed', null, { where }),
      changed: prepareEvent(d1, isFollowed, 'account_changed', null, { where, facts: parameter('changedFields') }),
      activated: prepareEvent(d1, isFollowed, 'activated', null, ending),
      deactivated: prepareEvent(d1, isFollowed, 'deactivated', null, ending),
    },
    forgetAttempts: prepare(d1, deleteFrom(attempts).where(and(eq(attempts.subject, parameter('subject')), ofFound))),
    // An operator gives an account back to its owner: no link of an earlier change of its address may undo that, and no place counts as
    // the owner's where somebody else may have been.
    forgetFormer: [
      [addressChanges, addressChanges.userId] as const,
      [allowedPlaces, allowedPlaces.userId] as const,
      [seenPlaces, seenPlaces.userId] as const,
    ].map(([table, userId]) => prepare(d1, deleteFrom(table).where(and(eq(userId, parameter('userId')), ofFound)))),
    change: prepare(
      d1,
      update(users)
        .set({
          primaryEmail: parameter('nextEmail'),
          passwordHash: sql`iif(${parameter('setsPassword')}, ${parameter('passwordHash')}, ${users.passwordHash})`,
          group: parameter('group'),
          isActive: parameter('isActive'),
          confirmedAt: parameter('confirmedAt'),
          externalId: parameter('externalId'),
          ownClaims: parameter('ownClaims'),
          language: parameter('language'),
          timeZone: parameter('timeZone'),
          endedBefore: sql`iif(${parameter('ends')}, ${endedBefore}, ${users.endedBefore})`,
          endedExcept: sql`iif(${parameter('ends')}, null, ${users.endedExcept})`,
          credentialsVersion: sql`${users.credentialsVersion} + ${parameter('voidsLinks')}`,
          updatedAt: now,
        })
        .where(isAsFound)
        .returning({ id: users.id }),
    ),
  }
}

/** What is told of a change to those who follow, and kept for the history of the account. */
function eventsOf(
  { fields, found, next }: UserChange,
  events: ReturnType<typeof prepareStatements>['events'],
): readonly Statement<unknown>[] {
  const isActivityChanged = next.isActive !== found.isActive
  return [
    ...(fields.includes('password') ? [events.passwordChanged] : []),
    ...(fields.includes('primary_email') ? [events.emailChanged] : []),
    ...(fields.includes('confirmed') && next.confirmedAt !== null ? [events.confirmed] : []),
    ...(otherFields(fields).length > 0 ? [events.changed] : []),
    ...(isActivityChanged ? [next.isActive ? events.activated : events.deactivated] : []),
  ]
}

/** Those that have no event of their own. */
function otherFields(fields: UserChange['fields']): UserChange['fields'] {
  return fields.filter((field) => field !== 'password' && field !== 'primary_email')
}

function valuesOf({ found, next, fields, subject, now }: UserChange): Readonly<Record<string, Value>> & {
  readonly now: number
} {
  const setsPassword = fields.includes('password')
  const setsCredentials = setsPassword || fields.includes('primary_email')
  return {
    userId: found.id,
    wasVersion: found.credentialsVersion,
    wasGroup: found.group,
    wasActive: Number(found.isActive),
    wasEmail: found.email,
    wasConfirmedAt: found.confirmedAt,
    wasExternalId: found.externalId,
    wasOwnClaims: found.ownClaims,
    wasLanguage: found.language,
    wasTimeZone: found.timeZone,
    nextEmail: next.email,
    passwordHash: next.passwordHash,
    group: next.group,
    isActive: Number(next.isActive),
    confirmedAt: next.confirmedAt,
    externalId: next.externalId,
    ownClaims: next.ownClaims,
    language: next.language,
    timeZone: next.timeZone,
    setsPassword: Number(setsPassword),
    // No link that was made for the former state of an account works once it was closed and is open again.
    voidsLinks: Number(setsCredentials || next.isActive !== found.isActive),
    // Where SQL closed the account, it left the sessions as they were: opening it ends them.
    ends: Number(setsCredentials || next.isActive !== found.isActive),
    changedFields: JSON.stringify({ fields: otherFields(fields) }),
    subject,
    now,
  }
}

function pick({ passwordHash, credentialsVersion }: ChangeRow) {
  return { passwordHash, credentialsVersion }
}

type ChangeRow = UserRow & TakenRow & Pick<ChangeableUser, 'passwordHash' | 'credentialsVersion'>
