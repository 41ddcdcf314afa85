/**
 * The database and the queues, found by name or created. A run that was killed between creating and noting it down finds
 * them again, and what belongs to something else is never touched.
 */

import * as z from 'zod/mini'

import type { Cloudflare } from './cloudflare.ts'
import { DeployProblem } from './problem.ts'
import type { Location } from './settings.ts'

const Database = z.object({ uuid: z.string(), name: z.string() })
const Tables = z.array(z.object({ results: z.array(z.object({ name: z.string() })) }))

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
  const path = `/accounts/${account}/d1/database`
  const find = async () => {
    // The API takes any name that contains this one.
    const databases = await cloudflare.ask(z.array(Database), path, { query: { name, per_page: '100' } })
    return databases.find((database) => database.name === name)?.uuid
  }
  const id = writtenId ?? (await find())
  if (id === undefined) return null
  const sql =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*'"
  const [tables] = await cloudflare.ask(Tables, `${path}/${id}/query`, { method: 'POST', body: { sql } })
  const names = tables?.results.map((table) => table.name) ?? []
  // Migrations note themselves first: a database without them is empty, or somebody else's.
  const isOurs =
    names.every((table) => table === 'd1_migrations') ||
    ['d1_migrations', 'users', 'sessions'].every((table) => names.includes(table))
  if (!isOurs) {
    throw new DeployProblem(`The account has a database ${name} that is not Tessera's: choose another name, --name.`)
  }
  return id
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

/** Makes sure that the queue exists, and returns whether it was created. Throws `DeployProblem` when another Worker consumes it. */
export async function ensureQueue(
  cloudflare: Cloudflare,
  account: string,
  name: string,
  worker: string,
): Promise<boolean> {
  const path = `/accounts/${account}/queues`
  const queues = await cloudflare.ask(z.array(Queue), path, { query: { name } })
  const found = queues.find((queue) => queue.queue_name === name)
  if (found === undefined) {
    await cloudflare.ask(Queue, path, { method: 'POST', body: { queue_name: name } })
    return true
  }
  const consumers = found.consumers?.map(({ script, service }) => script ?? service) ?? []
  const other = consumers.find((consumer) => consumer !== worker)
  if (other !== undefined) {
    throw new DeployProblem(`The queue ${name} is consumed by the Worker ${other}: choose another name, --name.`)
  }
  return false
}
