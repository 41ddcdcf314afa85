/** The story of an account's sessions: which of several ends counts, and in which order all is told. */

import { describe, expect, test } from 'vitest'

import {
  type CommonEnd,
  type FoundHistory,
  type HistoryEvent,
  type KeptSession,
  outcomeOf,
  tellHistory,
} from '../../../src/domain/operators/history.ts'

const SETTINGS = { sessionMaxSeconds: 5000 }
const NOTHING: FoundHistory = {
  sessions: [],
  events: [],
  ends: [],
  mayHaveEarlierEnds: false,
  endedBefore: null,
  endedExcept: null,
}

function session(fields: Partial<KeptSession> = {}): KeptSession {
  return {
    sid: 's',
    openedAt: 100,
    refreshedUntil: 100,
    expiresAt: 1000,
    endedAt: null,
    endReason: null,
    country: null,
    city: null,
    provider: null,
    userAgent: null,
    mails: [],
    ...fields,
  }
}

function end(at: number, fields: Partial<CommonEnd> = {}): CommonEnd {
  return { type: 'sessions_ended', reason: 'owner', at, endedBefore: at, endedExcept: null, ...fields }
}

function ended(at: number, by = 'sessions_ended', reason: string | null = 'owner') {
  return { state: 'ended', at, by, reason }
}

const UNKNOWN = { state: 'ended', at: null, by: null, reason: null }
const reset = { type: 'password_changed', reason: 'reset' } as const
const signedOut = { endedAt: 300, endReason: 'signed_out' } as const

describe('what became of a session', () => {
  test.each<[string, Partial<KeptSession>, Partial<FoundHistory>, number, unknown]>([
    ['it lives', {}, {}, 999, { state: 'live' }],
    ['it expired with its refresh token', {}, {}, 1000, { state: 'expired' }],
    ['it expired by its longest time', { openedAt: 0, expiresAt: 9000 }, {}, 5000, { state: 'expired' }],
    ['it was ended', signedOut, {}, 400, ended(300, 'session_ended', 'signed_out')],
    ['it was signed out after it had expired', { ...signedOut, endedAt: 1000 }, {}, 2000, { state: 'expired' }],
    ['it ended with all others', {}, { ends: [end(200)] }, 400, ended(200)],
    ['it ended in the second in which it was opened', {}, { ends: [end(100)] }, 400, ended(100)],
    ['others ended before', {}, { ends: [end(99)] }, 400, { state: 'live' }],
    ['it was the one that was kept', {}, { ends: [end(200, { endedExcept: 's' })] }, 400, { state: 'live' }],
    ['another one was kept', {}, { ends: [end(200, { endedExcept: 'other' })] }, 400, ended(200)],
    [
      'it was kept once, and not the second time',
      {},
      { ends: [end(200, { endedExcept: 's' }), end(250, reset)] },
      400,
      ended(250, 'password_changed', 'reset'),
    ],
    ['all ended twice', {}, { ends: [end(200), end(250, reset)] }, 400, ended(200)],
    ['all ended before it was signed out', signedOut, { ends: [end(200)] }, 400, ended(200)],
    [
      'all ended after it was signed out',
      signedOut,
      { ends: [end(301)] },
      400,
      ended(300, 'session_ended', 'signed_out'),
    ],
    [
      'all ended in the second in which it was signed out',
      signedOut,
      { ends: [end(300)] },
      400,
      ended(300, 'session_ended', 'signed_out'),
    ],
    ['all ended after it had expired', {}, { ends: [end(1000)] }, 2000, { state: 'expired' }],
    [
      'an end was dated ahead, for a session of a clock ahead',
      { openedAt: 210 },
      { ends: [end(200, { endedBefore: 210 })] },
      400,
      ended(200),
    ],
    ['the account says so, and no event', {}, { endedBefore: 150 }, 400, UNKNOWN],
    ['the account kept it', {}, { endedBefore: 150, endedExcept: 's' }, 400, { state: 'live' }],
    ['the account says so of earlier ones', {}, { endedBefore: 99 }, 400, { state: 'live' }],
    ['the account ended all when it had expired', {}, { endedBefore: 1000 }, 2000, { state: 'expired' }],
    [
      'the first event that is known may not be the first',
      {},
      { ends: [end(200), end(250)], mayHaveEarlierEnds: true, endedBefore: 250 },
      400,
      UNKNOWN,
    ],
    [
      'an event before it is known, so that the next one is the first for it',
      {},
      { ends: [end(99), end(250)], mayHaveEarlierEnds: true, endedBefore: 250 },
      400,
      ended(250),
    ],
  ])('where %s', (_name, fields, found, now, outcome) => {
    expect(outcomeOf(session(fields), { ...NOTHING, ...found }, { now, settings: SETTINGS })).toEqual(outcome)
  })
})

function event(id: number, at: number): HistoryEvent {
  return { id, type: 'confirmed', reason: null, at, facts: {} }
}

function page(found: Partial<FoundHistory>, limit: number) {
  const told = tellHistory({ ...NOTHING, ...found }, limit, { now: 40, settings: SETTINGS })
  return { sids: told.sessions.map(({ sid }) => sid), ids: told.events.map(({ id }) => id), next: told.next }
}

describe('a page', () => {
  const sessions = [
    session({ sid: 'c', openedAt: 30 }),
    session({ sid: 'b', openedAt: 20 }),
    session({ sid: 'a', openedAt: 20 }),
  ]
  const events = [event(8, 30), event(7, 20), event(6, 20)]
  test.each([
    [1, [], [8], { at: 30, id: 8 }],
    [2, ['c'], [8], { at: 30, sid: 'c' }],
    [3, ['c'], [8, 7], { at: 20, id: 7 }],
    [5, ['c', 'b'], [8, 7, 6], { at: 20, sid: 'b' }],
    [6, ['c', 'b', 'a'], [8, 7, 6], null],
  ])('of %i is the newest of both, events before sessions within a second', (limit, sids, ids, next) => {
    expect(page({ sessions, events }, limit)).toEqual({ sids, ids, next })
    expect(page({ sessions: sessions.toReversed(), events: events.toReversed() }, limit)).toEqual({ sids, ids, next })
  })

  test('of nothing is the last one', () => {
    expect(page({}, 1)).toEqual({ sids: [], ids: [], next: null })
  })
})
