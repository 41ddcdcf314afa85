/** What is deployed already: a Worker of that name, what it is bound to, and what it was told. */

import * as z from 'zod/mini'

import { type Cloudflare, CloudflareError } from './cloudflare.ts'
import { DeployProblem } from './problem.ts'

export interface DeployedWorker {
  /** Names only: nobody can read a secret back. */
  readonly secrets: readonly string[]
  readonly databaseId: string | undefined
  /** By binding. */
  readonly queues: Readonly<Record<string, string>>
  /** By name. */
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
 * `null` where there is none yet. Throws `DeployProblem` for a Worker that is something else, unless it `isOurs` in any case:
 * the dashboard makes an empty one, with the secrets of its form, before the first build.
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
