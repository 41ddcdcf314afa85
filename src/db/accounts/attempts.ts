/**
 * What was tried for an address, in D1. A count and the wait that it makes are one conditional statement, so that of any number of tries at
 * once no more are free than of as many in a row.
 */

import { and, eq, sql } from 'drizzle-orm'

import {
  type AttemptStore,
  FIRST_WAIT_SECONDS,
  FOREIGN_CHECK,
  FOREIGN_CHECK_SECONDS,
  FREE_FAILURES,
  LONGEST_WAIT_SECONDS,
  STRANGERS,
} from '../../domain/accounts/attempts.ts'
import { run, runBatch } from '../d1.ts'
import { prepareNotice } from '../mails/notices.ts'
import { deleteFrom, insertInto, select } from '../query.ts'
import { attempts, users } from '../schema.ts'
import { parameter, prepare } from '../statement.ts'
import { isInARow, isJudging, mayTry, prepareNoteWaiting, waits } from './failures.ts'

/** The attempt store over a D1 database. Build it once per isolate. */
export function createAttemptStore(d1: D1Database, newId: () => string): AttemptStore {
  const count = prepare(d1, countFailure())
  const notice = prepareNotice(d1, beginsWait())
  const mayStill = prepare(
    d1,
    select({ one: sql`1` })
      .from(sql`(select 1)`)
      .where(mayTry()),
  )
  const noteWaiting = prepareNoteWaiting(d1)
  const beginCheck = prepare(d1, beginForeignCheck())
  const endCheck = prepare(
    d1,
    deleteFrom(attempts).where(and(eq(attempts.subject, parameter('subject')), eq(attempts.topic, FOREIGN_CHECK))),
  )

  /** Runs a batch that also ends the check of the subject, where it has begun one. */
  function runEnding(
    batch: readonly D1PreparedStatement[],
    values: { readonly subject: string },
    endsCheck: boolean,
  ): Promise<readonly D1Result[]> {
    if (!endsCheck) return runBatch(d1, [...batch])
    return runBatch(d1, [...batch, endCheck.bind(values)]).catch((error: unknown) => endAfter(values, error))
  }

  /** Where D1 failed and is back, the next try need not wait for a check that nobody ends. */
  async function endAfter(values: { readonly subject: string }, error: unknown): Promise<never> {
    await run(endCheck.bind(values)).catch(() => {})
    throw error
  }

  return {
    async countFailure({ notice: due, endsCheck, ...values }) {
      const store = notice.bind(newId(), due, { ...values, userId: due.userId })
      const [, stored] = await runEnding([count.bind(values), store], values, endsCheck)
      return notice.rows(stored)[0]?.id ?? null
    },

    async hasToWait({ subject, topic, now, endsCheck }) {
      const values = { subject, topic, now }
      const [allowed] = await runEnding([mayStill.bind(values), noteWaiting.bind(values)], values, endsCheck)
      return mayStill.rows(allowed).length === 0
    },

    async endForeignCheck(subject) {
      await run(endCheck.bind({ subject }))
    },

    async beginForeignCheck({ subject, topic, now }) {
      const values = { subject, topic, now }
      const [allowed, begun] = await runBatch(d1, [mayStill.bind(values), beginCheck.bind(values)]).catch(
        // It may have begun all the same, with nobody to end it.
        (error: unknown) => endAfter(values, error),
      )
      if (mayStill.rows(allowed).length === 0) return 'waits'
      return beginCheck.rows(begun).length === 1 ? 'begun' : 'busy'
    },
  }
}

function countFailure() {
  const { count, since, waitsUntil } = attempts
  const now = parameter('now')
  const beyond = sql`${count} + 1 - ${FREE_FAILURES}`
  const wait = sql`min(${LONGEST_WAIT_SECONDS}, ${FIRST_WAIT_SECONDS} * (1 << min(${beyond}, 20)))`
  return insertInto(attempts)
    .values({ subject: parameter('subject'), topic: parameter('topic'), count: 1, since: now, at: now, waitsUntil: 0 })
    .onConflictDoUpdate({
      target: [attempts.subject, attempts.topic],
      set: {
        count: sql`case when ${waits} then ${count} when ${isInARow} then ${count} + 1 else 1 end`,
        since: sql`case when ${isInARow} then ${since} else ${now} end`,
        at: now,
        waitsUntil: sql`case when ${waits} or not ${isInARow} or ${beyond} < 0 then ${waitsUntil} else ${now} + ${wait} end`,
      },
    })
}

function beginForeignCheck() {
  const now = parameter('now')
  const waitsUntil = sql<number>`${now} + ${FOREIGN_CHECK_SECONDS}`
  return insertInto(attempts)
    .select((query) =>
      query
        .select({
          subject: parameter('subject').as('subject'),
          topic: sql<string>`${FOREIGN_CHECK}`.as('topic'),
          count: sql<number>`1`.as('count'),
          since: now.as('since'),
          at: now.as('at'),
          waitsUntil: waitsUntil.as('waits_until'),
        })
        .from(sql`(select 1)`)
        .where(mayTry()),
    )
    .onConflictDoUpdate({
      target: [attempts.subject, attempts.topic],
      set: { at: now, waitsUntil },
      setWhere: sql`${attempts.waitsUntil} <= ${now}`,
    })
    .returning({ topic: attempts.topic })
}

/** The condition that the failure which was just counted makes strangers wait, whose owner may sign in. */
function beginsWait() {
  const begins = and(
    isJudging,
    eq(attempts.topic, STRANGERS),
    eq(attempts.count, FREE_FAILURES),
    sql`${attempts.waitsUntil} = ${parameter('now')} + ${FIRST_WAIT_SECONDS}`,
  )
  return sql`${users.isActive} = 1 and ${users.confirmedAt} is not null and exists (select 1 from ${attempts} where ${begins})`
}
