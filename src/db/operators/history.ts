/**
 * The history of an account in D1: its sessions, those that the purge moved included, the mails about them, and what happened to the account.
 * One round trip. Each part reads the newest rows of an index, and at most `READ_ROWS` of them, however many an account has.
 */

import { eq, type SQL, sql } from 'drizzle-orm'

import { SESSION_EVENTS } from '../../domain/events/event.ts'
import type {
  CommonEnd,
  HistoryEvent,
  HistoryMail,
  HistoryPosition,
  HistoryStore,
  KeptSession,
} from '../../domain/operators/history.ts'
import { runBatch } from '../d1.ts'
import { select } from '../query.ts'
import { events, notifications, pastSessions, sessions, users } from '../schema.ts'
import { aliased, parameter, prepare } from '../statement.ts'
import { LAST } from './page.ts'

/** How many rows of an account each part reads at most, so that the history of one that has more tells of the newest alone. */
export const READ_ROWS = 10_000
/** How many ends of all sessions are looked at. */
const MAX_ENDS = 1000

/** The kinds of mail whose key names a session. */
const SESSION_MAILS = ['location_blocked', 'token_reused', 'other_key', 'new_sign_in'] as const

/** The histories over a D1 database. Build it once per isolate. */
export function createHistoryStore(d1: D1Database): HistoryStore {
  const statements = prepareStatements(d1)

  return {
    async read(guid, behind, limit) {
      // One more of each than the page has, so that it shows whether there is another.
      const values = { guid, ...valuesOf(behind), rows: limit + 1 }
      const results = await runBatch(d1, [
        statements.account.bind(values),
        statements.sessions.bind(values),
        statements.events.bind(values),
        statements.ends.bind(values),
      ])
      const [account] = statements.account.rows(results[0])
      if (account === undefined) return null
      const { endedBefore, endedExcept, hasMoreEvents } = account
      const ends = statements.ends.rows(results[3])
      return {
        sessions: statements.sessions.rows(results[1]).map(toSession),
        events: statements.events.rows(results[2]).map(toEvent),
        ends: ends.toReversed(),
        mayHaveEarlierEnds: hasMoreEvents === 1 || ends.length === MAX_ENDS,
        endedBefore,
        endedExcept,
      }
    },
  }
}

/** A position as the bounds of both lists. Within one second events stand before sessions. */
function valuesOf(behind: HistoryPosition | null) {
  if (behind === null) return { at: LAST, beforeSid: '', beforeId: LAST }
  // No sid has a character behind `z`.
  if ('id' in behind) return { at: behind.at, beforeSid: '~', beforeId: behind.id }
  return { at: behind.at, beforeSid: behind.sid, beforeId: 0 }
}

