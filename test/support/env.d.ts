/** What the worker ring binds beside the Worker's own bindings. */

import type { D1Migration } from '@cloudflare/vitest-plugin'

declare global {
  namespace Cloudflare {
    interface Env {
      readonly MIGRATIONS: D1Migration[]
      /** Those of wrangler.toml. Under the names of the Worker stand limits that no test meets. */
      readonly REAL_RATE_BY_ADDRESS: RateLimit
      readonly REAL_RATE_BY_ACCOUNT: RateLimit
    }
  }
}
