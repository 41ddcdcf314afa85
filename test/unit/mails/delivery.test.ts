/** When a mail is tried again. */

import { describe, expect, test } from 'vitest'

import { retryDelaySeconds } from '../../../src/mail/delivery.ts'

describe('the next try', () => {
  test.each([
    [1, 0, 1],
    [2, 0, 2],
    [3, 0, 4],
    [10, 0, 512],
    [12, 0, 2048],
    // at most an hour, left to us
    [13, 0, 3600],
    [100, 0, 3600],
    [5000, 0, 3600],
    // at least what the service asked for
    [1, 30, 30],
    [6, 30, 32],
    [6, 32, 32],
    [6, 33, 33],
    [13, 3601, 3601],
    // at most the twelve hours for which a queue keeps a message back
    [1, 43_200, 43_200],
    [1, 999_999, 43_200],
  ])('after attempt %i, when %i s were asked for, comes in %i s', (attempts, atLeast, delay) => {
    expect(retryDelaySeconds(attempts, atLeast)).toBe(delay)
  })

  test('needs no wish of the service', () => {
    expect(retryDelaySeconds(4)).toBe(8)
  })
})
