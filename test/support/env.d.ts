/** What the worker ring binds beside the Worker's own bindings. */

import type { D1Migration } from '@cloudflare/vitest-plugin'

declare global {
  namespace Cloudflare {
    interface Env {
      readonly MIGRATIONS: D1Migration[]
      /** Of the example that consumes events. */
      readonly FOLLOWED: D1Database
      readonly FOLLOWED_MIGRATIONS: D1Migration[]
      /** A queue of events, which the Worker does not have under its own name unless a test says so. Nobody consumes it. */
      readonly REAL_EVENTS: Queue
      /** Those of wrangler.toml. Under the names of the Worker stand limits that no test meets. */
      readonly REAL_RATE_BY_ADDRESS: RateLimit
      readonly REAL_RATE_BY_ACCOUNT: RateLimit
    }
  }
}
