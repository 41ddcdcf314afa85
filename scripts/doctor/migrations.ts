/** Which migrations of this checkout a database has not seen. It is only read: asking wrangler for them would write its table. */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'

import { root, runWrangler } from '../wrangler.ts'

const QUERY = 'SELECT name FROM d1_migrations ORDER BY id'

export type Applied = { readonly missing: readonly string[] } | { readonly failure: string }

/** `where` says which database: `--local`, or `--remote` and a configuration. */
export async function findMissingMigrations(where: readonly string[]): Promise<Applied> {
  const { ok, output } = await runWrangler(['d1', 'execute', 'DB', '--json', '--command', QUERY, ...where], false)
  if (!ok && !output.includes('no such table')) return { failure: output }
  const applied = new Set(ok ? output.match(/\b\d{4}_[\w-]+\.sql\b/g) : [])
  const files = readdirSync(join(root, 'migrations')).filter((file) => file.endsWith('.sql'))
  return { missing: files.filter((file) => !applied.has(file)).toSorted() }
}
