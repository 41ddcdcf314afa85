/**
 * The outbox: mails as rows, from the transaction that makes them due until they are sent or given up.
 *
 * A consumer leases a row before it sends, so that a queue message that is delivered twice sends one mail. A row that nobody
 * finished, because the queue lost it or an isolate died, becomes due again, and the sweep re-queues it.
 */

import { and, eq, isNull, lte, sql } from 'drizzle-orm'

import type { Outbox } from '../../domain/mails/outbox.ts'
import { run, runBatch, untilAnswered } from '../d1.ts'
import { select, update } from '../query.ts'
import { notifications, users } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'
import { OVERDUE_SECONDS } from './notices.ts'

/** A lease is longer than one call of a mail service may take, plus what the clocks of two edge locations may differ by. */
const LEASE_SECONDS = 60
const OVERDUE_AGAIN_SECONDS = 900

/** The outbox over a D1 database. Build it once per isolate. */
export function createOutbox(d1: D1Database): Outbox {
  const statements = prepareStatements(d1)

  return {
    async lease(mail, now) {
      const [leased, found] = await runBatch(d1, [
        statements.lease.bind({ ...mail, now, leasedUntil: now + LEASE_SECONDS, dueAt: now + OVERDUE_SECONDS }),
        statements.isPending.bind({ ...mail }),
      ])
      const row = statements.lease.rows(leased)[0]
      if (row !== undefined) return { state: 'leased', row }
      return { state: statements.isPending.rows(found).length === 1 ? 'busy' : 'done' }
    },

    async markSent({ id, account }, now) {
      // A mail that is not marked as sent is sent again, and the `send_email` binding has no idempotency key that would prevent
      // it: so the mark is tried until D1 answers.
      await untilAnswered(() => run(statements.markSent.bind({ id, account, now })))
    },

    async postpone({ id, account }, error, now, delaySeconds) {
      await run(statements.postpone.bind({ id, account, error, dueAt: now + delaySeconds + OVERDUE_SECONDS }))
    },

    async park({ id, account }, error, now) {
      return statements.park.rows(await run(statements.park.bind({ id, account, error, now })))[0] ?? null
    },

    async takeDue(now, limit) {
      const taken = await run(statements.takeDue.bind({ now, limit, dueAt: now + OVERDUE_AGAIN_SECONDS }))
      return statements.takeDue.rows(taken)
    },
  }
}

/** The condition that a row is the one which a queue message or a link names, and of the account that it names beside it. */
export function isNamed() {
  return and(
    eq(notifications.id, parameter('id')),
    sql`${notifications.userId} = coalesce(${parameter('account')}, ${notifications.userId})`,
  )
}

function prepareStatements(d1: D1Database) {
  const isThis = isNamed()
  const isUnsent = and(isNull(notifications.sentAt), isNull(notifications.failedAt))
  const { id, userId: account, kind, recipient, language, timeZone, facts } = notifications
  const guid = sql<string | null>`(select ${users.guid} from ${users} where ${users.id} = ${notifications.userId})`.as(
    'guid',
  )

  return {
    lease: prepare(
      d1,
      update(notifications)
        .set({
          leasedUntil: parameter('leasedUntil'),
          dueAt: parameter('dueAt'),
          attempts: sql`${notifications.attempts} + 1`,
        })
        .where(and(isThis, isUnsent, lte(notifications.leasedUntil, parameter('now'))))
        .returning({ ...aliased({ id, account, kind, recipient, language, timeZone, facts }), guid }),
    ),
    isPending: prepare(d1, select({ id }).from(notifications).where(and(isThis, isUnsent))),
    markSent: prepare(
      d1,
      update(notifications)
        .set({ sentAt: parameter('now'), failedAt: null, lastError: null })
        .where(isThis),
    ),
    postpone: prepare(
      d1,
      update(notifications)
        .set({ leasedUntil: 0, dueAt: parameter('dueAt'), lastError: parameter('error') })
        .where(and(isThis, isUnsent)),
    ),
    park: prepare(
      d1,
      update(notifications)
        .set({
          failedAt: parameter('now'),
          leasedUntil: sql`case when ${parameter('error')} is null then ${notifications.leasedUntil} else 0 end`,
          lastError: sql`coalesce(${parameter('error')}, ${notifications.lastError})`,
        })
        .where(and(isThis, isUnsent))
        .returning({ guid }),
    ),
    // A sub-query selects the ids, since SQLite takes no LIMIT in an UPDATE.
    takeDue: prepare(
      d1,
      update(notifications)
        .set({ dueAt: parameter('dueAt') })
        .where(
          sql`${notifications.id} in (select ${notifications.id} from ${notifications} where ${isUnsent} and ${notifications.dueAt} <= ${parameter('now')} order by ${notifications.dueAt} limit ${parameter('limit')})`,
        )
        .returning(aliased({ id, account })),
    ),
  }
}
