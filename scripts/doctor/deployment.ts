/** The configuration that was deployed from this checkout: that of `.deploy/NAME`, where `npm run deploy` left one, or wrangler.toml. */

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { unstable_readConfig } from 'wrangler'

import { root } from '../wrangler.ts'

export interface Deployment {
  /** The name of the Worker. */
  readonly name: string
  /** The id of the account at Cloudflare, where the configuration has it. */
  readonly account: string | undefined
  readonly database: { readonly name: string; readonly id: string | undefined }
  readonly queues: readonly string[]
  /** The variables that wrangler sets at each deploy; the dashboard may have more. */
  readonly vars: Readonly<Record<string, unknown>>
}

/** Throws `Error`, with a line to print, when there is none of that name, or several and none was named. */
export function findDeployment(name?: string): Deployment {
  const folder = join(root, '.deploy')
  const known = existsSync(folder)
    ? readdirSync(folder).filter((candidate) => existsSync(join(folder, candidate, 'wrangler.json')))
    : []
  const template = readDeployment(join(root, 'wrangler.toml'))
  if (known.length > 1 && name === undefined) {
    throw new Error(`This checkout has several deployments: --name ${known.join(', or --name ')}`)
  }
  const chosen = name ?? known[0] ?? template.name
  if (known.includes(chosen)) return readDeployment(join(folder, chosen, 'wrangler.json'))
  if (chosen === template.name) return template
  throw new Error(`This checkout knows no deployment ${chosen}, only ${[...known, template.name].join(' and ')}`)
}

function readDeployment(config: string): Deployment {
  const {
    name = 'tessera',
    account_id: account,
    d1_databases: databases,
    queues,
    vars,
  } = unstable_readConfig({ config }, { hideWarnings: true })
  const database = databases.find(({ binding }: { binding: string }) => binding === 'DB')
  return {
    name,
    account,
    database: { name: database?.database_name ?? name, id: database?.database_id },
    queues: (queues.producers ?? []).map(({ queue }: { queue: string }) => queue),
    vars,
  }
}
