/** `why`: the story of an account's sessions, newest first: opened, refreshed until, ended and why, and the mails about each. */

import { EVENT_REASONS, EVENT_TYPES } from '../../src/domain/events/event.ts'
import { History, type HistoryEvent, type PastSession } from './answers.ts'
import { type Context, limitOf } from './context.ts'
import { deviceOf, placeOf } from './describe.ts'
import { findAccount, nameOf } from './find-account.ts'
import type { Paint } from './paint.ts'
import { jsonLine, printable } from './printable.ts'
import { dayOf, minuteOf } from './time.ts'

const PAGE = 100

export async function why({ client, line, out }: Context): Promise<void> {
  const user = await findAccount(client, line.operands[0] ?? '')
  let cursor: string | undefined
  let left = limitOf(line)
  if (!out.isJson) console.log(`${out.paint('bold', printable(nameOf(user)))}  ${out.paint('dim', user.guid)}`)
  /** Whether what was printed last stands in one line: such lines follow each other without a gap. */
  let wasLine: boolean | undefined
  do {
    const query = { cursor, limit: Math.min(PAGE, left) }
    const page: History = await client.ask(History, 'GET', `/users/${user.guid}/history`, { query })
    for (const moment of momentsOf(page)) {
      const isLine = 'type' in moment.of
      const gap = wasLine === true && isLine ? '' : '\n'
      console.log(out.isJson ? jsonLine(moment.of) : `${gap}${moment.words(out.paint)}`)
      wasLine = isLine
    }
    left -= page.sessions.length + page.events.length
    cursor = page.next ?? undefined
  } while (cursor !== undefined && left > 0)
  if (wasLine === undefined && !out.isJson) console.log('\nNothing is known of the last 90 days.')
  if (cursor !== undefined) out.remark('There is more: --limit N or --all shows it.')
}

interface Moment {
  readonly at: number
  readonly of: PastSession | HistoryEvent
  readonly words: (paint: Paint) => string
}

/** Sessions, and what happened to the account beside them, the latest first. */
function momentsOf({ sessions, events }: History): readonly Moment[] {
  const shown = new Set(sessions.map(({ sid }) => sid))
  const moments: Moment[] = [
    ...sessions.map((session) => ({
      at: session.opened_at,
      of: session,
      words: (paint: Paint) => storyOf(session, paint),
    })),
    // What a session says itself is not said twice.
    ...events
      .filter(({ sid }) => sid === undefined || sid === null || !shown.has(sid))
      .map((event) => ({ at: event.at, of: event, words: (paint: Paint) => eventLine(event, paint) })),
  ]
  return moments.toSorted((a, b) => b.at - a.at)
}

const INDENT = ' '.repeat('2026-11-28 14:07  '.length)

/** The story of one session, a line for each thing that happened. */
export function storyOf(session: PastSession, paint: Paint): string {
  const { opened_at, refreshed_until, ended_at, expires_at, state } = session
  const place = placeOf(session)
  const lines = [
    `${minuteOf(opened_at)}  ${paint('bold', 'signed in')}${place === '' ? '' : ` from ${printable(place)}`}, ${printable(deviceOf(session.user_agent))}`,
  ]
  if (refreshed_until !== null && refreshed_until > opened_at) {
    lines.push(`${INDENT}refreshed until ${minuteOf(refreshed_until)}`)
  }
  if (state === 'live') lines.push(`${INDENT}${paint('green', 'lives')}`)
  else if (state === 'expired' && ended_at === null) {
    lines.push(`${INDENT}expired${expires_at === null ? '' : ` ${minuteOf(expires_at)}`}: nobody refreshed it`)
  } else {
    const reason = session.ended === null ? '' : `: ${reasonOf(session.ended_by, session.ended)}`
    lines.push(`${INDENT}${paint('red', 'ended')}${ended_at === null ? '' : ` ${minuteOf(ended_at)}`}${reason}`)
  }
  for (const { kind, at, sent_at, failed_at } of session.mails) {
    const fate =
      sent_at !== null ? `sent ${minuteOf(sent_at)}` : failed_at !== null ? 'could not be sent' : 'not sent yet'
    lines.push(`${INDENT}mail ${kind} of ${dayOf(at)}: ${fate}`)
  }
  lines.push(`${INDENT}${paint('dim', `session ${session.sid}`)}`)
  return lines.join('\n')
}

/** Why a session ended, in words, with the word of the log and the API behind it. */
function reasonOf(event: string | null, reason: string): string {
  const words = wordsOf(event ?? 'session_ended', reason)
  const label = event === null || event === 'session_ended' || event === reason ? reason : `${event}, ${reason}`
  return words === undefined ? printable(label) : `${words} (${printable(label)})`
}

/** What an event means, or its reason where it has some. */
function wordsOf(event: string, reason: string | null): string | undefined {
  const types: Readonly<Record<string, string>> = EVENT_TYPES
  const reasons: Readonly<Record<string, Readonly<Record<string, string>>>> = EVENT_REASONS
  return (reason === null ? undefined : reasons[event]?.[reason]) ?? types[event]?.split(':')[0]
}

/** What happened to an account beside its sessions, in a line: `password_changed, operator: by an operator: all sessions ended`. */
export function eventLine({ type, reason, at, fields }: HistoryEvent, paint: Paint): string {
  const label = reason === null ? type : `${type}, ${reason}`
  const words = Array.isArray(fields) ? fields.map(String).join(', ') : (wordsOf(type, reason) ?? '')
  return `${minuteOf(at)}  ${paint('bold', printable(label))}${words === '' ? '' : `: ${printable(words)}`}`
}
