/** The Worker that is deployed already: its secrets by name, its bindings and its variables. */

import * as z from 'zod/mini'

import { type Cloudflare, CloudflareError } from './cloudflare.ts'
import { DeployProblem } from './problem.ts'

export interface DeployedWorker {
  /** The names of secrets, whose values nobody can read back. */
  readonly secrets: readonly string[]
  readonly databaseId: string | undefined
  /** The names of queues by binding. */
  readonly queues: Readonly<Record<string, string>>
  /** The values of variables by name. */
  readonly vars: Readonly<Record<string, string>>
}

const Deployed = z.object({
  bindings: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      text: z.optional(z.string()),
      id: z.optional(z.string()),
      queue_name: z.optional(z.string()),
    }),
  ),
})

const WORKER_NOT_FOUND = 10007

/**
 * The Worker of a name; `null` where there is none yet. Throws `DeployProblem` for one that is something else. With `isOurs` that is not
 * checked: the dashboard makes an empty Worker, with the secrets of its form, before the first build.
 */
export async function findWorker(
  cloudflare: Cloudflare,
  account: string,
  name: string,
  isOurs = false,
): Promise<DeployedWorker | null> {
  const path = `/accounts/${account}/workers/scripts/${name}/settings`
  const found = await cloudflare.ask(Deployed, path).catch((error: unknown) => {
    if (error instanceof CloudflareError && error.code === WORKER_NOT_FOUND) return null
    throw error
  })
  if (found === null) return null
  const of = (type: string) => found.bindings.filter((binding) => binding.type === type)
  const queues = Object.fromEntries(of('queue').map((binding) => [binding.name, binding.queue_name ?? '']))
  if (!isOurs && !('MAIL_DEAD_LETTERS' in queues)) {
    throw new DeployProblem(`The account has a Worker ${name} that is no Tessera: choose another name, --name.`)
  }
  return {
    secrets: of('secret_text').map((binding) => binding.name),
    databaseId: of('d1').find((binding) => binding.name === 'DB')?.id,
    queues,
    vars: Object.fromEntries(of('plain_text').map((binding) => [binding.name, binding.text ?? ''])),
  }
}
