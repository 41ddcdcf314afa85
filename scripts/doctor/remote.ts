/** What is wrong with a deployment: what Cloudflare knows of it, and what it says of itself. Names of secrets only; nobody can read them. */

import { basePathOf } from '../../src/config.ts'
import {
  type Cloudflare,
  CloudflareError,
  createCloudflare,
  explain,
  findCredential,
  listAccounts,
} from '../deploy/cloudflare.ts'
import { isUnknownToken } from '../deploy/explain.ts'
import { DeployProblem } from '../deploy/problem.ts'
import { appliedMigrations, findDatabaseId, findQueue } from '../deploy/resources.ts'
import { type DeployedWorker, findWorker } from '../deploy/worker.ts'
import { missingMigrations } from '../migrations.ts'
import type { Deployment } from './deployment.ts'
import { type Finding, ok, wrong } from './finding.ts'
import { examineHealth } from './health.ts'

/** Looks at the secrets, the database, the queues and `/healthz`, in that order. `url` replaces the PUBLIC_URL and the BASE_PATH of the configuration. */
export async function examineRemote(deployment: Deployment, url?: string): Promise<readonly Finding[]> {
  const { vars, name } = deployment
  const health =
    url === undefined ? examineHealth(vars['PUBLIC_URL'], basePathOf(vars), name) : examineHealth(url, '', name)
  return [...(await examineAccount(deployment)), ...(await health)]
}

async function examineAccount(deployment: Deployment): Promise<readonly Finding[]> {
  const { name, database, queues } = deployment
  try {
    const cloudflare = createCloudflare(await findCredential())
    const account = await findAccount(cloudflare, deployment)
    // The Worker is looked at first and alone, so that an API that cannot be reached, or an unknown token, is reported once.
    const secrets = await look('Worker', `${name}: `, async () => {
      const worker = await findWorker(cloudflare, account, name, true)
      return worker === null
        ? [wrong('Worker', `${name}: there is no such Worker yet: ${CREATES}`)]
        : examineSecrets(worker)
    })
    const rest = await Promise.all([
      look('database', '', () => examineDatabase(cloudflare, account, database)),
      ...queues.map((queue) => look('queue', `${queue}: `, () => examineQueue(cloudflare, account, queue))),
    ])
    return [secrets, ...rest].flat()
  } catch (error) {
    return [wrong('account', lineOf(error))]
  }
}

const CREATES = '`npm run deploy` creates it'

/** The findings of `work`; a refusal of Cloudflare becomes one. Throws for an unknown token, since it stops every other look, too. */
async function look(
  part: string,
  subject: string,
  work: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CloudflareError) || isUnknownToken(error.code)) throw error
    return [wrong(part, `${subject}${lineOf(error)}`)]
  }
}

/** The line that explains an error. Throws an error that `explain` does not know, since it is a bug. */
function lineOf(error: unknown): string {
  const line = explain(error)
  if (line === null) throw error
  return line
}

/** The account that wrangler would take. Throws `DeployProblem` where there are several, or none, and none is named. */
async function findAccount(cloudflare: Cloudflare, { account }: Deployment): Promise<string> {
  const named = account ?? process.env['CLOUDFLARE_ACCOUNT_ID']
  if (named !== undefined) return named
  const [only, ...others] = await listAccounts(cloudflare)
  if (only !== undefined && others.length === 0) return only.id
  throw new DeployProblem(
    `You have ${only === undefined ? 'no account' : 'several accounts'}: set CLOUDFLARE_ACCOUNT_ID.`,
  )
}

function examineSecrets({ secrets }: DeployedWorker): readonly Finding[] {
  return [
    secrets.includes('AUTH_SECRET')
      ? ok('AUTH_SECRET', 'is set')
      : wrong('AUTH_SECRET', 'is missing: `npm run deploy` makes it, or set it under Settings → Variables and Secrets'),
    secrets.includes('SERVICE_KEY') || secrets.includes('SERVICE_KEYS')
      ? ok('SERVICE_KEY', secrets.includes('SERVICE_KEYS') ? 'is set, with names in SERVICE_KEYS' : 'is set')
      : ok('SERVICE_KEY', 'is not set: every call of a back end is refused, which may be meant'),
  ]
}

async function examineDatabase(
  cloudflare: Cloudflare,
  account: string,
  { name, id }: Deployment['database'],
): Promise<readonly Finding[]> {
  const found = id ?? (await findDatabaseId(cloudflare, account, name))
  const applied = found === undefined ? null : await appliedMigrations(cloudflare, account, found)
  if (applied === null) return [wrong('database', `there is no such database yet: ${CREATES}`)]
  const missing = missingMigrations(applied)
  if (missing.length === 0) return [ok('database', 'migrated')]
  return [wrong('database', `lacks ${missing.join(', ')}: \`npm run deploy\` migrates it`)]
}

async function examineQueue(cloudflare: Cloudflare, account: string, name: string): Promise<readonly Finding[]> {
  const queue = await findQueue(cloudflare, account, name)
  return [queue === undefined ? wrong('queue', `${name}: there is no such queue: ${CREATES}`) : ok('queue', name)]
}
