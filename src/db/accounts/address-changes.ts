/** Changes of address in D1. One round trip each. */

import { and, eq, exists, notExists, sql } from 'drizzle-orm'

import type { AccountChangeStore } from '../../domain/accounts/account-change.ts'
import type { EventFeed } from '../../domain/events/event-outbox.ts'
import { runBatch } from '../d1.ts'
import { prepareEvent, runTelling } from '../events/event.ts'
import { isUsable, valuesOf } from '../mails/links.ts'
import { ADDRESSEES, prepareNotice } from '../mails/notices.ts'
import { deleteFrom, insertInto, select, update } from '../query.ts'
import { addressChanges as table, allowedPlaces, notifications, seenPlaces, users } from '../schema.ts'
import { endedNow } from '../sessions/of-account.ts'
import { aliased, parameter, prepare } from '../statement.ts'
import { isWithinLimit, prepareCount, requestValues } from './mail-requests.ts'

/** Changes of address over a D1 database. Build it once per isolate. */
export function addressChanges(
  d1: D1Database,
  newId: () => string,
  feed: EventFeed,
): Pick<AccountChangeStore, 'askEmail' | 'confirmEmail' | 'undoEmail'> {
  const count = prepareCount(d1)
  const statements = prepareStatements(d1, feed)

  return {
    async askEmail(request, { userId, passwordHash }, email, { confirm, taken }) {
      const values = { ...requestValues(request), userId, passwordHash, email }
      const [, confirmed, told] = await runBatch(d1, [
        count.bind(values),
        statements.confirmMail.bind(request.id, confirm, values),
        statements.takenMail.bind(newId(), taken, values),
      ])
      return statements.confirmMail.rows(confirmed)[0] ?? statements.takenMail.rows(told)[0] ?? null
    },

    async confirmEmail(link, { id: noticeId, now }, mail) {
      const values = { ...valuesOf(link), noticeId, now }
      const [stored, , , confirmed] = await runTelling(d1, feed, [
        statements.changedMail.bind(noticeId, mail, values),
        statements.note.bind(values),
        statements.tellConfirmed.bind(values),
        statements.confirm.bind(values),
      ])
      const [account] = statements.confirm.rows(confirmed)
      return account === undefined ? null : { ...account, mail: statements.changedMail.rows(stored)[0] ?? null }
    },

    async undoEmail(link, now) {
      const values = { ...valuesOf(link), now }
      const [, undone] = await runTelling(d1, feed, [
        statements.tellUndone.bind(values),
        statements.undo.bind(values),
        statements.removePlaces.bind(values),
        statements.forgetPlaces.bind(values),
        statements.forgetLater.bind(values),
      ])
      return statements.undo.rows(undone)[0]?.guid ?? null
    },
  }
}

function prepareStatements(d1: D1Database, { isFollowed }: EventFeed) {
  const [one, now] = [{ one: sql`1` }, parameter('now')]
  const isFree = (email: unknown) =>
    notExists(
      select(one)
        .from(sql`${users} as others`)
        .where(sql`others.primary_email = ${email} collate nocase`),
    )
  const recipient = sql`(select ${notifications.recipient} from ${notifications} where ${notifications.id} = ${parameter('id')})`
  const isLinked = and(
    sql`${users.id} in ${select({ userId: notifications.userId }).from(notifications).where(isUsable())}`,
    isFree(recipient),
  )
  const changed = { credentialsVersion: sql`${users.credentialsVersion} + 1`, updatedAt: now }

  const undone = select({ userId: table.userId })
    .from(table)
    .where(and(eq(table.noticeId, parameter('id')), exists(select(one).from(notifications).where(isUsable()))))
  const former = sql`(select former_email from address_changes where notice_id = ${parameter('id')})`
  const isUndoable = and(sql`${users.id} in ${undone}`, isFree(former))
  /** The account has its former address back: what stands behind this in the batch runs only then. */
  const isUndone = exists(
    select(one)
      .from(users)
      .where(and(sql`${users.id} in ${undone}`, eq(users.primaryEmail, former), eq(users.updatedAt, now))),
  )

  return {
    // A link that is made for the state after a change of the password must not come of the password before it.
    confirmMail: prepareNotice(
      d1,
      and(isWithinLimit(), eq(users.passwordHash, parameter('passwordHash')), isFree(parameter('email'))),
      ADDRESSEES.newEmail,
    ),
    takenMail: prepareNotice(d1, isWithinLimit(), ADDRESSEES.ownerOfEmail),
    changedMail: prepareNotice(d1, undefined, { ...ADDRESSEES.account, where: isLinked }),
    note: prepare(
      d1,
      insertInto(table).select((query) =>
        query
          .select({
            noticeId: parameter('noticeId').as('notice_id'),
            userId: sql<number>`${users.id}`.as('user_id'),
            formerEmail: sql<string>`${users.primaryEmail}`.as('former_email'),
            changedAt: now.as('changed_at'),
          })
          .from(users)
          .where(isLinked),
      ),
    ),
    tellConfirmed: prepareEvent(d1, isFollowed, 'email_changed', 'confirmed', { where: isLinked }),
    tellUndone: prepareEvent(d1, isFollowed, 'email_changed', 'undone', { where: isUndoable, ...endedNow() }),
    confirm: prepare(
      d1,
      update(users)
        .set({ ...changed, primaryEmail: recipient, confirmedAt: now })
        .where(isLinked)
        .returning(aliased({ guid: users.guid })),
    ),
    // Whoever changed the address knew the password, so that it is none any more.
    undo: prepare(
      d1,
      update(users)
        .set({ ...changed, ...endedNow(), primaryEmail: former, passwordHash: null, confirmedAt: now })
        .where(isUndoable)
        .returning(aliased({ guid: users.guid })),
    ),
    removePlaces: prepare(
      d1,
      deleteFrom(allowedPlaces).where(and(sql`${allowedPlaces.userId} in ${undone}`, isUndone)),
    ),
    forgetPlaces: prepare(d1, deleteFrom(seenPlaces).where(and(sql`${seenPlaces.userId} in ${undone}`, isUndone))),
    // Rows of one account are in the order of its changes.
    forgetLater: prepare(
      d1,
      deleteFrom(table).where(
        and(
          sql`${table.userId} in ${undone}`,
          sql`rowid >= (select rowid from address_changes where notice_id = ${parameter('id')})`,
          isUndone,
        ),
      ),
    ),
  }
}