function prepareStatements(d1: D1Database) {
  const hasGuid = eq(users.guid, parameter('guid'))
  const userId = sql`(select ${users.id} from ${users} where ${hasGuid})`
  // Of an account whose owner left, no session is told, also before the purge has them all.
  const ownerId = sql`(select ${users.id} from ${users} where ${hasGuid} and ${users.leftAt} is null)`
  const rows = parameter('rows')
  const newest = (table: SQL, where: SQL) =>
    sql`(select * from ${table} where ${where} order by rowid desc limit ${sql.raw(String(READ_ROWS))})`
  const seen = sql`country, city, network, user_agent`
  const current = sql`select sid, created_at as opened_at, issued_at as refreshed_until, expires_at, revoked_at as ended_at, revoked_reason as end_reason, ${seen}`
  const kept = sql`select sid, opened_at, last_used_at as refreshed_until, expired_at as expires_at, ended_at, end_reason, ${seen}`
  // The first bound is one of the index, where there is one.
  const page = (time: SQL) =>
    sql`${time} <= ${parameter('at')} and (${time} < ${parameter('at')} or sid < ${parameter('beforeSid')}) order by ${time} desc, sid desc limit ${rows}`
  const [openedAt, createdAt] = [sql`opened_at`, sql`created_at`]
  const live = sql`${current} from ${sessions} where user_id = ${ownerId} and revoked_at is null and ${page(createdAt)}`
  const ended = sql`${current} from ${newest(sql`${sessions}`, sql`user_id = ${ownerId} and revoked_at is not null`)} where ${page(createdAt)}`
  const past = sql`${kept} from ${newest(sql`${pastSessions}`, sql`user_id = ${ownerId}`)} where ${page(openedAt)}`
  const found = sql`(
    select * from (${live}) union all select * from (${ended}) union all select * from (${past})
    order by opened_at desc, sid desc limit ${rows}) as found`
  const keys = SESSION_MAILS.map((kind) => sql`${`${kind}:`} || found.sid`)
  // By the unique index of the keys, and only for the sessions of the page.
  const mails = sql<string>`(
    select json_group_array(json_object('kind', kind, 'at', created_at, 'sentAt', sent_at, 'failedAt', failed_at))
    from ${notifications} where dedupe_key in (${sql.join(keys, sql`, `)}))`
  const ofAccount = newest(sql`${events}`, sql`user_id = ${userId}`)
  const isOfSession = sql`type in (${sql.join(
    SESSION_EVENTS.map((type) => sql`${type}`),
    sql`, `,
  )})`

  return {
    account: prepare(
      d1,
      select({
        ...aliased({ endedBefore: users.endedBefore, endedExcept: users.endedExcept }),
        hasMoreEvents: sql<number>`exists (
          select 1 from ${events} where user_id = ${userId} order by rowid desc limit 1 offset ${sql.raw(String(READ_ROWS))})`.as(
          'hasMoreEvents',
        ),
      })
        .from(users)
        .where(hasGuid),
    ),
    sessions: prepare<SessionRow>(
      d1,
      select({
        sid: sql<string>`found.sid`.as('sid'),
        openedAt: sql<number>`found.opened_at`.as('openedAt'),
        refreshedUntil: sql<number>`found.refreshed_until`.as('refreshedUntil'),
        expiresAt: sql<number>`found.expires_at`.as('expiresAt'),
        endedAt: sql<number | null>`found.ended_at`.as('endedAt'),
        endReason: sql<KeptSession['endReason']>`found.end_reason`.as('endReason'),
        country: sql<string | null>`found.country`.as('country'),
        city: sql<string | null>`found.city`.as('city'),
        provider: sql<string | null>`found.network`.as('provider'),
        userAgent: sql<string | null>`found.user_agent`.as('userAgent'),
        mails: mails.as('mails'),
      }).from(found),
    ),
    events: prepare<EventRow>(
      d1,
      select({
        id: sql<number>`id`.as('id'),
        type: sql<HistoryEvent['type']>`type`.as('type'),
        reason: sql<HistoryEvent['reason']>`reason`.as('reason'),
        at: sql<number>`at`.as('at'),
        facts: sql<string>`facts`.as('facts'),
      })
        .from(ofAccount)
        .where(
          sql`not ${isOfSession} and at <= ${parameter('at')} and (at < ${parameter('at')} or id < ${parameter('beforeId')})`,
        )
        .orderBy(sql`at desc`, sql`id desc`)
        .limit(sql.placeholder('rows')),
    ),
    ends: prepare<CommonEnd>(
      d1,
      select({
        type: sql<CommonEnd['type']>`type`.as('type'),
        reason: sql<CommonEnd['reason']>`reason`.as('reason'),
        at: sql<number>`at`.as('at'),
        endedBefore: sql<number>`ended_before`.as('endedBefore'),
        endedExcept: sql<string | null>`ended_except`.as('endedExcept'),
      })
        .from(ofAccount)
        .where(sql`ended_before is not null`)
        .orderBy(sql`id desc`)
        .limit(MAX_ENDS),
    ),
  }
}

type SessionRow = Omit<KeptSession, 'mails'> & { readonly mails: string }
type EventRow = Omit<HistoryEvent, 'facts'> & { readonly facts: string }

function toSession({ mails, ...session }: SessionRow): KeptSession {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the statement made it
  const told = JSON.parse(mails) as readonly HistoryMail[]
  return { ...session, mails: told.toSorted((a, b) => a.at - b.at) }
}

function toEvent({ facts, ...event }: EventRow): HistoryEvent {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `prepareEvent` wrote an object
  return { ...event, facts: JSON.parse(facts) as HistoryEvent['facts'] }
}
