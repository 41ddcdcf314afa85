/** The operator of a request, as the rules know whoever acts. */

import type { Context } from 'hono'

import type { ActingOperator } from '../../domain/operators/user.ts'
import type { AppEnv } from '../factory.ts'
import { readIssuer } from '../request/caller.ts'

/** Who acts, where `requireOperator` stands before the route. */
export function readOperator(c: Context<AppEnv>): ActingOperator {
  return {
    ...c.get('operator'),
    issuer: readIssuer(c),
    afterwards(work) {
      c.executionCtx.waitUntil(work)
    },
  }
}
