/** Requests for mails, counted for their address whether or not that has an account. */

import { and, eq, lte, sql } from 'drizzle-orm'

import { MAILS_A_DAY, type MailRequest } from '../../domain/accounts/account-change.ts'
import { insertInto, select } from '../query.ts'
import { attempts } from '../schema.ts'
import { parameter, prepare } from '../statement.ts'

const DAY_SECONDS = 86_400

/** The statement that counts a request. It stands first in its batch, and writes one row for every address. */
export function prepareCount(d1: D1Database) {
  const now = parameter('now')
  const isOver = sql`${attempts.since} <= ${now} - ${sql.raw(String(DAY_SECONDS))}`
  return prepare(
    d1,
    insertInto(attempts)
      .values({
        subject: parameter('subject'),
        topic: parameter('topic'),
        count: 1,
        since: now,
        at: now,
        waitsUntil: 0,
      })
      .onConflictDoUpdate({
        target: [attempts.subject, attempts.topic],
        set: {
          count: sql`case when ${isOver} then 1 else ${attempts.count} + 1 end`,
          since: sql`case when ${isOver} then ${now} else ${attempts.since} end`,
          at: now,
        },
      }),
  )
}

/** The condition that the request which was just counted is not one too many. */
export function isWithinLimit() {
  const counted = select({ one: sql`1` })
    .from(attempts)
    .where(
      and(
        eq(attempts.subject, parameter('subject')),
        eq(attempts.topic, parameter('topic')),
        lte(attempts.count, sql.raw(String(MAILS_A_DAY))),
      ),
    )
  return sql`exists ${counted}`
}

/** The parameters of a request. */
export function requestValues({ id, subject, topic, now }: MailRequest) {
  return { id, subject, topic, now }
}
