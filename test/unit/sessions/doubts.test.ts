/** What is remembered of a rotation of which nobody knows the outcome, and who gets it. */

import { expect, test } from 'vitest'

import { createDoubts, type Doubts } from '../../../src/domain/sessions/doubts.ts'
import type { Verdict } from '../../../src/domain/sessions/verdict.ts'
import { NOW } from '../../support/fakes.ts'

const REUSED: Verdict = { kind: 'reused', isBound: false }
const RACE: Verdict = { kind: 'race' }

function lose(doubts: Doubts, freshJti: string, { presented = 'presented', at = NOW } = {}): void {
  doubts.begin(presented, freshJti, at).lose()
}

/** What the next rotation of a presented jti would write, where its own choice is `fresh`. */
function nextJti(doubts: Doubts, { presented = 'presented', at = NOW } = {}): string {
  return doubts.begin(presented, 'fresh', at).nextJti
}

test('a rotation without a doubt writes its own choice, and knows no other', () => {
  const attempt = createDoubts().begin('presented', 'fresh', NOW)
  expect(attempt.nextJti).toBe('fresh')
  expect(['fresh', 'presented', 'other'].map(attempt.isOurs)).toEqual([true, false, false])
  expect(attempt.close(REUSED, null)).toEqual(REUSED)
})

test('a thousand are kept, the newest ones, and each is given out once', () => {
  const doubts = createDoubts()
  for (let i = 0; i <= 1000; i += 1) lose(doubts, `next-${i}`, { presented: `presented-${i}` })
  expect(nextJti(doubts, { presented: 'presented-0' })).toBe('fresh')
  expect(nextJti(doubts, { presented: 'presented-1' })).toBe('next-1')
  expect(nextJti(doubts, { presented: 'presented-1000' })).toBe('next-1000')
  expect(nextJti(doubts, { presented: 'presented-1000' })).toBe('fresh')
})

test('one lasts a minute', () => {
  for (const [age, expected] of [
    [60, 'next'],
    [61, 'fresh'],
  ] as const) {
    const doubts = createDoubts()
    lose(doubts, 'next')
    expect(nextJti(doubts, { at: NOW + age })).toBe(expected)
  }
})

test('a replay settles one for good: somebody has the successor', () => {
  const doubts = createDoubts()
  lose(doubts, 'next')
  const replayed = { kind: 'replayed' } as Verdict
  expect(doubts.begin('presented', 'other', NOW).close(replayed, 'next')).toBe(replayed)
  expect(nextJti(doubts)).toBe('fresh')
  lose(doubts, 'late')
  expect(nextJti(doubts)).toBe('fresh')
  // Its callers were told to try again, and are no thieves as long as they may.
  expect(doubts.begin('presented', 'fresh', NOW + 60).close(REUSED, null)).toEqual(RACE)
  expect(doubts.begin('presented', 'fresh', NOW + 61).close(REUSED, null)).toEqual(REUSED)
})

test('a replay without one leaves none, and lets none arise', () => {
  const doubts = createDoubts()
  doubts.begin('presented', 'other', NOW).close({ kind: 'replayed' } as Verdict, 'next')
  expect(doubts.begin('presented', 'fresh', NOW).close(REUSED, null)).toEqual(REUSED)
  lose(doubts, 'late')
  expect(nextJti(doubts)).toBe('fresh')
})

test('those of parallel callers are kept beside each other, a hundred of one token, and any of them may have been written', () => {
  const doubts = createDoubts()
  for (let i = 0; i <= 100; i += 1) lose(doubts, `next-${i}`)
  // Each attempt began by taking what there was, and lost it again.
  const attempt = doubts.begin('presented', 'fresh', NOW)
  expect(attempt.isOurs('fresh')).toBe(false)
  expect(attempt.isOurs(attempt.nextJti)).toBe(true)

  const parallel = createDoubts()
  const attempts = Array.from({ length: 101 }, (_, i) => parallel.begin('presented', `next-${i}`, NOW))
  for (const one of attempts) one.lose()
  const resumed = parallel.begin('presented', 'fresh', NOW)
  expect(resumed.nextJti).toBe('next-1')
  const ours = Array.from({ length: 101 }, (_, i) => resumed.isOurs(`next-${i}`))
  expect(ours).toEqual([false, ...Array<boolean>(100).fill(true)])
})

test('who goes on with one and wins has resumed it', () => {
  const doubts = createDoubts()
  lose(doubts, 'next')
  const won = { kind: 'won', session: {}, account: {} } as Verdict
  expect(doubts.begin('presented', 'fresh', NOW).close(won, 'next')).toEqual({ ...won, kind: 'resumed' })
  expect(createDoubts().begin('presented', 'fresh', NOW).close(won, 'fresh')).toBe(won)
})

test('a refusal leaves it to the client that was told to try again, where the row names its jti', () => {
  const doubts = createDoubts()
  lose(doubts, 'next')
  expect(doubts.begin('presented', 'fresh', NOW).close(REUSED, 'next')).toEqual(RACE)
  expect(nextJti(doubts)).toBe('next')

  lose(doubts, 'next')
  expect(doubts.begin('presented', 'fresh', NOW).close({ kind: 'moved' } as Verdict, 'presented')).toEqual({
    kind: 'moved',
  })
  expect(nextJti(doubts)).toBe('fresh')
})

test('one that arises again is the newest, and outlasts those that were older', () => {
  const doubts = createDoubts()
  for (let i = 0; i < 999; i += 1) lose(doubts, `next-${i}`, { presented: `presented-${i}` })
  lose(doubts, 'again', { presented: 'presented-0' })
  for (const i of [999, 1000]) lose(doubts, `next-${i}`, { presented: `presented-${i}` })
  expect(nextJti(doubts, { presented: 'presented-1' })).toBe('fresh')
  expect(nextJti(doubts, { presented: 'presented-0' })).toBe('next-0')
})

test('who goes on with one and loses it as well leaves the jti that was chosen first', () => {
  const doubts = createDoubts()
  lose(doubts, 'first')
  lose(doubts, 'second')
  expect(nextJti(doubts)).toBe('first')
})

test('one that somebody goes on with is nobody else’s, though another is lost beside it', () => {
  const doubts = createDoubts()
  const beside = doubts.begin('presented', 'beside', NOW)
  lose(doubts, 'taken')
  expect(nextJti(doubts)).toBe('taken')
  beside.lose()
  expect(nextJti(doubts)).toBe('beside')
})

test('the callers of one are no thieves after a replay, whether it was lost before it or after', () => {
  const replayed = { kind: 'replayed' } as Verdict
  const before = createDoubts()
  lose(before, 'next')
  before.begin('presented', 'other', NOW).close(replayed, 'next')
  expect(before.begin('presented', 'fresh', NOW).close(REUSED, null)).toEqual(RACE)

  const after = createDoubts()
  after.begin('presented', 'other', NOW).close(replayed, 'next')
  lose(after, 'late')
  expect(after.begin('presented', 'fresh', NOW).close(REUSED, null)).toEqual(RACE)
})

test('a refusal that leaves it to its client is a race, even where a thousand others pushed it out meanwhile', () => {
  const doubts = createDoubts()
  lose(doubts, 'next')
  const attempt = doubts.begin('presented', 'fresh', NOW)
  for (let i = 0; i < 1000; i += 1) lose(doubts, `next-${i}`, { presented: `presented-${i}` })
  expect(attempt.close(REUSED, 'next')).toEqual(RACE)
  expect(nextJti(doubts)).toBe('next')
})
