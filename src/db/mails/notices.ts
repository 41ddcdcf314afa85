/** Notices in D1: a mail that a rule asks for becomes a row in the transaction that makes it due. */

import { and, eq, isNotNull, type SQL, sql } from 'drizzle-orm'

import { type DueNotice, writeFacts } from '../../domain/mails/notice.ts'
import { insertInto } from '../query.ts'
import { notifications, users } from '../schema.ts'
import { parameter, prepare, type Value } from '../statement.ts'

/** After this time the sweep re-queues a mail that the queue has not delivered. */
export const OVERDUE_SECONDS = 300

/**
 * The statement that stores a notice where `condition` holds, which may ask for the row of its account in `users`. It stores
 * nothing when the account has no address, or when a notice of the same key is stored already.
 */
export function prepareNotice(d1: D1Database, condition: SQL | undefined) {
  const statement = prepare(
    d1,
    insertInto(notifications)
      .select((query) =>
        query
          .select({
            id: parameter('id').as('id'),
            kind: parameter('kind').as('kind'),
            userId: users.id,
            recipient: sql<string>`${users.primaryEmail}`.as('recipient'),
            language: users.language,
            timeZone: users.timeZone,
            credentialsVersion: users.credentialsVersion,
            facts: parameter('facts').as('facts'),
            dedupeKey: parameter('dedupeKey').as('dedupe_key'),
            createdAt: parameter('now').as('created_at'),
            attempts: sql<number>`0`.as('attempts'),
            leasedUntil: sql<number>`0`.as('leased_until'),
            dueAt: parameter('dueAt').as('due_at'),
            sentAt: sql<number | null>`null`.as('sent_at'),
            failedAt: sql<number | null>`null`.as('failed_at'),
            lastError: sql<string | null>`null`.as('last_error'),
          })
          .from(users)
          .where(and(eq(users.id, parameter('userId')), isNotNull(users.primaryEmail), condition)),
      )
      .onConflictDoNothing({ target: notifications.dedupeKey })
      .returning({ id: notifications.id }),
  )
  return {
    /** `values`: those of the condition, and `now`. */
    bind: (id: string, notice: DueNotice, values: Readonly<Record<string, Value>> & { readonly now: number }) => {
      const { kind, userId, dedupeKey } = notice
      const dueAt = values.now + OVERDUE_SECONDS
      return statement.bind({ ...values, id, kind, userId, dedupeKey, facts: writeFacts(notice), dueAt })
    },
    rows: statement.rows,
  }
}
