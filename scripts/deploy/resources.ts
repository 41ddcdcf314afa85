/**
 * The database and the queues, found by name or created. A run that was killed between creating and noting it down finds
 * them again, and what belongs to something else is never touched.
 */

import * as z from 'zod/mini'

import { APPLIED_MIGRATIONS } from '../migrations.ts'
import { type Cloudflare, CloudflareError } from './cloudflare.ts'
import { DeployProblem } from './problem.ts'
import type { Location } from './settings.ts'

const Database = z.object({ uuid: z.string(), name: z.string() })
const Names = z.array(z.object({ results: z.array(z.object({ name: z.string() })) }))

/** The id of the database of that name. */
export async function findDatabaseId(
  cloudflare: Cloudflare,
  account: string,
  name: string,
): Promise<string | undefined> {
  // The API also lists databases whose names only contain this one.
  const query = { name, per_page: '100' }
  const databases = await cloudflare.ask(z.array(Database), `/accounts/${account}/d1/database`, { query })
  return databases.find((database) => database.name === name)?.uuid
}

/**
 * The id of the database of that name, or the one that wrangler.toml says; `null` where there is none. Throws `DeployProblem`
 * when its tables are not Tessera's.
 */
export async function findDatabase(
  cloudflare: Cloudflare,
  account: string,
  name: string,
  writtenId?: string,
): Promise<string | null> {
  const id = writtenId ?? (await findDatabaseId(cloudflare, account, name))
  if (id === undefined) return null
  const sql =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*'"
  const [tables] = await cloudflare.ask(Names, queryPath(account, id), { method: 'POST', body: { sql } })
  const names = tables?.results.map((table) => table.name) ?? []
  // Every migration is noted in `d1_migrations`: a database without that table is empty, or something else's.
  const isOurs =
    names.every((table) => table === 'd1_migrations') ||
    ['d1_migrations', 'users', 'sessions'].every((table) => names.includes(table))
  if (!isOurs) {
    throw new DeployProblem(`The account has a database ${name} that is not Tessera's: choose another name, --name.`)
  }
  return id
}

function queryPath(account: string, databaseId: string): string {
  return `/accounts/${account}/d1/database/${databaseId}/query`
}

const DATABASE_NOT_FOUND = 7404

/** The names of the migrations that a database has seen, none before the first one; `null` where there is no such database. */
export async function appliedMigrations(
  cloudflare: Cloudflare,
  account: string,
  databaseId: string,
): Promise<readonly string[] | null> {
  const body = { sql: APPLIED_MIGRATIONS }
  try {
    const [rows] = await cloudflare.ask(Names, queryPath(account, databaseId), { method: 'POST', body })
    return rows?.results.map(({ name }) => name) ?? []
  } catch (error) {
    if (!(error instanceof CloudflareError)) throw error
    if (error.code === DATABASE_NOT_FOUND) return null
    if (error.message.includes('no such table')) return []
    throw error
  }
}

/** Creates the database and returns its id. `location` is a hint, and holds for good. */
export async function createDatabase(
  cloudflare: Cloudflare,
  account: string,
  name: string,
  location: Location | undefined,
): Promise<string> {
  const body = { name, ...(location && { primary_location_hint: location }) }
  const { uuid } = await cloudflare.ask(Database, `/accounts/${account}/d1/database`, { method: 'POST', body })
  return uuid
}

const Queue = z.object({
  queue_name: z.string(),
  consumers: z.optional(z.array(z.object({ script: z.optional(z.string()), service: z.optional(z.string()) }))),
})

export async function findQueue(
  cloudflare: Cloudflare,
  account: string,
  name: string,
): Promise<z.infer<typeof Queue> | undefined> {
  const queues = await cloudflare.ask(z.array(Queue), `/accounts/${account}/queues`, { query: { name } })
  return queues.find((queue) => queue.queue_name === name)
}

/**
 * Makes sure that the queue exists, and returns whether it was created. Throws `DeployProblem` when another Worker than this one consumes it;
 * `null`: any may.
 */
export async function ensureQueue(
  cloudflare: Cloudflare,
  account: string,
  name: string,
  worker: string | null,
): Promise<boolean> {
  const found = await findQueue(cloudflare, account, name)
  if (found === undefined) {
    await cloudflare.ask(Queue, `/accounts/${account}/queues`, { method: 'POST', body: { queue_name: name } })
    return true
  }
  const consumers = found.consumers?.map(({ script, service }) => script ?? service) ?? []
  const other = worker === null ? undefined : consumers.find((consumer) => consumer !== worker)
  if (other !== undefined) {
    throw new DeployProblem(`The queue ${name} is consumed by the Worker ${other}: choose another name, --name.`)
  }
  return false
}
