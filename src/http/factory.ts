/** What every route and middleware of this app is typed by. */

import { createFactory } from 'hono/factory'

import type { Services } from '../domain/services.ts'

/** The services stand where Hono keeps bindings, `c.env`: routes never see what Cloudflare binds. */
export interface AppEnv {
  Bindings: Services
  Variables: {
    /** The route answers its errors as bare text, unless `Accept` asks for JSON. */
    errorsAsText?: boolean
    /** Where `page-headers.ts` stands before the route. */
    nonce: string
  }
}

export const factory = createFactory<AppEnv>()
