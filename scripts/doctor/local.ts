/** What is wrong on this machine, before `npm start`, `npm test` or a deploy meets it. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

import { unstable_readConfig } from 'wrangler'

import { checkConfiguration } from '../configuration.ts'
import { findProblem, findStrangers } from '../configuration-problems.ts'
import { readLocalDatabase } from '../local-database.ts'
import { APPLIED_MIGRATIONS, missingMigrations } from '../migrations.ts'
import { newSecret } from '../new-secret.ts'
import { root, runWrangler } from '../wrangler.ts'
import { type Finding, ok, wrong } from './finding.ts'

/** Looks at Node, the configuration of the deployed and of the local Worker, and the local database. */
export async function examineLocal(): Promise<readonly Finding[]> {
  return [ok('Node', process.versions.node), ...examineDefaults(), ...examineDevVars(), await examineDatabase()]
}

/** Checks wrangler.toml by itself, as a deploy uploads it. A random secret stands in for those that are kept elsewhere. */
function examineDefaults(): readonly Finding[] {
  const { vars } = unstable_readConfig({ config: join(root, 'wrangler.toml') }, { hideWarnings: true })
  const sources = { 'wrangler.toml': vars }
  const secrets = { AUTH_SECRET: newSecret() }
  return toFindings('wrangler.toml', findProblem({ secrets, ...sources }), findStrangers(sources))
}

function examineDevVars(): readonly Finding[] {
  if (!existsSync(join(root, '.dev.vars'))) return [wrong('.dev.vars', 'is missing: `npm start` writes it')]
  const { problem, hints } = checkConfiguration([])
  // Hints about wrangler.toml are among the findings of `examineDefaults`.
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
  const applied = await readApplied()
  if (typeof applied === 'string') return wrong('local database', applied)
  const missing = missingMigrations(applied)
  if (missing.length === 0) return ok('local database', 'migrated')
  return wrong('local database', `lacks ${missing.join(', ')}: \`npm start\` migrates it`)
}

/** The migrations that the local database has seen: read from its file or, where that fails, by wrangler, which takes seconds. A text is wrangler's error. */
async function readApplied(): Promise<readonly unknown[] | string> {
  try {
    const rows = await readLocalDatabase([], (database) => database.prepare(APPLIED_MIGRATIONS).all())
    return rows?.map(({ name }) => name) ?? []
  } catch {
    const command = ['d1', 'execute', 'DB', '--local', '--json', '--command', APPLIED_MIGRATIONS]
    const { ok: read, output } = await runWrangler(command, false)
    if (read) return output.match(/\b\d{4}_[\w-]+\.sql\b/g) ?? []
    return output.includes('no such table') ? [] : explainWrangler(output)
  }
}

/** The error that wrangler printed, in one line. */
function explainWrangler(output: string): string {
  const text = stripVTControlCharacters(output).replace(/\s+/g, ' ').trim()
  const said = /\[ERROR\] (.*?)(?: \[code|$)/.exec(text)?.[1] ?? text
  return `wrangler failed: ${said.slice(0, 200)}`
}
