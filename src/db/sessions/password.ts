/**
 * What a sign-in by password writes beside its session: the place is noted, failures are forgotten, and the owner is told. Every statement
 * here runs behind the one that opens the session, and does nothing where that opened none.
 */

import { and, lte, or, sql } from 'drizzle-orm'

import { TOLD_FAILURES } from '../../domain/accounts/attempts.ts'
import type { JudgedSignIn } from '../../domain/sessions/session.ts'
import { failuresInARow, prepareJudgedAttempts } from '../accounts/failures.ts'
import { ADDRESSEES, prepareNotice } from '../mails/notices.ts'
import { insertInto } from '../query.ts'
import { seenPlaces, sessions } from '../schema.ts'
import { parameter, prepare, type Value } from '../statement.ts'
import { isOpened, isOpenedSession } from './named.ts'

/** Prepares these statements. Build them once per isolate. */
export function prepareJudgedSignIn(d1: D1Database, newId: () => string) {
  const { forgetJudging, noteWaiting } = prepareJudgedAttempts(d1, isOpened)
  const failures = failuresInARow()
  const tell = prepareNotice(
    d1,
    and(isOpened, or(sql`${parameter('isNewPlace')} = 1`, sql`${failures} >= ${TOLD_FAILURES}`)),
    ADDRESSEES.account,
    // Of tries that came at once, some may have failed since this one was judged.
    sql`json_set(${parameter('facts')}, '$.failures', ${failures})`,
  )
  const notePlace = prepare(
    d1,
    insertInto(seenPlaces)
      .select((query) =>
        query
          .select({
            userId: sessions.userId,
            place: parameter('place').as('place'),
            seenAt: parameter('now').as('seen_at'),
          })
          .from(sessions)
          .where(isOpenedSession),
      )
      .onConflictDoUpdate({
        target: [seenPlaces.userId, seenPlaces.place],
        set: { seenAt: parameter('now') },
        setWhere: lte(seenPlaces.seenAt, parameter('now')),
      }),
  )

  return {
    /** The statements in their order: the mail counts the failures, so these are forgotten behind it. */
    bind(
      { subject, topic, failures: known, notes, isNewPlace, notice }: JudgedSignIn,
      session: Readonly<Record<string, Value>> & {
        readonly sid: string
        readonly now: number
        readonly userId: number
      },
    ): readonly [waiting: D1PreparedStatement, tell: D1PreparedStatement, ...others: D1PreparedStatement[]] {
      const { sid: openedSid, now, userId } = session
      const values = { openedSid, now, userId, subject, topic, isNewPlace: isNewPlace ? 1 : 0 }
      return [
        noteWaiting.bind(values),
        tell.bind(newId(), notice, values),
        ...(known === 0 ? [] : [forgetJudging.bind(values)]),
        ...notes.map((place) => notePlace.bind({ ...values, place })),
      ]
    },
    waits: (result: D1Result | undefined) => noteWaiting.rows(result).length === 1,
    mailOf: (result: D1Result | undefined) => tell.rows(result)[0]?.id ?? null,
  }
}
