/** What is wrong on this machine, before `npm start`, `npm test` or a deploy meets it. */

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { unstable_readConfig } from 'wrangler'

import { checkConfiguration } from '../configuration.ts'
import { findProblem, findStrangers } from '../configuration-problems.ts'
import { root } from '../wrangler.ts'
import { type Finding, ok, wrong } from './finding.ts'
import { findMissingMigrations } from './migrations.ts'
import { explainWrangler } from './wrangler-error.ts'

/** Looks at Node, the configuration of the deployed and of the local Worker, and the local database. */
export async function examineLocal(): Promise<readonly Finding[]> {
  return [ok('Node', process.versions.node), ...examineDefaults(), ...examineDevVars(), await examineDatabase()]
}

/** wrangler.toml by itself is what a deploy uploads; its secrets are elsewhere, and taken for good ones. */
function examineDefaults(): readonly Finding[] {
  const { vars } = unstable_readConfig({ config: join(root, 'wrangler.toml') }, { hideWarnings: true })
  const sources = { 'wrangler.toml': vars }
  const secrets = { AUTH_SECRET: randomBytes(32).toString('base64') }
  return toFindings('wrangler.toml', findProblem({ secrets, ...sources }), findStrangers(sources))
}

function examineDevVars(): readonly Finding[] {
  if (!existsSync(join(root, '.dev.vars'))) return [wrong('.dev.vars', 'is missing: `npm start` writes it')]
  const { problem, hints } = checkConfiguration([])
  // What is wrong with wrangler.toml was said already.
  return toFindings(
    '.dev.vars',
    problem,
    hints.filter((hint) => !hint.includes(' in wrangler.toml ')),
  )
}

function toFindings(part: string, problem: string | undefined, hints: readonly string[]): readonly Finding[] {
  const problems = problem === undefined ? [] : [problem.replace(/^Configuration: /, '')]
  const findings = [...problems, ...hints].map((line) => wrong(part, line))
  return findings.length > 0 ? findings : [ok(part)]
}

async function examineDatabase(): Promise<Finding> {
  const applied = await findMissingMigrations(['--local'])
  if ('failure' in applied) return wrong('local database', explainWrangler(applied.failure))
  if (applied.missing.length === 0) return ok('local database', 'migrated')
  return wrong('local database', `lacks ${applied.missing.join(', ')}: \`npm start\` migrates it`)
}
