/**
 * Events from their rows to the queue. A sender holds the events that it takes until it has marked them as sent, or its time is over; of an
 * account of which one event is held, nobody takes another. D1 runs one transaction after the other, so of two senders one finds the rows
 * held by the other.
 */

import { and, gt, inArray, isNull, lte, ne, type SQL, sql } from 'drizzle-orm'

import type { EventOutbox, UnsentEvent } from '../../domain/events/event-outbox.ts'
import { run, runBatch } from '../d1.ts'
import { deleteFrom, select, update } from '../query.ts'
import { events, users } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'

/** Longer than one call of the queue may take, with its round trips to D1, plus what the clocks of two edge locations may differ by. */
const HELD_SECONDS = 60

/** The outbox of events over a D1 database. Build it once per isolate. */
export function createEventOutbox(d1: D1Database): EventOutbox {
  const statements = prepareStatements(d1)

  return {
    async findWaiting(after, now, limit) {
      const found = await run(statements.findWaiting.bind({ after, now, limit }))
      return statements.findWaiting.rows(found).map(({ userId }) => userId)
    },

    async take(accounts, sent, now, limit) {
      const ids = JSON.stringify(sent.map(({ id }) => id))
      const left = sent.filter(({ type }) => type === 'left').map(({ userId }) => userId)
      const taken = { accounts: JSON.stringify(accounts), now, limit, heldUntil: now + HELD_SECONDS }
      const results = await runBatch(d1, [
        ...(sent.length === 0 ? [] : [statements.markSent.bind({ ids, now })]),
        ...(left.length === 0 ? [] : [statements.forget.bind({ accounts: JSON.stringify(left) })]),
        statements.take.bind(taken),
      ])
      // RETURNING promises no order.
      return statements.take.rows(results.at(-1)).toSorted((a, b) => a.id - b.id)
    },
  }
}

/** The values of the JSON array that is the parameter `name`. */
function listed(name: string): SQL {
  return sql`(select value from json_each(${parameter(name)}))`
}

function prepareStatements(d1: D1Database) {
  const { id, userId, type, at, sid, reason, facts, endedBefore, endedExcept, dueAt } = events
  const isFree = lte(dueAt, parameter('now'))
  // Events are taken from the oldest on, so that where one of an account is held, its oldest is.
  const oldest = sql`(
    select oldest.due_at from ${events} as oldest
    where oldest.user_id = json_each.value and oldest.due_at is not null order by oldest.id limit 1)`
  const freeAccounts = sql`(
    select value from json_each(${parameter('accounts')}) where ${oldest} <= ${parameter('now')})`
  const free = select({ id })
    .from(events)
    .where(and(isFree, inArray(userId, freeAccounts)))
    .orderBy(userId, id)
    .limit(sql.placeholder('limit'))
  // RETURNING names columns without their table, which the table of a sub-query would take for its own.
  const previous = sql<number | null>`(
    select earlier.id from ${events} as earlier
    where earlier.user_id = ${events}.user_id and earlier.id < ${events}.id and (earlier.due_at is not null or earlier.sent_at is not null)
    order by earlier.id desc limit 1)`
  const guid = sql<string>`(select ${users.guid} from ${users} where ${users.id} = ${events}.user_id)`

  return {
    findWaiting: prepare<Pick<UnsentEvent, 'userId'>>(
      d1,
      select(aliased({ userId }))
        .from(events)
        .where(and(gt(userId, parameter('after')), isFree))
        .groupBy(userId)
        .orderBy(userId)
        .limit(sql.placeholder('limit')),
    ),
    take: prepare<UnsentEvent>(
      d1,
      update(events)
        .set({ dueAt: parameter('heldUntil') })
        .where(inArray(id, free))
        .returning({
          ...aliased({ id, userId, type, at, sid, reason, facts, endedBefore, endedExcept }),
          previous: previous.as('previous'),
          guid: guid.as('guid'),
        }),
    ),
    markSent: prepare(
      d1,
      update(events)
        .set({ dueAt: null, sentAt: parameter('now') })
        .where(inArray(id, listed('ids'))),
    ),
    // Of an account that has left, what had not been sent by then was kept until now.
    forget: prepare(
      d1,
      deleteFrom(events).where(and(inArray(userId, listed('accounts')), isNull(dueAt), ne(type, 'left'))),
    ),
  }
}
