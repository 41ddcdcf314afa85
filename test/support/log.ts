/** The log of the Worker, kept for the test instead of printed. */

import { afterEach, beforeEach, type Mock, vi } from 'vitest'

/** What a test of this file logged, one call an event. Everything that a test mocked is restored after it. */
export function keepLog(...levels: readonly ('warn' | 'error')[]): Mock<(event: unknown) => void> {
  const logged = vi.fn<(event: unknown) => void>()
  beforeEach(() => {
    logged.mockClear()
    for (const level of levels) vi.spyOn(console, level).mockImplementation(logged)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })
  return logged
}

/** The lines of one event among what was logged. */
export function linesOf(logged: Mock<(event: unknown) => void>, event: string): readonly unknown[] {
  return logged.mock.calls.map(([line]) => line).filter((line) => (line as { event: string }).event === event)
}
