/** What a presented refresh token turns out to be, by the row of its session as the rotation left it. */

import { describe, expect, test } from 'vitest'

import type { RotatedSession, Session } from '../../../src/domain/sessions/session.ts'
import { judge, RACE_SECONDS } from '../../../src/domain/sessions/verdict.ts'
import { ACCOUNT, HOME, NOW } from '../../support/fakes.ts'
import { GUID } from '../../support/accounts.ts'

const OTHER_GUID = '00000000-8b86-d011-b42d-00c04fc964ff'
const FOUND = { ...ACCOUNT, isConfirmed: true }

describe('the verdict', () => {
  const ROTATED_AT = NOW - 30
  const session: Session = {
    sid: 'session',
    userId: 7,
    guid: GUID,
    jti: 'live',
    issuedAt: ROTATED_AT,
    previousJti: 'previous',
    rotatedAt: ROTATED_AT,
    expiresAt: NOW + 1000,
    createdAt: NOW - 5000,
    endedAt: null,
    isEndedByAccount: false,
    binding: null,
    address: HOME.address,
    asn: HOME.asn,
    country: HOME.country,
    city: HOME.city,
    provider: HOME.provider,
  }
  const found: RotatedSession = { session, account: FOUND, inPlace: true }
  const strict = { refreshReuseSeconds: 0, sessionMaxSeconds: 6000 }
  const window20 = { ...strict, refreshReuseSeconds: 20 }
  const window60 = { ...strict, refreshReuseSeconds: 60 }

  function row(changes: Partial<Session>, rest: Partial<Omit<RotatedSession, 'session'>> = {}): RotatedSession {
    return { ...found, ...rest, session: { ...session, ...changes } }
  }
  function rotated(age: number, rest: Partial<Omit<RotatedSession, 'session'>> = {}): RotatedSession {
    return row({ rotatedAt: NOW - age, issuedAt: NOW - age }, rest)
  }

  function rotatedBound(age: number): RotatedSession {
    return row({ binding: { key: 'x.y', by: 'dpop', proofId: 'first' }, rotatedAt: NOW - age, issuedAt: NOW - age })
  }

  // The row as the rotation left it, and the token that was presented; `next` is what this call would have put in.
  test.each([
    ['no row', null, 'live', strict, 'unknown'],
    ['our own jti in the row', row({ jti: 'next', previousJti: 'live' }), 'live', strict, 'won'],
    ['our own jti in the row, from an earlier try', row({ jti: 'next' }), 'previous', strict, 'won'],
    ['the presented jti still in the row', found, 'live', strict, 'moved'],
    ['the presented jti still in the row, in place or not', row({}, { inPlace: false }), 'live', strict, 'moved'],
    ['a jti that nobody knows', found, 'older', strict, 'reused'],
    ['a jti that nobody knows, in a window', rotated(1), 'older', window60, 'reused'],
    [
      'an older jti, in a session that never rotated',
      row({ previousJti: null, rotatedAt: null }),
      'older',
      strict,
      'reused',
    ],
    ['a row that has a predecessor but no time of rotation', row({ rotatedAt: null }), 'previous', window60, 'reused'],

    // an earlier try of ours, whose answer was lost
    ['a successor of what we would have put in', row({ previousJti: 'next' }), 'presented', strict, 'race'],
    ['our own jti, for somebody elsewhere', row({ jti: 'next' }, { inPlace: false }), 'previous', window60, 'reused'],

    // the direct predecessor, strict
    ['rotated away just now', rotated(0), 'previous', strict, 'race'],
    ['rotated away RACE_SECONDS ago', rotated(RACE_SECONDS), 'previous', strict, 'race'],
    ['rotated away a second more ago', rotated(RACE_SECONDS + 1), 'previous', strict, 'reused'],
    ['rotated away a second from now, by another clock', rotated(-1), 'previous', strict, 'race'],

    // … and in a replay window
    ['rotated away just now, in a window', rotated(0), 'previous', window20, 'replayed'],
    ['rotated away at the end of the window', rotated(20), 'previous', window20, 'replayed'],
    ['rotated away a second before the window', rotated(21), 'previous', window20, 'reused'],
    ['rotated away a second from now, in a window', rotated(-1), 'previous', window20, 'replayed'],
    ['a window shorter than a race, over', rotated(6), 'previous', { ...strict, refreshReuseSeconds: 5 }, 'race'],
    ['a window shorter than a race, open', rotated(5), 'previous', { ...strict, refreshReuseSeconds: 5 }, 'replayed'],
    // … and from elsewhere, where no client of the session is
    ['rotated away just now, from elsewhere', rotated(0, { inPlace: false }), 'previous', strict, 'reused'],
    ['in a window, from elsewhere', rotated(0, { inPlace: false }), 'previous', window60, 'reused'],

    // what outweighs the token
    ['an ended session', row({ endedAt: NOW - 1 }), 'live', strict, 'ended'],
    ['an ended session and our own jti', row({ endedAt: NOW, jti: 'next' }), 'live', strict, 'ended'],
    ['an ended session and a predecessor in a window', row({ endedAt: NOW }), 'previous', window60, 'reused'],
    ['an ended session and an older token', row({ endedAt: NOW }), 'older', strict, 'reused'],
    ['an ended session that we had rotated', row({ endedAt: NOW, previousJti: 'next' }), 'older', strict, 'ended'],
    ['a session that ended with its account', row({ isEndedByAccount: true }), 'live', strict, 'ended'],
    [
      'a session that ended with its account, and an older token',
      row({ isEndedByAccount: true }),
      'older',
      strict,
      'reused',
    ],
    [
      'an ended session of nobody and an older token',
      row({ endedAt: NOW }, { account: null }),
      'older',
      strict,
      'ended',
    ],
    ['an ended session of nobody', row({ endedAt: NOW, expiresAt: NOW }, { account: null }), 'live', strict, 'ended'],
    // what outweighs everything
    ['a session of another account', row({ userId: 8 }), 'live', strict, 'foreign'],
    ['a session of another guid', row({ guid: OTHER_GUID }), 'live', strict, 'foreign'],
    [
      'a session of another guid that nobody may use',
      row({ guid: OTHER_GUID }, { account: null }),
      'live',
      strict,
      'foreign',
    ],
    ['an ended session of another account', row({ userId: 8, endedAt: NOW }), 'older', strict, 'foreign'],
    ['a session of an account that is gone', row({ guid: null }, { account: null }), 'live', strict, 'inactive'],
    ['a session that ends now', row({ expiresAt: NOW }), 'live', strict, 'expired'],
    ['a session that ends in a second', row({ expiresAt: NOW + 1 }), 'live', strict, 'moved'],
    ['a session of the greatest age', row({ createdAt: NOW - 6000 }), 'live', strict, 'expired'],
    ['a session a second younger', row({ createdAt: NOW - 5999 }), 'live', strict, 'moved'],
    ['an expired session and a reused token', row({ expiresAt: NOW }), 'older', strict, 'expired'],
    ['an expired session of nobody', row({ expiresAt: NOW }, { account: null }), 'live', strict, 'expired'],
    ['nobody’s session', row({}, { account: null }), 'live', strict, 'inactive'],
    ['nobody’s session and a reused token', row({}, { account: null }), 'older', strict, 'inactive'],
    ['nobody’s session, in a window', rotated(0, { account: null }), 'previous', window60, 'inactive'],
  ] as const)('on %s', (_name, after, presented, settings, kind) => {
    const verdict = judge(after, { ...FOUND, jti: presented }, (jti) => ['other', 'next'].includes(jti), {
      settings,
      proven: null,
      now: NOW,
    })
    const pair = { session: after?.session, account: FOUND }
    const beside = { won: pair, replayed: pair, moved: { session: after?.session }, reused: { isBound: false } }
    expect(verdict).toEqual({ kind, ...(kind in beside && beside[kind as keyof typeof beside]) })
  })

  const KEY = 'x.y'
  const binding = { key: KEY, by: 'dpop', proofId: 'first' } as const

  test.each([
    ['its key, our own jti in the row', KEY, row({ binding, jti: 'next', previousJti: 'live' }), 'live', 'won'],
    ['its key, the token before, an hour later', KEY, rotatedBound(3600), 'previous', 'replayed'],
    ['its key, and a jti that nobody knows', KEY, rotatedBound(1), 'older', 'reused'],
    ['its key, an ended session and a used token', KEY, row({ binding, endedAt: NOW }), 'older', 'reused'],
    ['no key, the live token', null, row({ binding }), 'live', 'unproven'],
    ['no key, the live token, in place or not', null, row({ binding }, { inPlace: false }), 'live', 'unproven'],
    ['no key, the token before, in no time', null, rotatedBound(0), 'previous', 'unproven'],
    ['no key, and a jti that nobody knows', null, row({ binding }), 'older', 'unproven'],
    ['no key, our own jti in the row', null, row({ binding, jti: 'next' }), 'live', 'unproven'],
    ['no key, an ended session and a used token', null, row({ binding, endedAt: NOW }), 'older', 'ended'],
    ['no key, an expired session', null, row({ binding, expiresAt: NOW }), 'live', 'expired'],
    ['no key, nobody’s session', null, row({ binding }, { account: null }), 'live', 'inactive'],
    ['no key, a session of another account', null, row({ binding, userId: 8 }), 'live', 'foreign'],
    ['another key, the live token', 'y.x', row({ binding }), 'live', 'other_key'],
    ['another key, a used token', 'y.x', row({ binding }), 'older', 'other_key'],
    ['another key, an ended session', 'y.x', row({ binding, endedAt: NOW }), 'live', 'ended'],
    ['a key, and a session that is bound to none', KEY, row({}), 'live', 'moved'],
    ['a key, a session that is bound to none, the token before', KEY, rotated(21), 'previous', 'reused'],
  ] as const)('of a bound session on %s', (_name, provenKey, after, presented, kind) => {
    const verdict = judge(after, { ...FOUND, jti: presented }, (jti) => jti === 'next', {
      settings: window20,
      proven: provenKey === null ? null : { key: provenKey, id: 'second', isFresh: true },
      now: NOW,
    })
    const isPair = kind === 'won' || kind === 'replayed'
    const ofSession = ['moved', 'unproven', 'other_key'].includes(kind) ? { session: after.session } : {}
    const beside = kind === 'reused' ? { isBound: after.session.binding !== null } : ofSession
    expect(verdict).toEqual(isPair ? { kind, session: after.session, account: FOUND } : { kind, ...beside })
  })

  test.each(['live', 'previous'])(
    'of a bound session on the proof that got its live token is that it was used: %s',
    (jti) => {
      const by = { settings: window20, proven: { key: KEY, id: 'first', isFresh: true }, now: NOW } as const
      expect(judge(rotatedBound(1), { ...FOUND, jti }, () => false, by)).toMatchObject({ kind: 'proof_used' })
    },
  )

  test('a race is a matter of ten seconds', () => {
    expect(RACE_SECONDS).toBe(10)
  })
})
