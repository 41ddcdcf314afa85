/** The end of users and of their sessions in D1, by operators. One round trip each. */

import { and, eq, isNull, sql } from 'drizzle-orm'

import type { EventFeed } from '../../domain/events/event-outbox.ts'
import type { UserStore } from '../../domain/operators/user.ts'
import { prepareLeave } from '../accounts/leave.ts'
import { runBatch } from '../d1.ts'
import { prepareEvent, runTelling } from '../events/event.ts'
import { select, update } from '../query.ts'
import { users } from '../schema.ts'
import { endedNow, hasLiveSession, prepareEndOfOne, prepareSessionLists, readLists } from '../sessions/of-account.ts'
import { parameter, prepare } from '../statement.ts'
import { prepareAct } from './audit.ts'

/** Ends of users over a D1 database. Build it once per isolate. */
export function createUserEnds(
  d1: D1Database,
  newId: () => string,
  feed: EventFeed,
): Pick<UserStore, 'leave' | 'sessions' | 'endSessions' | 'endSession'> {
  const { leave, lists, all, one, isThere } = prepareStatements(d1, feed)

  return {
    async leave({ found, email, subject, act, mail }) {
      const values = { userId: found.id, wasEmail: found.email, email, subject, now: act.now }
      const [, , told, left] = await runTelling(d1, feed, [
        leave.act.bind(act, values),
        leave.tell.bind(values),
        leave.mail.bind(newId(), mail, values),
        leave.leave.bind(values),
        ...leave.remains.map((remove) => remove.bind(values)),
      ])
      if (leave.leave.rows(left).length === 0) return null
      return { mail: leave.mail.rows(told)[0] ?? null }
    },

    async sessions(guid, now, { sessionMaxSeconds, sessionsMax }) {
      const values = { guid, now, sessionMaxSeconds, limit: sessionsMax }
      const [known, newest, kept] = await runBatch(d1, [
        isThere.bind(values),
        lists.listNewest.bind(values),
        lists.findKept.bind(values),
      ])
      if (isThere.rows(known).length === 0) return null
      return readLists([...lists.listNewest.rows(newest), ...lists.findKept.rows(kept)], now)
    },

    async endSessions(guid, act) {
      const values = { guid, now: act.now }
      const results = await runTelling(d1, feed, [
        all.act.bind(act, values),
        all.event.bind(values),
        all.end.bind(values),
      ])
      return all.end.rows(results[2]).length === 1
    },

    async endSession(guid, sid, act, { sessionMaxSeconds }) {
      const values = { guid, sid, now: act.now, sessionMaxSeconds }
      const results = await runTelling(d1, feed, [
        one.act.bind(act, values),
        // The row of the session says why it ended: the event is for those who follow.
        ...(feed.isFollowed ? [one.event.bind(values)] : []),
        one.end.bind(values),
      ])
      return one.end.rows(results.at(-1)).length === 1
    },
  }
}

/** What is told of an end stands before it, under the same condition: the end makes that false. */
function prepareStatements(d1: D1Database, { isFollowed }: EventFeed) {
  const isUser = and(eq(users.guid, parameter('guid')), isNull(users.leftAt))
  const userId = sql`(select ${users.id} from ${users} where ${isUser})`
  const isAsFound = and(isNull(users.leftAt), sql`${users.primaryEmail} is ${parameter('wasEmail')}`)
  const isLeaving = and(eq(users.id, parameter('userId')), isAsFound)
  const hasSession = and(isUser, hasLiveSession())
  const { endedBefore } = endedNow()

  return {
    leave: {
      ...prepareLeave(d1, isFollowed, 'operator', isAsFound),
      act: prepareAct(d1, isLeaving),
    },
    isThere: prepare(d1, select({ id: users.id }).from(users).where(isUser)),
    lists: prepareSessionLists(d1, userId),
    all: {
      act: prepareAct(d1, isUser),
      event: prepareEvent(d1, isFollowed, 'sessions_ended', 'operator', { where: isUser, endedBefore }),
      end: prepare(d1, update(users).set(endedNow()).where(isUser).returning({ id: users.id })),
    },
    one: {
      act: prepareAct(d1, hasSession),
      event: prepareEvent(d1, isFollowed, 'session_ended', 'operator', { where: hasSession, sid: parameter('sid') }),
      end: prepareEndOfOne(d1, userId, 'operator'),
    },
  }
}
