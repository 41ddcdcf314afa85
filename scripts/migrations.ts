/** Which migrations of this checkout a database has not seen. The database is only read, where `wrangler d1 migrations list` would create its table. */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { root } from './wrangler.ts'

export const APPLIED_MIGRATIONS = 'SELECT name FROM d1_migrations ORDER BY id'

/** The files of `migrations` that are not among these names, in their order. */
export function missingMigrations(applied: Iterable<unknown>): readonly string[] {
  const names = new Set(applied)
  const files = readdirSync(join(root, 'migrations')).filter((file) => file.endsWith('.sql'))
  return files.filter((file) => !names.has(file)).toSorted()
}
