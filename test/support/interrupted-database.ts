/** A race that is not left to chance: a D1 on which something else happens right before one of a request's round trips. */

import { countRoundTrips } from './counting-database.ts'

/** `trip` is that of the batch before which `happen` runs, counted from 1. */
export function interruptBefore(d1: D1Database, trip: number, happen: () => Promise<unknown>): D1Database {
  const { database, roundTrips } = countRoundTrips(d1)
  return new Proxy(database, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function' || name !== 'batch') return member
      return async (statements: D1PreparedStatement[]) => {
        if (roundTrips() === trip - 1) await happen()
        return target.batch(statements)
      }
    },
  })
}
