/**
 * What happens to single sessions, as events: these are stored only where a queue follows. Each stands before the statement whose effect it
 * tells, under the same condition, but for those of a sign-in, which tell what is there already.
 */

import { and, eq, exists, gt, isNull, ne, not, notExists, type SQL, sql } from 'drizzle-orm'

import type { EventReason } from '../../domain/events/event.ts'
import type { Client } from '../../domain/places/place.ts'
import { select } from '../query.ts'
import { events, notifications, sessions, users } from '../schema.ts'
import { isAliveByItself, isEndedByAccount } from '../sessions/lifetime.ts'
import { isNamed, isOpened, isOpenedSession } from '../sessions/named.ts'
import { crowdedOut } from '../sessions/sign-in.ts'
import { parameter } from '../statement.ts'
import { prepareEvent } from './event.ts'

/** Every statement that stores an event about one session, prepared. Build it once per isolate. */
export function prepareSessionEvents(d1: D1Database) {
  const one = { one: sql`1` }
  const { sid, ip, asn, country, city, userAgent } = sessions
  const ended = (reason: EventReason<'session_ended'> | SQL<never>, which: SQL | undefined) =>
    prepareEvent(d1, true, 'session_ended', reason, { of: sessions, sid, where: and(which, isLive()) })
  const by = { of: sessions, sid, facts: parameter('client') }

  const isEnding = and(
    isNamed,
    isNull(sessions.endedAt),
    sql`${sessions.jti} = coalesce(${parameter('onlyWhileJti')}, ${sessions.jti})`,
  )
  const isReused = and(isNamed, isNull(sessions.endedAt), ne(sessions.jti, parameter('usedJti')))
  // The mail about a reused token is stored once a session, whatever ended that before.
  const isTold = exists(
    select(one)
      .from(notifications)
      .where(eq(notifications.id, parameter('noticeId'))),
  )
  const endedByThis = and(eq(sessions.endedAt, parameter('now')), eq(sessions.endReason, 'reuse'))

  const statements = {
    // Of an account that the batch has just made, nothing was told before.
    registered: prepareEvent(d1, true, 'registered', 'guid', {
      where: and(
        eq(users.guid, parameter('guid')),
        eq(users.createdAt, parameter('now')),
        notExists(select(one).from(events).where(eq(events.userId, users.id))),
      ),
    }),
    signedIn: prepareEvent(d1, true, 'signed_in', parameter('by'), {
      of: sessions,
      sid,
      where: isOpenedSession,
      facts: sql`json_object('client', json_object('ip', ${ip}, 'asn', ${asn}, 'country', ${country}, 'city', ${city}, 'user_agent', ${userAgent}))`,
    }),
    replaced: ended('replaced', and(isNamed, isNull(sessions.endedAt), isOpened)),
    crowdedOut: ended('crowded_out', sql`rowid in (${crowdedOut()})`),
    blocked: prepareEvent(d1, true, 'session_blocked', null, { ...by, where: isEnding }),
    ended: ended(parameter('reason'), isEnding),
    reused: prepareEvent(d1, true, 'token_reused', null, { ...by, where: isReused }),
    endedByReuse: ended('reuse', isReused),
    // Behind the mail: the session had ended before the token came back.
    reusedLate: prepareEvent(d1, true, 'token_reused', null, {
      ...by,
      where: and(isNamed, isTold, sql`not coalesce(${endedByThis}, 0)`),
    }),
    endedByOwner: ended(
      'revoked',
      and(eq(sid, parameter('sid')), eq(sessions.userId, parameter('userId')), isAliveByItself),
    ),
  }
  return { statements, factsOf: clientFacts }
}

/** Those statements, by what they tell, and the parameter `client` of some. */
export type SessionEvents = ReturnType<typeof prepareSessionEvents>

/** The session has neither expired nor ended with others of its account: of one that is over, there is no end to tell. */
function isLive(): SQL | undefined {
  return and(
    gt(sessions.expiresAt, parameter('now')),
    exists(
      select({ one: sql`1` })
        .from(users)
        .where(and(eq(users.id, sessions.userId), not(isEndedByAccount))),
    ),
  )
}

/** A client as the facts of an event: what `signedIn` reads of the row of a session. */
function clientFacts({ address: ip, asn, country, city, userAgent }: Client): string {
  return JSON.stringify({ client: { ip, asn, country, city, user_agent: userAgent } })
}
