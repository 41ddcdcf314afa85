/** When D1 is asked again, and after which pause; in Node, since it is a matter of errors and timers alone. */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { runBatch, untilAnswered } from '../../src/db/d1.ts'
import { createPurge } from '../../src/db/purge.ts'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  // In this order: a spy on a timer that is none puts that one back.
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** A D1 whose batches fail with these messages, one after the other, and then succeed. Notes when it was asked. */
function failing(...messages: readonly string[]) {
  const askedAt: number[] = []
  const start = Date.now()
  const batch = async () => {
    askedAt.push(Date.now() - start)
    const message = messages[askedAt.length - 1]
    if (message !== undefined) throw new Error(message)
    return []
  }
  return { d1: { batch } as unknown as D1Database, askedAt }
}

/** What becomes of a batch that may be run again. */
async function outcome(d1: D1Database, random?: () => number): Promise<unknown> {
  const result = untilAnswered(() => runBatch(d1, []), random).catch((error: unknown) => error)
  await vi.runAllTimersAsync()
  return result
}

const LOST = 'D1_ERROR: Network connection lost.'

describe('a batch that may run twice', () => {
  test.each([
    'D1_ERROR: D1 DB is overloaded. Requests queued for too long.',
    'D1_ERROR: D1 DB is overloaded. Too many requests queued.',
    'D1_ERROR: Too many requests queued.',
  ])('is not tried again after "%s"', async (message) => {
    const { d1, askedAt } = failing(message)
    expect(await outcome(d1)).toMatchObject({ code: 'unavailable', retryAfterSeconds: 1, cause: { message } })
    expect(askedAt).toHaveLength(1)
  })

  test('nor after one that follows a lost connection', async () => {
    const { d1, askedAt } = failing(LOST, 'D1_ERROR: D1 DB is overloaded. Requests queued for too long.')
    expect(await outcome(d1)).toMatchObject({ code: 'unavailable' })
    expect(askedAt).toHaveLength(2)
  })

  test('is tried three times after anything else', async () => {
    const { d1, askedAt } = failing(LOST, LOST, LOST)
    expect(await outcome(d1)).toMatchObject({ code: 'unavailable', cause: { message: LOST } })
    expect(askedAt).toHaveLength(3)
  })

  test.each([
    { chance: 0, pauses: [25, 50] },
    { chance: 0.5, pauses: [37.5, 75] },
    { chance: 1 - Number.EPSILON, pauses: [50, 100] },
  ])('pauses for half of its time, and for $chance of the other half', async ({ chance, pauses }) => {
    const timer = vi.spyOn(globalThis, 'setTimeout')
    const { d1 } = failing(LOST, LOST)
    expect(await outcome(d1, () => chance)).toEqual([])
    // The others are the limits of the three round trips.
    const set = timer.mock.calls.flatMap(([, milliseconds = 0]) => (milliseconds < 1000 ? [milliseconds] : []))
    expect(set.map((milliseconds) => Math.round(milliseconds * 10) / 10)).toEqual(pauses)
  })

  test('does not pause for as long as another that failed with it', async () => {
    const askedAt = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const { d1, askedAt: times } = failing(LOST, LOST)
        await outcome(d1)
        return times.at(-1)
      }),
    )
    expect(new Set(askedAt).size).toBeGreaterThan(1)
  })
})

test('a chunk of the purge may take five seconds, since nobody waits for it', async () => {
  const silent = { prepare: () => ({ bind: () => ({}) }), batch: () => new Promise(() => {}) }
  const thrown: unknown[] = []
  const purge = createPurge(silent as unknown as D1Database, () => {})
  void purge(0, 0).catch((error: unknown) => thrown.push(error))

  await vi.advanceTimersByTimeAsync(4999)
  expect(thrown).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(thrown).toMatchObject([{ code: 'unavailable', cause: 'D1 is silent' }])
})
