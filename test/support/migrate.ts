/** Runs before every file of the worker ring: its database starts with the current schema and no rows. */

import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'

await applyD1Migrations(env.DB, env.MIGRATIONS)
