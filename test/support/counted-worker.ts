/** The Worker on a D1 whose round trips are counted, for tests that see that it was not even asked. */

import { env } from 'cloudflare:workers'
import { expect } from 'vitest'

import { answer } from './answers.ts'
import { countRoundTrips } from './counting-database.ts'
import { type CallOptions, startWorker, type TestWorker } from './worker.ts'

export const { database: countedDatabase, roundTrips, reset } = countRoundTrips(env.DB)

export const counted = startWorker({ DB: countedDatabase })

/** Calls, and sees that the database was not even asked: nothing can have been written. */
export async function callWithoutDatabase(path: string, options: CallOptions = {}, by: TestWorker = counted) {
  reset()
  const got = await answer(await by.call(path, options))
  expect(roundTrips()).toBe(0)
  return got
}
