/**
 * New passwords in D1, and the end of an account by its owner. One round trip each. The mail stands before the update in a batch, under the
 * same condition: the update makes that condition false.
 */

import { and, eq, exists, isNull, sql } from 'drizzle-orm'

import type { AccountChangeStore, Written } from '../../domain/accounts/account-change.ts'
import type { EventFeed } from '../../domain/events/event-outbox.ts'
import { run, runBatch } from '../d1.ts'
import { prepareEvent, runTelling } from '../events/event.ts'
import { isUsable, valuesOf } from '../mails/links.ts'
import { ADDRESSEES, prepareNotice } from '../mails/notices.ts'
import { deleteFrom, select, update } from '../query.ts'
import { attempts, notifications, users } from '../schema.ts'
import { endedNow, hasLiveSession } from '../sessions/of-account.ts'
import { aliased, parameter, prepare } from '../statement.ts'
import { prepareLeave } from './leave.ts'
import { isWithinLimit, prepareCount, requestValues } from './mail-requests.ts'

const one = { one: sql`1` }

/** Passwords, and the end of an account, over a D1 database. Build it once per isolate. */
export function credentials(
  d1: D1Database,
  newId: () => string,
  feed: EventFeed,
): Pick<AccountChangeStore, 'askReset' | 'resetPassword' | 'changePassword' | 'language' | 'setLanguage' | 'leave'> {
  const count = prepareCount(d1)
  const statements = prepareStatements(d1, feed)

  /** Runs an update after the mail and the events about it, and says what was written, and which of the events. */
  async function write(
    mail: D1PreparedStatement,
    told: readonly D1PreparedStatement[],
    changed: D1PreparedStatement,
    more: readonly D1PreparedStatement[] = [],
  ): Promise<{ readonly written: NonNullable<Written>; readonly isTold: readonly boolean[] } | null> {
    const [stored, ...results] = await runTelling(d1, feed, [mail, ...told, changed, ...more])
    const [account] = statements.reset.rows(results[told.length])
    if (account === undefined) return null
    const isTold = told.map((_event, i) => results[i]?.results.length === 1)
    return { written: { ...account, mail: statements.resetMail.rows(stored)[0] ?? null }, isTold }
  }

  return {
    async askReset(request, email, mail) {
      const values = { ...requestValues(request), email }
      const [, stored] = await runBatch(d1, [count.bind(values), statements.askMail.bind(request.id, mail, values)])
      return statements.askMail.rows(stored)[0] ?? null
    },

    async resetPassword(link, { passwordHash, subject, now }, mail) {
      const values = { ...valuesOf(link), passwordHash, subject, now }
      const reset = await write(
        statements.resetMail.bind(newId(), mail, values),
        [statements.tellConfirmed.bind(values), statements.tellReset.bind(values)],
        statements.reset.bind(values),
        [statements.forgetAttempts.bind(values)],
      )
      return reset === null ? null : { ...reset.written, isNewlyConfirmed: reset.isTold[0] === true }
    },

    async changePassword({ userId, passwordHash }, { newHash, sid, now, sessionMaxSeconds }, mail) {
      const values = { userId, passwordHash, newHash, sid, now, sessionMaxSeconds }
      const change = await write(
        statements.changeMail.bind(newId(), mail, values),
        [statements.tellChanged.bind(values)],
        statements.change.bind(values),
      )
      return change?.written ?? null
    },

    async language(userId) {
      const [row] = statements.language.rows(await run(statements.language.bind({ userId })))
      return row?.language ?? null
    },

    async setLanguage(userId, how) {
      await run(statements.setLanguage.bind({ userId, ...how }))
    },

    async leave({ userId, passwordHash }, { email, subject, now }, mail) {
      const values = { userId, passwordHash, email, subject, now }
      const end = await write(
        statements.leave.mail.bind(newId(), mail, values),
        [statements.leave.tell.bind(values)],
        statements.leave.leave.bind(values),
        statements.leave.remains.map((remove) => remove.bind(values)),
      )
      return end?.written ?? null
    },
  }
}

function prepareStatements(d1: D1Database, { isFollowed }: EventFeed) {
  const now = parameter('now')
  const changed = { credentialsVersion: sql`${users.credentialsVersion} + 1`, updatedAt: now }
  const isVerified = and(eq(users.id, parameter('userId')), eq(users.passwordHash, parameter('passwordHash')))
  const isLive = hasLiveSession()
  const isLinked = sql`${users.id} in ${select({ userId: notifications.userId }).from(notifications).where(isUsable())}`
  /** The link has just set this hash, whose salt no other has. */
  const isReset = exists(
    select(one)
      .from(users)
      .where(
        and(
          sql`${users.id} in ${select({ userId: notifications.userId })
            .from(notifications)
            .where(eq(notifications.id, parameter('id')))}`,
          eq(users.passwordHash, parameter('passwordHash')),
        ),
      ),
  )

  return {
    askMail: prepareNotice(d1, and(isWithinLimit(), eq(users.isActive, 1)), ADDRESSEES.ownerOfEmail),
    tellConfirmed: prepareEvent(d1, isFollowed, 'confirmed', null, {
      where: and(isLinked, isNull(users.confirmedAt)),
    }),
    tellReset: prepareEvent(d1, isFollowed, 'password_changed', 'reset', { where: isLinked, ...endedNow() }),
    resetMail: prepareNotice(d1, undefined, { ...ADDRESSEES.account, where: isLinked }),
    reset: prepare(
      d1,
      update(users)
        .set({
          ...changed,
          ...endedNow(),
          passwordHash: parameter('passwordHash'),
          confirmedAt: sql`coalesce(${users.confirmedAt}, ${now})`,
        })
        .where(isLinked)
        .returning(aliased({ guid: users.guid })),
    ),
    forgetAttempts: prepare(d1, deleteFrom(attempts).where(and(eq(attempts.subject, parameter('subject')), isReset))),
    tellChanged: prepareEvent(d1, isFollowed, 'password_changed', 'changed', {
      where: and(isVerified, isLive),
      ...endedNow(),
      endedExcept: parameter('sid'),
    }),
    changeMail: prepareNotice(d1, and(isVerified, isLive)),
    change: prepare(
      d1,
      update(users)
        .set({
          ...changed,
          ...endedNow(),
          endedExcept: parameter('sid'),
          passwordHash: parameter('newHash'),
        })
        .where(and(isVerified, isLive))
        .returning(aliased({ guid: users.guid })),
    ),
    language: prepare(
      d1,
      select({ language: users.language })
        .from(users)
        .where(eq(users.id, parameter('userId'))),
    ),
    setLanguage: prepare(
      d1,
      update(users)
        .set({
          language: parameter('language'),
          timeZone: sql`coalesce(${parameter('timeZone')}, ${users.timeZone})`,
          updatedAt: now,
        })
        .where(eq(users.id, parameter('userId'))),
    ),
    leave: prepareLeave(d1, isFollowed, 'owner', isVerified),
  }
}
