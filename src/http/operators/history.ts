/** The history of a user: why their sessions ended, and what happened to the account. */

import type { Context } from 'hono'
import * as z from 'zod/mini'

import { type HistoryPage, type HistoryPosition, type Outcome, tellHistory } from '../../domain/operators/history.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'
import { parseBody } from '../../shape.ts'
import type { History } from './answer-contract.ts'
import { Paging, readQuery } from './query.ts'
import { UserPath } from './user-contract.ts'

/** A position: the second, and the session or the event of that second behind which the page begins. */
const CURSOR = /^(\d{1,15})\.(?:s\.([\w-]{1,64})|e\.(\d{1,15}))$/

const Position = z.pipe(
  z.string().check(z.regex(CURSOR, 'must be the `next` of another page')),
  z.transform((text): HistoryPosition => {
    const [, at, sid, id] = CURSOR.exec(text) ?? []
    return { at: Number(at), ...(sid === undefined ? { id: Number(id) } : { sid }) }
  }),
)

export const HistoryRequest = z.strictObject({ limit: Paging.limit, cursor: z.prefault(z.nullable(Position), null) })

/** `GET /admin/users/{guid}/history`: the newest first. */
export async function showHistory(c: Context<AppEnv>): Promise<Response> {
  const { guid } = parseBody(UserPath, c.req.param())
  const { limit, cursor } = readQuery(c, HistoryRequest)
  const { settings, now } = c.env
  const { histories } = await c.env.operators()
  const found = await histories.read(guid, cursor, limit)
  if (found === null) throw new TesseraError('not_found')
  const { sessions, events, next } = tellHistory(found, limit, { now: now(), settings })
  return c.json({
    guid,
    sessions: sessions.map(describeSession),
    events: events.map(({ type, reason, at, facts }) => ({ type, reason, at, sid: null, ...facts })),
    next: next === null ? null : writePosition(next),
  })
}

function writePosition(position: HistoryPosition): string {
  return 'sid' in position ? `${position.at}.s.${position.sid}` : `${position.at}.e.${position.id}`
}

function describeSession({ outcome, ...session }: HistoryPage['sessions'][number]): History['sessions'][number] {
  return {
    sid: session.sid,
    opened_at: session.openedAt,
    refreshed_until: session.refreshedUntil,
    expires_at: session.expiresAt,
    state: outcome.state,
    ...describeEnd(outcome),
    country: session.country,
    city: session.city,
    network: session.provider,
    user_agent: session.userAgent,
    mails: session.mails.map(({ kind, at, sentAt, failedAt }) => ({
      kind,
      at,
      sent_at: sentAt,
      failed_at: failedAt,
    })),
  }
}

/** An event that needs no reason is one itself. */
function describeEnd(outcome: Outcome) {
  if (outcome.state !== 'ended') return { ended_at: null, ended_by: null, ended: null }
  const { at, by, reason } = outcome
  return { ended_at: at, ended_by: by, ended: reason ?? by }
}
