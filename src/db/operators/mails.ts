/**
 * The outbox in D1, as operators see it. Each write has its row of the ledger in its transaction, which stands before what makes its condition
 * false.
 */

import { and, eq, isNotNull, isNull, notExists, type SQL, sql } from 'drizzle-orm'

import type { MailQuery, MailState, ListedMailStore } from '../../domain/operators/listed-mail.ts'
import { prepareRepeat } from '../accounts/registrations.ts'
import { runBatch } from '../d1.ts'
import { ADDRESSEES, prepareNotice } from '../mails/notices.ts'
import { select, update } from '../query.ts'
import { notifications, users } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'
import { prepareAct } from './audit.ts'
import { LAST, pageOf, preparePage } from './page.ts'

const isUnsent = isNull(notifications.sentAt)
const isParked = isNotNull(notifications.failedAt)
/** A row, in the order in which rows were inserted. */
const row = sql<number>`${notifications}.rowid`

/** The outbox of operators over a D1 database. Build it once per isolate. */
export function createListedMailStore(d1: D1Database): ListedMailStore {
  const lists = prepareLists(d1)
  const statements = prepareStatements(d1)

  return {
    async list({ state, guid, after, limit }) {
      const { page, border, start } = listOf(state)
      const values = { state, guid, ...(after ?? start), rows: limit + 1 }
      const [found, reached] = await runBatch(d1, [page.bind(values), border.bind(values)])
      const { rows, next } = pageOf(page.rows(found), limit, border.rows(reached)[0])
      return {
        mails: rows.map(({ key: _key, row: _row, ...mail }) => mail),
        next: next === null ? null : { key: next.key, row: next.row },
      }
    },

    async askReset(id, email, mail, act) {
      const values = { id, email, now: act.now }
      const [stored] = await runBatch(d1, [
        statements.askReset.bind(id, mail, values),
        statements.askedAct.bind(act, values),
      ])
      return statements.askReset.rows(stored)[0] ?? null
    },

    async askConfirmation(id, email, mail, act) {
      const values = { id, email, now: act.now }
      const [, stored] = await runBatch(d1, [
        statements.repeat.add.bind(values),
        statements.repeat.mail.bind(id, mail, values),
        statements.askedAct.bind(act, values),
      ])
      return statements.repeat.mail.rows(stored)[0] ?? null
    },

    async requeue(id, act) {
      const values = { id, now: act.now }
      const [, due] = await runBatch(d1, [statements.requeueAct.bind(act, values), statements.requeue.bind(values)])
      return statements.requeue.rows(due)[0] ?? null
    },

    async requeueParked(limit, act) {
      const values = { limit, now: act.now }
      const [, due] = await runBatch(d1, [
        statements.requeueParkedAct.bind(act, values),
        statements.requeueParked.bind(values),
      ])
      return statements.requeueParked.rows(due)
    },
  }

  function listOf(state: MailQuery['state']) {
    return state === 'parked' || state === 'waiting' ? lists[state] : lists.all
  }
}

function prepareLists(d1: D1Database) {
  const [key, last] = [parameter('key'), parameter('row')]
  /** In the order of `by`, which an index has for those that `where` finds. */
  const list = (start: { key: number; row: number }, by: SQL, where: SQL | undefined, order: SQL) => {
    const { id, kind, recipient, createdAt, attempts, dueAt, sentAt, failedAt, lastError } = notifications
    const state = sql<MailState>`case when ${isNotNull(sentAt)} then 'sent' when ${isParked} then 'parked' else 'waiting' end`
    const prepared = preparePage(d1, {
      table: notifications,
      where,
      order,
      keys: { key: sql<number>`${by}`.as('key'), row: sql<number>`${notifications}.row_id`.as('row') },
      columns: {
        ...aliased({ id, kind, recipient, createdAt, attempts, dueAt, sentAt, failedAt, lastError }),
        guid: sql<string | null>`${users.guid}`.as('guid'),
        state: state.as('state'),
      },
      filter: and(
        sql`${state} = coalesce(${parameter('state')}, ${state})`,
        sql`(${parameter('guid')} is null or ${users.guid} = ${parameter('guid')})`,
      ),
    })
    return { ...prepared, start }
  }
  const { createdAt, dueAt } = notifications
  return {
    all: list({ key: 0, row: LAST }, sql`0`, sql`${row} < ${last}`, sql`${row} desc`),
    parked: list(
      { key: LAST, row: LAST },
      sql`${createdAt}`,
      and(isParked, sql`(${createdAt}, ${row}) < (${key}, ${last})`),
      sql`${createdAt} desc, ${row} desc`,
    ),
    waiting: list(
      { key: -1, row: -1 },
      sql`${dueAt}`,
      and(isUnsent, isNull(notifications.failedAt), sql`(${dueAt}, ${row}) > (${key}, ${last})`),
      sql`${dueAt}, ${row}`,
    ),
  }
}

function prepareStatements(d1: D1Database) {
  const isThis = and(eq(notifications.id, parameter('id')), isUnsent)
  // A lease stays as it is: a consumer that is sending the mail right now goes on, and no other sends it beside that one.
  const due = { failedAt: null, dueAt: parameter('now') }
  const found = aliased({ id: notifications.id, account: notifications.userId })
  const ofAccount = sql`nullif(${notifications.userId}, 0)`
  const hasAccount = select({ one: sql`1` })
    .from(users)
    .where(sql`${users.primaryEmail} = ${parameter('email')} collate nocase`)
  const oldest = sql`(select id from ${notifications} where ${isParked} order by created_at limit ${parameter('limit')})`

  return {
    askReset: prepareNotice(d1, eq(users.isActive, 1), ADDRESSEES.ownerOfEmail),
    repeat: prepareRepeat(d1, notExists(hasAccount)),
    askedAct: prepareAct(d1, eq(notifications.id, parameter('id')), { of: notifications, userId: ofAccount }),
    requeueAct: prepareAct(d1, isThis, { of: notifications, userId: ofAccount }),
    requeue: prepare(d1, update(notifications).set(due).where(isThis).returning(found)),
    requeueParkedAct: prepareAct(d1, sql`exists ${oldest}`, {
      of: sql`(select 1)`,
      userId: null,
      facts: sql`json_object('count', (select count(*) from ${oldest}))`,
    }),
    requeueParked: prepare(
      d1,
      update(notifications)
        .set(due)
        .where(sql`${notifications.id} in ${oldest}`)
        .returning(found),
    ),
  }
}
