/** The clock of tests that fake the date: `vi.useFakeTimers({ toFake: ['Date'] })` comes first. */

import { vi } from 'vitest'

/** When a test starts, in seconds since 1970. */
export const T0 = 1_800_000_000

/** Moves the clock to so many seconds after the start of the test. */
export function at(seconds: number): void {
  vi.setSystemTime((T0 + seconds) * 1000)
}
