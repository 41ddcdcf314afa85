/** The clock of a test: it stands still until the test moves it. */

import { afterEach, beforeEach, vi } from 'vitest'

/** When a test starts, in seconds since 1970. */
export const T0 = 1_800_000_000
/** The same for tests of mails, which name it. */
export const START = Date.parse('2026-11-20T10:30:15Z') / 1000
export const DAY_SECONDS = 86_400

/** Stops the clock at `T0` before each test of a file, and lets it go after it. Timers still run. */
export function stopClock(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] })
    at(0)
  })
  afterEach(() => {
    vi.useRealTimers()
  })
}

/** Moves the clock to so many seconds after the start of the test. */
export function at(seconds: number): void {
  vi.setSystemTime((T0 + seconds) * 1000)
}

/** Moves the clock to a time in seconds since 1970. */
export function setClock(seconds: number): void {
  vi.setSystemTime(seconds * 1000)
}

export function passSeconds(seconds: number): void {
  vi.setSystemTime(Date.now() + seconds * 1000)
}
