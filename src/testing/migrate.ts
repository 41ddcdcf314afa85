/** The database of a test, which is empty at first, and is migrated before the first request. */

import type { Migration } from './control-contract.ts'

/** What the kit binds beside what `wrangler.toml` does. */
export interface TestingEnv extends Env {
  readonly TESTING: {
    /** Whoever has it may move the clock. It is made for one start, and stays in the process that started this. */
    readonly controlKey: string
    /** In their order, under the names that wrangler notes. */
    readonly migrations: readonly Migration[]
  }
}

let migrating: Promise<void> | undefined

/** Migrates the database, once an isolate, and a test has one. */
export function migrateOnce({ DB, TESTING: { migrations } }: TestingEnv): Promise<void> {
  return (migrating ??= migrate(DB, migrations))
}

/** In one transaction, and noted as wrangler notes it: the health of Tessera looks for that. */
async function migrate(database: Env['DB'], migrations: readonly Migration[]): Promise<void> {
  const noted = database.prepare('INSERT INTO d1_migrations (name) VALUES (?)')
  await database.batch([
    database.prepare(
      'CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)',
    ),
    ...migrations.flatMap(({ name, statements }) => [
      ...statements.map((sql) => database.prepare(sql)),
      noted.bind(name),
    ]),
  ])
}
