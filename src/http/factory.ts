/** What every route and middleware of this app is made by, and typed by. */

import { createMiddleware } from 'hono/factory'
import { HonoBase, type HonoOptions } from 'hono/hono-base'
import { TrieRouter } from 'hono/router/trie-router'

import type { Operator } from '../domain/operators/audit.ts'
import type { Services } from '../domain/services.ts'

/** The services stand where Hono keeps bindings, `c.env`: routes never see what Cloudflare binds. */
export interface AppEnv {
  Bindings: Services
  Variables: {
    /** The route answers its errors as bare text, unless `Accept` asks for JSON. */
    errorsAsText?: boolean
    /** Where `requireOperator` stands before the route. */
    operator: Operator
    /** Where `page-headers.ts` stands before the route. */
    nonce: string
  }
}

export const factory = {
  /** Of Hono's routers it has the one that tells `/:guid` from `/refresh`. `Hono` itself would carry the other one along. */
  createApp: (options: Pick<HonoOptions<AppEnv>, 'getPath'> = {}) =>
    new HonoBase<AppEnv>({ router: new TrieRouter(), ...options }),
  createMiddleware: createMiddleware<AppEnv>,
}
