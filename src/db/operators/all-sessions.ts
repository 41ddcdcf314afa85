/**
 * The end of everybody's sessions in D1, by an operator: after a key leaked, say. One round trip ends those of a window of accounts, since
 * callers wait for D1's one thread meanwhile; the next one goes on behind it.
 */

import { and, eq, exists, isNull, sql } from 'drizzle-orm'

import type { EventFeed } from '../../domain/events/event-outbox.ts'
import type { UserStore } from '../../domain/operators/user.ts'
import { prepareEvent, runTelling } from '../events/event.ts'
import { select, update } from '../query.ts'
import { sessions, users } from '../schema.ts'
import { endedNow } from '../sessions/of-account.ts'
import { parameter, prepare } from '../statement.ts'
import { prepareAct } from './audit.ts'

/** How many accounts one call looks at. */
export const WINDOW_ACCOUNTS = 2000

/** The end of everybody's sessions over a D1 database. Build it once per isolate. */
export function createEndOfAll(d1: D1Database, feed: EventFeed): Pick<UserStore, 'endAllSessions'> {
  const { act, event, end, border } = prepareStatements(d1, feed.isFollowed)
  return {
    async endAllSessions(after, ledger) {
      const values = { after, now: ledger.now }
      const results = await runTelling(d1, feed, [
        act.bind(ledger),
        event.bind(values),
        end.bind(values),
        border.bind(values),
      ])
      return { ended: results[2]?.meta.changes ?? 0, next: border.rows(results[3])[0]?.id ?? null }
    },
  }
}

function prepareStatements(d1: D1Database, isFollowed: boolean) {
  const behind = sql`${users.id} > ${parameter('after')}`
  const window = sql`(select id from ${users} as ahead where ahead.id > ${parameter('after')} order by ahead.id limit ${sql.raw(String(WINDOW_ACCOUNTS))})`
  // Sessions that ended before are in no index, and those of an earlier end of all are not newer than it.
  const hasSession = exists(
    select({ one: sql`1` })
      .from(sessions)
      .where(
        and(
          eq(sessions.userId, users.id),
          isNull(sessions.endedAt),
          sql`(${sessions.createdAt} > coalesce(${users.endedBefore}, 0) or ${sessions.sid} = ${users.endedExcept})`,
        ),
      ),
  )
  const where = and(behind, sql`${users.id} <= (select max(id) from ${window})`, hasSession)
  const { endedBefore } = endedNow()

  return {
    act: prepareAct(d1),
    event: prepareEvent(d1, isFollowed, 'sessions_ended', 'operator', { where, endedBefore }),
    end: prepare(d1, update(users).set(endedNow()).where(where)),
    // The last account of the window, where there is one behind it.
    border: prepare(
      d1,
      select({ id: sql<number>`${users.id}`.as('id') })
        .from(users)
        .where(
          and(
            sql`${users.id} = (select max(id) from ${window})`,
            sql`exists (select 1 from ${users} as others where others.id > ${users.id})`,
          ),
        ),
    ),
  }
}
