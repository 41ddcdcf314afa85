/** What a try to sign in is judged by: of the failures of an account, those of strangers or those of the client itself. */

import { describe, expect, test } from 'vitest'

import { type CountedFailures, judge } from '../../../src/domain/accounts/attempts.ts'
import { NOW } from '../../support/fakes.ts'

const DAY_SECONDS = 86_400
const HOME = '203.0.113.7'

function failed(topic: string, count: number, { at = NOW, waitsUntil = 0 } = {}): CountedFailures {
  return { topic, count, at, waitsUntil }
}

function judged(counted: readonly CountedFailures[], isAtHome = true, address = HOME, isAtOwnAddress = false) {
  return judge(counted, { address, isAtHome, isAtOwnAddress, now: NOW })
}

describe('a try', () => {
  test.each([
    [HOME, 'sign_in 203.0.113.7/32'],
    ['2001:db8:7:8:9::a', 'sign_in 2001:db8:7::/48'],
  ])('of %s in a place of the owner is judged by itself', (address, topic) => {
    expect(judged([], true, address)).toEqual({ topic, failures: 0, waits: false })
    expect(judged([], false, address)).toEqual({ topic: 'sign_in', failures: 0, waits: false })
  })

  test('is judged by its own topic alone', () => {
    const counted = [failed('sign_in', 12, { waitsUntil: NOW + 1 }), failed('sign_in 203.0.113.7/32', 2)]
    expect(judged(counted)).toEqual({ topic: 'sign_in 203.0.113.7/32', failures: 2, waits: false })
    expect(judged(counted, false)).toEqual({ topic: 'sign_in', failures: 12, waits: true })
  })

  test('waits until the second that it says', () => {
    expect(judged([failed('sign_in', 10, { waitsUntil: NOW + 1 })], false).waits).toBe(true)
    expect(judged([failed('sign_in', 10, { waitsUntil: NOW })], false)).toMatchObject({ failures: 10, waits: false })
  })

  test.each([
    ['a day after the last try', { at: NOW - DAY_SECONDS }, 0],
    ['a second less', { at: NOW - DAY_SECONDS + 1 }, 7],
    ['a day after the wait', { at: 1, waitsUntil: NOW - DAY_SECONDS }, 0],
    ['a second less than a day after the wait', { at: 1, waitsUntil: NOW - DAY_SECONDS + 1 }, 7],
  ])('%s follows %j: as many failures as %i', (_name, times, failures) => {
    expect(judged([failed('sign_in', 7, times)], false).failures).toBe(failures)
  })

  test('at an address of the owner is judged by itself, however many failed elsewhere', () => {
    const others = Array.from({ length: 9 }, (_, i) => failed(`sign_in 203.0.113.${i + 10}/32`, 10))
    const strangers = failed('sign_in', 40, { waitsUntil: NOW + 60 })
    const own = failed('sign_in own 203.0.113.7/32', 3)
    expect(judged([...others, strangers, own], true, HOME, true)).toEqual({
      topic: own.topic,
      failures: 3,
      waits: false,
    })
  })

  test('at home is one of a stranger once 80 failed at home within a day', () => {
    const others = Array.from({ length: 8 }, (_, i) => failed(`sign_in 203.0.113.${i + 10}/32`, 10))
    expect(judged([...others.slice(1), failed('sign_in', 50)]).topic).toBe('sign_in 203.0.113.7/32')
    expect(judged(others)).toEqual({ topic: 'sign_in', failures: 0, waits: false })
    expect(judged([...others.slice(1), failed('sign_in 203.0.113.7/32', 9)]).topic).toBe('sign_in 203.0.113.7/32')
    const old = others.map((row) => ({ ...row, at: NOW - DAY_SECONDS }))
    expect(judged(old).topic).toBe('sign_in 203.0.113.7/32')
  })
})
