/** Notices in D1: a mail that a rule asks for becomes a row in the transaction that makes it due. */

import { and, type Column, eq, isNotNull, type SQL, sql } from 'drizzle-orm'

import { type DueNotice, type KeyedNotice, writeFacts } from '../../domain/mails/notice.ts'
import { insertInto } from '../query.ts'
import { notifications, registrations, users } from '../schema.ts'
import { aliased, parameter, prepare, type Value } from '../statement.ts'

/** After this time the sweep re-queues a mail that the queue has not delivered. */
export const OVERDUE_SECONDS = 300

/** Whom a notice is for, and how that is addressed. */
interface Addressee {
  readonly of: typeof users | typeof registrations
  readonly where: SQL | undefined
  readonly userId: Column | SQL
  readonly recipient: Column | SQL
  readonly credentialsVersion: Column | SQL
}

const ofUsers = {
  of: users,
  userId: users.id,
  recipient: users.primaryEmail,
  credentialsVersion: users.credentialsVersion,
}

export const ADDRESSEES = {
  /** The account `userId`. */
  account: { ...ofUsers, where: and(eq(users.id, parameter('userId')), isNotNull(users.primaryEmail)) },
  /** The account that has the address `email`. */
  ownerOfEmail: { ...ofUsers, where: sql`${users.primaryEmail} = ${parameter('email')} collate nocase` },
  /** The account `userId`, at another address than its own: `email`. */
  newEmail: { ...ofUsers, recipient: parameter('email'), where: eq(users.id, parameter('userId')) },
  /** Whoever registered: the registration has the id of this mail. */
  registration: {
    of: registrations,
    userId: sql`0`,
    recipient: registrations.email,
    credentialsVersion: sql`0`,
    where: eq(registrations.id, parameter('noticeId')),
  },
} as const satisfies Readonly<Record<string, Addressee>>

/**
 * The statement that stores a notice where `condition` holds, which may ask for the row of its addressee. It stores nothing when
 * there is none, or when a notice of the same key is stored already. `facts` may complete the parameter of that name by what the batch
 * finds.
 */
export function prepareNotice(
  d1: D1Database,
  condition: SQL | undefined,
  addressee: Addressee = ADDRESSEES.account,
  facts: SQL<never> = parameter('facts'),
) {
  const statement = prepare(
    d1,
    insertInto(notifications)
      .select((query) =>
        query
          .select({
            id: parameter('noticeId').as('id'),
            kind: parameter('kind').as('kind'),
            userId: sql<number>`${addressee.userId}`.as('user_id'),
            recipient: sql<string>`${addressee.recipient}`.as('recipient'),
            language: addressee.of.language,
            timeZone: addressee.of.timeZone,
            credentialsVersion: sql<number>`${addressee.credentialsVersion}`.as('credentials_version'),
            facts: facts.as('facts'),
            dedupeKey: parameter('dedupeKey').as('dedupe_key'),
            createdAt: parameter('now').as('created_at'),
            attempts: sql<number>`0`.as('attempts'),
            leasedUntil: sql<number>`0`.as('leased_until'),
            dueAt: parameter('dueAt').as('due_at'),
            sentAt: sql<number | null>`null`.as('sent_at'),
            failedAt: sql<number | null>`null`.as('failed_at'),
            lastError: sql<string | null>`null`.as('last_error'),
          })
          .from(addressee.of)
          .where(and(addressee.where, condition)),
      )
      .onConflictDoNothing({ target: notifications.dedupeKey })
      .returning(aliased({ id: notifications.id, account: notifications.userId })),
  )
  return {
    /** `values`: those of the condition and of the addressee, and `now`. */
    bind: (
      noticeId: string,
      notice: KeyedNotice & Partial<Pick<DueNotice, 'userId'>>,
      values: Readonly<Record<string, Value>> & { readonly now: number },
    ) => {
      const { kind, dedupeKey, userId } = notice
      const dueAt = values.now + OVERDUE_SECONDS
      const owner = userId === undefined ? {} : { userId }
      return statement.bind({ ...values, ...owner, noticeId, kind, dedupeKey, facts: writeFacts(notice), dueAt })
    },
    rows: statement.rows,
  }
}
