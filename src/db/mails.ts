/**
 * The outbox: mails as rows, from the transaction that makes them due until they are sent or given up.
 *
 * A consumer leases a row before it sends, so that a message that is delivered twice sends once. A row that nobody
 * finished, because the queue lost it or an isolate died, becomes due again, and the sweep re-queues it.
 */

import { and, eq, isNull, lte, ne, type SQL, sql } from 'drizzle-orm'
import * as z from 'zod/mini'

import { type Notice, NoticeFacts } from '../domain/mails/notice.ts'
import type { Outbox } from '../domain/mails/outbox.ts'
import type { ReusedToken, SessionEnd } from '../domain/sessions/session.ts'
import { run, runBatch, untilAnswered } from './d1.ts'
import { insertInto, select, update } from './query.ts'
import { notifications, sessions, users } from './schema.ts'
import { aliased, parameter, prepare } from './statement.ts'

/** Well over what one call of the mail API may take, and over what two clocks may differ by. */
const LEASE_SECONDS = 60
/** How long the queue may take before the sweep steps in. */
const OVERDUE_SECONDS = 300
const OVERDUE_AGAIN_SECONDS = 900

/** The outbox over a D1 database. Build it once per isolate. */
export function createOutbox(d1: D1Database): Outbox {
  const statements = prepareStatements(d1)

  return {
    async lease(id, now) {
      const [leased, found] = await runBatch(d1, [
        statements.lease.bind({ id, now, leasedUntil: now + LEASE_SECONDS, dueAt: now + OVERDUE_SECONDS }),
        statements.isPending.bind({ id }),
      ])
      const row = statements.lease.rows(leased)[0]
      if (row !== undefined) return { state: 'leased', row }
      return { state: statements.isPending.rows(found).length === 1 ? 'busy' : 'done' }
    },

    async markSent(id, now) {
      // The `send_email` binding knows no idempotency key: a mail that is not marked is sent again.
      await untilAnswered(() => run(statements.markSent.bind({ id, now })))
    },

    async postpone(id, error, now, delaySeconds) {
      await run(statements.postpone.bind({ id, error, dueAt: now + delaySeconds + OVERDUE_SECONDS }))
    },

    async park(id, error, now) {
      await run(statements.park.bind({ id, error, now }))
    },

    async takeDue(now, limit) {
      const taken = await run(statements.takeDue.bind({ now, limit, dueAt: now + OVERDUE_AGAIN_SECONDS }))
      return statements.takeDue.rows(taken).map((row) => row.id)
    },
  }
}

/**
 * The statements that store the mail about a session, for the batch that ends it. They store nothing when the owner has no
 * address, or when the same mail is stored already; `ofEnd` nothing when that batch ended nothing, and `ofReused` nothing
 * when the token is the last one of its session.
 */
export function prepareNotices(d1: D1Database) {
  const wasEnded = and(eq(sessions.endedAt, parameter('now')), eq(sessions.endReason, parameter('reason')))
  const ofEnd = prepareNotice(d1, wasEnded)
  const ofReused = prepareNotice(d1, ne(sessions.jti, parameter('usedJti')))
  return {
    ofEnd: {
      bind: (id: string, notice: Notice, end: Pick<SessionEnd, 'sid' | 'reason' | 'now'>) =>
        ofEnd.bind({ ...noticeValues(id, notice, end), reason: end.reason }),
      rows: ofEnd.rows,
    },
    ofReused: {
      bind: (id: string, notice: Notice, reused: Omit<ReusedToken, 'notice'>) =>
        ofReused.bind({ ...noticeValues(id, notice, reused), usedJti: reused.usedJti }),
      rows: ofReused.rows,
    },
  }
}

function noticeValues(id: string, { kind, facts }: Notice, { sid, now }: Pick<SessionEnd, 'sid' | 'now'>) {
  const dedupeKey = `${kind}:${sid}`
  return {
    id,
    kind,
    facts: JSON.stringify(z.encode(NoticeFacts, facts)),
    dedupeKey,
    now,
    dueAt: now + OVERDUE_SECONDS,
    sid,
  }
}

function prepareNotice(d1: D1Database, condition: SQL | undefined) {
  return prepare(
    d1,
    insertInto(notifications)
      .select((query) =>
        query
          .select({
            id: parameter('id').as('id'),
            kind: parameter('kind').as('kind'),
            userId: sessions.userId,
            recipient: sql<string>`${users.primaryEmail}`.as('recipient'),
            facts: parameter('facts').as('facts'),
            dedupeKey: parameter('dedupeKey').as('dedupe_key'),
            createdAt: parameter('now').as('created_at'),
            attempts: sql<number>`0`.as('attempts'),
            leasedUntil: sql<number>`0`.as('leased_until'),
            dueAt: parameter('dueAt').as('due_at'),
            sentAt: sql<number | null>`null`.as('sent_at'),
            failedAt: sql<number | null>`null`.as('failed_at'),
            lastError: sql<string | null>`null`.as('last_error'),
            sessionsEndedAt: sql<number | null>`null`.as('sessions_ended_at'),
            placeAllowedAt: sql<number | null>`null`.as('place_allowed_at'),
          })
          .from(sessions)
          .innerJoin(users, eq(users.id, sessions.userId))
          .where(and(eq(sessions.sid, parameter('sid')), condition, sql`${users.primaryEmail} is not null`)),
      )
      .onConflictDoNothing({ target: notifications.dedupeKey })
      .returning({ id: notifications.id }),
  )
}

function prepareStatements(d1: D1Database) {
  const isThis = eq(notifications.id, parameter('id'))
  const isUnsent = and(isNull(notifications.sentAt), isNull(notifications.failedAt))
  const { id, kind, recipient, facts } = notifications

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
        .returning(aliased({ id, kind, recipient, facts })),
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
          lastError: sql`coalesce(${parameter('error')}, ${notifications.lastError})`,
        })
        .where(and(isThis, isUnsent)),
    ),
    // Ids first: SQLite takes no LIMIT in an UPDATE.
    takeDue: prepare(
      d1,
      update(notifications)
        .set({ dueAt: parameter('dueAt') })
        .where(
          sql`${notifications.id} in (select ${notifications.id} from ${notifications} where ${isUnsent} and ${notifications.dueAt} <= ${parameter('now')} order by ${notifications.dueAt} limit ${parameter('limit')})`,
        )
        .returning({ id }),
    ),
  }
}
