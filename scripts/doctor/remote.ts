/** What is wrong with a deployment: what Cloudflare knows of it, and what it says of itself. Names of secrets only; nobody can read them. */

import { runWrangler } from '../wrangler.ts'
import type { Deployment } from './deployment.ts'
import { type Finding, ok, wrong } from './finding.ts'
import { examineHealth } from './health.ts'
import { findMissingMigrations } from './migrations.ts'
import { explainWrangler, isNotLoggedIn } from './wrangler-error.ts'

/** Looks at the secrets, the database, the queues and `/healthz`, in that order. `url` replaces the PUBLIC_URL of the configuration. */
export async function examineRemote(deployment: Deployment, url?: string): Promise<readonly Finding[]> {
  const { config, queues, vars } = deployment
  const health = examineHealth(url ?? vars['PUBLIC_URL'], deployment.name)
  const secrets = await runWrangler(['secret', 'list', '--format', 'json', '--config', config], false)
  if (!secrets.ok && isNotLoggedIn(secrets.output)) {
    return [wrong('Cloudflare', explainWrangler(secrets.output)), ...(await health)]
  }
  const rest = await Promise.all([
    examineDatabase(config),
    ...queues.map((queue) => examineQueue(queue, config)),
    health,
  ])
  return [...examineSecrets(secrets, deployment.name), ...rest.flat()]
}

function examineSecrets({ ok: listed, output }: { ok: boolean; output: string }, name: string): readonly Finding[] {
  if (!listed) return [wrong('Worker', `${name}: ${explainWrangler(output)}`)]
  const set = new Set(Array.from(output.matchAll(/"name": ?"(\w+)"/g), ([, secret]) => secret))
  return [
    set.has('AUTH_SECRET')
      ? ok('AUTH_SECRET', 'is set')
      : wrong('AUTH_SECRET', 'is missing: `npm run deploy` makes it, or set it under Settings → Variables and Secrets'),
    set.has('SERVICE_KEY')
      ? ok('SERVICE_KEY', 'is set')
      : ok('SERVICE_KEY', 'is not set: every call of a back end is refused, which may be meant'),
  ]
}

async function examineDatabase(config: string): Promise<Finding> {
  const applied = await findMissingMigrations(['--remote', '--config', config])
  if ('failure' in applied) return wrong('database', explainWrangler(applied.failure))
  if (applied.missing.length === 0) return ok('database', 'migrated')
  return wrong('database', `lacks ${applied.missing.join(', ')}: \`npm run deploy\` migrates it`)
}

async function examineQueue(queue: string, config: string): Promise<Finding> {
  const { ok: found, output } = await runWrangler(['queues', 'info', queue, '--config', config], false)
  return found ? ok('queue', queue) : wrong('queue', `${queue}: ${explainWrangler(output)}`)
}
