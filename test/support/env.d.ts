/** What the worker ring binds beside the Worker's own bindings. */

import type { D1Migration } from '@cloudflare/vitest-plugin'

declare global {
  namespace Cloudflare {
    interface Env {
      readonly MIGRATIONS: D1Migration[]
    }
  }
}
