/** What is wrong on this machine, before `npm start`, `npm test` or a deploy meets it. */

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { unstable_getVarsForDev, unstable_readConfig } from 'wrangler'

import { ConfigError, parseConfig } from '../../src/config.ts'
import { root } from '../wrangler.ts'
import { type Finding, ok, wrong } from './finding.ts'
import { findMissingMigrations } from './migrations.ts'
import { explainWrangler } from './wrangler-error.ts'

const CONFIG = join(root, 'wrangler.toml')

/** Looks at Node, the configuration of the deployed and of the local Worker, and the local database. */
export async function examineLocal(): Promise<readonly Finding[]> {
  return [ok('Node', process.versions.node), examineDefaults(), examineDevVars(), await examineDatabase()]
}

/** wrangler.toml by itself is what a deploy uploads; its secrets are elsewhere, and taken for good ones. */
function examineDefaults(): Finding {
  const { vars } = unstable_readConfig({ config: CONFIG }, { hideWarnings: true })
  const problem = problemOf({ ...vars, AUTH_SECRET: randomBytes(32).toString('base64') })
  return problem === null ? ok('wrangler.toml') : wrong('wrangler.toml', problem)
}

function examineDevVars(): Finding {
  if (!existsSync(join(root, '.dev.vars'))) return wrong('.dev.vars', 'is missing: `npm start` writes it')
  const bindings = unstable_getVarsForDev(CONFIG, undefined, {}, undefined, true)
  const values = Object.entries(bindings).map(([key, binding]) => [key, 'value' in binding ? binding.value : undefined])
  const { vars } = unstable_readConfig({ config: CONFIG }, { hideWarnings: true })
  const problem = problemOf({ ...vars, ...Object.fromEntries(values) })
  return problem === null ? ok('.dev.vars') : wrong('.dev.vars', problem)
}

function problemOf(bindings: object): string | null {
  try {
    parseConfig(bindings)
    return null
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.replace(/^Configuration: /, '')
  }
}

async function examineDatabase(): Promise<Finding> {
  const applied = await findMissingMigrations(['--local'])
  if ('failure' in applied) return wrong('local database', explainWrangler(applied.failure))
  if (applied.missing.length === 0) return ok('local database', 'migrated')
  return wrong('local database', `lacks ${applied.missing.join(', ')}: \`npm start\` migrates it`)
}
