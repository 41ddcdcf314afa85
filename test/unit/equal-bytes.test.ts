/** Bytes compared in constant time: equal or not. */

import { expect, test } from 'vitest'

import { equalBytes } from '../../src/domain/equal-bytes.ts'

test.each([
  [[], [], true],
  [[1, 2, 3], [1, 2, 3], true],
  [[1, 2, 3], [1, 2, 4], false],
  [[0, 2, 3], [1, 2, 3], false],
  [[1, 2], [1, 2, 3], false],
  [[1, 2, 0], [1, 2], false],
  [[], [0], false],
])('the bytes %j and %j are equal: %s', (a, b, equal) => {
  expect(equalBytes(Uint8Array.from(a), Uint8Array.from(b))).toBe(equal)
})
