/** What somebody has deployed before the doctor looks: a Worker, its database and its queues, in the account of the stand-in. */

import { DatabaseSync } from 'node:sqlite'

import type { CloudflareApi } from './cloudflare-api.ts'

export interface Parts {
  /** Names. */
  readonly secrets: readonly string[]
  /** Migrations of the database; `null` for one that never had any. */
  readonly applied: readonly string[] | null
  readonly queues: readonly string[]
}

/** Puts a deployment called `tessera` into the account. */
export function deployed(api: CloudflareApi, { secrets, applied, queues }: Parts): void {
  const sqlite = new DatabaseSync(':memory:')
  if (applied !== null) sqlite.exec('CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT)')
  for (const name of applied ?? []) sqlite.prepare('INSERT INTO d1_migrations (name) VALUES (?)').run(name)
  api.databases.set('id-of-tessera', { name: 'tessera', location: undefined, sqlite })
  for (const name of queues) api.queues.push({ queue_id: name, queue_name: name, consumers: [] })
  const bindings = secrets.map((name) => ({ name, type: 'secret_text', text: 'unreadable' }))
  api.domains.set('auth.example.com', 'tessera')
  api.workers.set('tessera', { workersDev: false, previewUrls: false, schedules: [], uploads: 1, bindings })
}
