/** Failed sign-ins as statements see them: which rows are those of a subject, which one judges a try, and what that one forbids. */

import { and, eq, gt, type SQL, sql } from 'drizzle-orm'

import { MAX_FAILURES_AT_HOME, OWN_ADDRESS, ROW_SECONDS, STRANGERS } from '../../domain/accounts/attempts.ts'
import { deleteFrom, select, update } from '../query.ts'
import { attempts } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'

// `subject`, `topic` and `now` are parameters of all that follows.
const ofSubject = eq(attempts.subject, parameter('subject'))
/** All topics of sign-ins: `STRANGERS` alone, and with a blank and a network behind it. */
const ofSignIns = and(ofSubject, sql`${attempts.topic} >= ${STRANGERS}`, sql`${attempts.topic} < ${`${STRANGERS}!`}`)

/** The condition that a row is the one which judges a try. */
export const isJudging = and(ofSubject, eq(attempts.topic, parameter('topic')))
/** The condition that every try which a row judges is refused. */
export const waits = gt(attempts.waitsUntil, parameter('now'))
/** The condition that the next failure continues the row, and does not begin another. */
export const isInARow = sql`max(${attempts.at}, ${attempts.waitsUntil}) > ${parameter('now')} - ${ROW_SECONDS}`

/** The statement that finds what failed for a subject. */
export function prepareFailures(d1: D1Database) {
  const { topic, count, at, waitsUntil } = attempts
  return prepare(d1, select(aliased({ topic, count, at, waitsUntil })).from(attempts).where(ofSignIns))
}

/** The statements about failures for the batch that opens a session, where `opened` says whether it did. */
export function prepareJudgedAttempts(d1: D1Database, opened: SQL) {
  return {
    forgetJudging: prepare(d1, deleteFrom(attempts).where(and(isJudging, opened))),
    noteWaiting: prepareNoteWaiting(d1),
  }
}

/** A try that fails writes one row. By this, so does one whose wait began while its password was verified, which was the right one. */
export function prepareNoteWaiting(d1: D1Database) {
  return prepare(
    d1,
    update(attempts)
      .set({ at: parameter('now') })
      .where(and(isJudging, waits))
      .returning({ topic: attempts.topic }),
  )
}

/** The condition that a try may open a session now: no wait began since it was judged. */
export function mayTry(): SQL {
  const atHome = and(ofSignIns, sql`${attempts.topic} <> ${STRANGERS}`, isInARow)
  return sql`not exists (select 1 from ${attempts} where ${and(isJudging, waits)}) and (
    ${parameter('topic')} = ${STRANGERS} or substr(${parameter('topic')}, 1, ${OWN_ADDRESS.length}) = ${OWN_ADDRESS}
    or (select coalesce(sum(${attempts.count}), 0) from ${attempts} where ${atHome}) < ${MAX_FAILURES_AT_HOME})`
}

/**
 * How many tries failed in a row before this one: those of strangers where it is judged as theirs, and otherwise those of all clients in the
 * owner's places. Whoever guesses there from many addresses fails only a few times with each.
 */
export function failuresInARow(): SQL {
  const counted = sql`iif(${parameter('topic')} = ${STRANGERS}, ${attempts.topic} = ${STRANGERS}, ${attempts.topic} <> ${STRANGERS})`
  return sql`(select coalesce(sum(${attempts.count}), 0) from ${attempts} where ${and(ofSignIns, counted, isInARow)})`
}
