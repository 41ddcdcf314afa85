/**
 * The history of an account: which sessions it had, what became of each, and what happened to the account beside. The rows say when a session
 * was opened and how it ended by itself; whether an end of all of them was first follows from the events.
 */

import type { EventFacts, EventReason, EventType, SESSION_EVENTS } from '../events/event.ts'
import type { NoticeKind } from '../mails/notice.ts'
import type { EndReason } from '../sessions/session.ts'
import type { Settings } from '../settings.ts'

/** A mail about a session. */
export interface HistoryMail {
  readonly kind: NoticeKind
  readonly at: number
  readonly sentAt: number | null
  readonly failedAt: number | null
}

/** A session by its row, or by what the purge kept of it. */
export interface KeptSession {
  readonly sid: string
  readonly openedAt: number
  /** When the last pair was issued: by a refresh, or by the sign-in. */
  readonly refreshedUntil: number
  readonly expiresAt: number
  /** The end that its own row has; `null`: it has none. */
  readonly endedAt: number | null
  readonly endReason: EndReason | null
  readonly country: string | null
  readonly city: string | null
  readonly provider: string | null
  readonly userAgent: string | null
  readonly mails: readonly HistoryMail[]
}

type AccountEventType = Exclude<EventType, (typeof SESSION_EVENTS)[number]>

/** Something that happened to the account. Those of single sessions are told with their session. */
export interface HistoryEvent {
  readonly id: number
  readonly type: AccountEventType
  readonly reason: EventReason<AccountEventType>
  readonly at: number
  readonly facts: EventFacts
}

/** An event that ended the sessions which were opened until `endedBefore`, but for one. */
export interface CommonEnd extends Pick<HistoryEvent, 'type' | 'reason' | 'at'> {
  readonly endedBefore: number
  readonly endedExcept: string | null
}

/** A place in the history, behind a session or behind an event of this second. */
export type HistoryPosition = { readonly at: number } & ({ readonly sid: string } | { readonly id: number })

/** What is stored of an account behind a position: the newest sessions and events, one more of each than were asked for. */
export interface FoundHistory {
  readonly sessions: readonly KeptSession[]
  readonly events: readonly HistoryEvent[]
  /** The oldest first. */
  readonly ends: readonly CommonEnd[]
  /** Whether there may be earlier ends than these. */
  readonly mayHaveEarlierEnds: boolean
  /** What the account itself says of ends, whichever event brought them about. */
  readonly endedBefore: number | null
  readonly endedExcept: string | null
}

/** What became of a session. `by` and `reason` are null where no row says so any more; then `at` is, too. */
export type Outcome =
  | { readonly state: 'live' | 'expired' }
  | {
      readonly state: 'ended'
      readonly at: number | null
      readonly by: EventType | null
      readonly reason: EventReason<EventType>
    }

export interface HistoryPage {
  readonly sessions: readonly (KeptSession & { readonly outcome: Outcome })[]
  readonly events: readonly HistoryEvent[]
  /** Where the next page begins; `null`: this is the last one. */
  readonly next: HistoryPosition | null
}

export interface HistoryStore {
  /** What is stored of an account behind a position. `null`: there is no such account. */
  readonly read: (guid: string, behind: HistoryPosition | null, limit: number) => Promise<FoundHistory | null>
}

interface Circumstances {
  readonly now: number
  readonly settings: Pick<Settings, 'sessionMaxSeconds'>
}

/** A page of the history out of what was found: the newest first, at most `limit` sessions and events together. */
export function tellHistory(found: FoundHistory, limit: number, circumstances: Circumstances): HistoryPage {
  const moments = [
    ...found.sessions.map((session) => ({ at: session.openedAt, sid: session.sid, session })),
    ...found.events.map((event) => ({ at: event.at, id: event.id, event })),
  ].toSorted(newestFirst)
  const page = moments.slice(0, limit)
  const last = moments.length > limit ? page.at(-1) : undefined
  return {
    sessions: page.flatMap((moment) =>
      'session' in moment ? [{ ...moment.session, outcome: outcomeOf(moment.session, found, circumstances) }] : [],
    ),
    events: page.flatMap((moment) => ('event' in moment ? [moment.event] : [])),
    next: last === undefined ? null : 'sid' in last ? { at: last.at, sid: last.sid } : { at: last.at, id: last.id },
  }
}

/** Within one second, events stand before sessions. */
function newestFirst(a: HistoryPosition, b: HistoryPosition): number {
  if (a.at !== b.at) return b.at - a.at
  if ('id' in a) return 'id' in b ? b.id - a.id : -1
  if ('id' in b) return 1
  return a.sid < b.sid ? 1 : -1
}

/** What became of a session. Of several ends the first one counts: a row may be given another one later, by a sign-out, say. */
export function outcomeOf(
  session: Pick<KeptSession, 'sid' | 'openedAt' | 'expiresAt' | 'endedAt' | 'endReason'>,
  { ends, mayHaveEarlierEnds, endedBefore, endedExcept }: Omit<FoundHistory, 'sessions' | 'events'>,
  { now, settings }: Circumstances,
): Outcome {
  const { sid, openedAt, expiresAt, endedAt, endReason } = session
  const covers = (end: Pick<CommonEnd, 'endedExcept'> & { readonly endedBefore: number | null }) =>
    end.endedBefore !== null && openedAt <= end.endedBefore && end.endedExcept !== sid
  const common = ends.find(covers)
  const isFirst = common !== ends[0] || !mayHaveEarlierEnds
  const ownEnd = endedAt ?? Number.POSITIVE_INFINITY

  if (common !== undefined && isFirst && common.at < Math.min(ownEnd, expiresAt)) {
    return { state: 'ended', at: common.at, by: common.type, reason: common.reason }
  }
  if (endedAt !== null && endedAt < expiresAt) {
    return { state: 'ended', at: endedAt, by: 'session_ended', reason: endReason }
  }
  // An end of which no event is kept, or not the first one, was before the account's last.
  if (covers({ endedBefore, endedExcept }) && (endedBefore ?? 0) < expiresAt) {
    return { state: 'ended', at: null, by: null, reason: null }
  }
  return { state: Math.min(expiresAt, openedAt + settings.sessionMaxSeconds) <= now ? 'expired' : 'live' }
}
