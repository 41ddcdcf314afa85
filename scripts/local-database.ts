/**
 * The local D1 that `wrangler dev` will serve. wrangler migrates and fills it, which takes seconds, so a later start reads its
 * file first to see whether there is anything to do.
 */

import { createHash, createHmac } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

import { type DemoAccounts, demoAccountsSql, KINDS } from './demo-accounts.ts'
import { valueOf } from './dev-options.ts'
import { APPLIED_MIGRATIONS, missingMigrations } from './migrations.ts'
import { root, runWrangler } from './wrangler.ts'

/** For how long another `npm start` in this folder may take to prepare the same database. */
const OTHER_START_SECONDS = 5

/** Whether every migration and every demo account is in the database. `false` where the file cannot be read, since preparing twice does no harm. */
export async function isPrepared(args: readonly string[], accounts: DemoAccounts): Promise<boolean> {
  try {
    const prepared = await readLocalDatabase(args, (database) => {
      const migrations = database.prepare(APPLIED_MIGRATIONS).all()
      const users = database.prepare('select guid, primary_email from users where primary_email is not null').all()
      return (
        missingMigrations(migrations.map(({ name }) => name)).length === 0 &&
        KINDS.map((kind) => accounts[kind]).every((account) =>
          users.some((user) => user['guid'] === account.guid && user['primary_email'] === account.primary_email),
        )
      )
    })
    return prepared ?? false
  } catch {
    return false
  }
}

/**
 * Reads from the file of the database, without wrangler. `null` where nothing was served yet. Throws where only wrangler knows
 * which file it is, and what `read` throws.
 */
export async function readLocalDatabase<T>(
  args: readonly string[],
  read: (database: DatabaseSync) => T,
): Promise<T | null> {
  // Another configuration may name another database.
  const id = valueOf(args, '--config', '-c', '--env', '-e', '--cwd') === undefined ? readDatabaseId() : undefined
  if (id === undefined) throw new Error('only wrangler knows which database it is')
  const folder = join(resolve(root, valueOf(args, '--persist-to') ?? '.wrangler/state'), 'v3/d1')
  if (!existsSync(folder)) return null
  const sqlite = await import('node:sqlite')
  const database = new sqlite.DatabaseSync(join(folder, OBJECT, `${objectId(id)}.sqlite`), { readOnly: true })
  try {
    return read(database)
  } finally {
    database.close()
  }
}

/** Migrates the database and puts the demo accounts into it. Returns what wrangler said when that fails. */
export async function prepareDatabase(args: readonly string[], accounts: DemoAccounts): Promise<string | undefined> {
  const seed = join(root, '.wrangler/demo-accounts.sql')
  const where = ['--local', ...passOn(args)]
  const migrating = runWrangler(['d1', 'migrations', 'apply', 'DB', ...where], false)
  writeFileSync(seed, await demoAccountsSql(accounts), { mode: 0o600 })
  const migrated = await migrating
  const filled = migrated.ok ? await runWrangler(['d1', 'execute', 'DB', '--file', seed, ...where], false) : migrated
  if (filled.ok) return undefined
  // Another start may migrate at the same time: then one of the two fails, and the database is prepared all the same.
  for (let second = 0; second < OTHER_START_SECONDS; second++) {
    if (await isPrepared(args, accounts)) return undefined
    await sleep(1000)
  }
  return filled.output
}

/** The options that decide which database it is. */
function passOn(args: readonly string[]): readonly string[] {
  return [['--persist-to'], ['--config', '-c'], ['--env', '-e']].flatMap((names) => {
    const value = valueOf(args, ...names)
    return value === undefined ? [] : [...names.slice(0, 1), value]
  })
}

const OBJECT = 'miniflare-D1DatabaseObject'

/** The id under which wrangler keeps the one database of wrangler.toml. Undefined where that file was rewritten in a form that this does not read. */
function readDatabaseId(): string | undefined {
  const [, table, ...others] = readFileSync(join(root, 'wrangler.toml'), 'utf8').split(/^\[\[d1_databases\]\]$/m)
  if (table === undefined || others.length > 0) return undefined
  const lines = (table.split(/^\[/m)[0] ?? '').matchAll(/^(\w+) *= *"([^"\\]*)"/gm)
  const { preview_database_id, database_id, binding } = Object.fromEntries(
    [...lines].map(([, key, text]) => [key, text]),
  )
  return preview_database_id ?? database_id ?? binding
}

/** The name of the file: workerd's id of the Durable Object that miniflare keeps the database in. */
function objectId(name: string): string {
  const key = createHash('sha256').update(OBJECT).digest()
  const sign = (data: string | Buffer) => createHmac('sha256', key).update(data).digest().subarray(0, 16)
  const id = sign(name)
  return Buffer.concat([id, sign(id)]).toString('hex')
}
