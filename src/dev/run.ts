/** The state of this run of `npm start`: its place, its clock, its last events and pairs. It is in memory, so that a restart begins anew. */

import type { LogEvent } from '../log.ts'
import { parseToken } from '../domain/tokens/tokens.ts'
import type { Exchange } from './exchange.ts'
import type { PlaceId } from './places.ts'

/** Both tokens, as a browser holds them. */
export interface CookiePair {
  readonly access: string
  readonly refresh: string
}

export interface LoggedEvent {
  /** Seconds since 1970, by the clock of this run. */
  readonly at: number
  readonly event: LogEvent
}

/** An action of the page, and what came of it. */
export interface Action {
  readonly title: string
  readonly exchange: Exchange | null
  /** The events that were logged meanwhile. */
  readonly events: readonly LoggedEvent[]
}

export interface Run {
  place: PlaceId
  /** How far the clock of this run is ahead of the machine's. */
  aheadSeconds: number
  /** The last action of the page. */
  last: Action | null
  /** Oldest first. */
  readonly events: LoggedEvent[]
  /** The pairs of each session that were seen last, by `sid`. */
  readonly pairs: Map<string, { readonly current: CookiePair; readonly previous: CookiePair | null }>
}

const MAX_EVENTS = 50
const MAX_SESSIONS = 100

export function createRun(): Run {
  return { place: 'home', aheadSeconds: 0, last: null, events: [], pairs: new Map() }
}

export function noteEvent({ events }: Run, at: number, event: LogEvent): void {
  events.push({ at, event })
  if (events.length > MAX_EVENTS) events.shift()
}

/** Remembers the pair that an answer hands out in cookies, if it does, so that the one before it can be presented again. */
export function notePair({ pairs }: Run, answer: Response): void {
  const lines = answer.headers.getSetCookie()
  const [access, refresh] = ['access_token', 'refresh_token'].map((name) => {
    // The last one counts: those before it delete cookies of a former `COOKIE_DOMAIN`.
    const line = lines.findLast((text) => text.startsWith(`${name}=`))
    return line?.slice(name.length + 1).split(';', 1)[0]
  })
  // An empty value deletes the cookie.
  if (!access || !refresh) return
  const { sid } = parseToken(refresh).payload
  if (typeof sid !== 'string') return
  const known = pairs.get(sid)
  if (known?.current.refresh === refresh) return
  pairs.delete(sid)
  pairs.set(sid, { current: { access, refresh }, previous: known?.current ?? null })
  const oldest = pairs.keys().next()
  if (pairs.size > MAX_SESSIONS && !oldest.done) pairs.delete(oldest.value)
}
