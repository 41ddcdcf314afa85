/** What the command line of an import asks for: which file, which column is what, and how it goes. */

import { nearestWord } from '../nearest-word.ts'
import type { CommandLine } from '../users/command-line.ts'
import { UsageProblem, UsersProblem } from '../users/problem.ts'
import { loadCheck } from './check-user.ts'
import { readFirebaseParameters } from './firebase.ts'
import { type Input, openInput, type Row } from './input.ts'
import { createMapping, type Mapped, override, type Pair, readFixed, readPair } from './mapping.ts'
import { presetOf } from './presets.ts'

/** For how long nothing may succeed before a run stops, and keeps its place. */
const PATIENCE_SECONDS = 300
const PARALLEL = 4
const MAX_PARALLEL = 32

export interface Plan {
  /** As it was typed. */
  readonly name: string
  readonly input: Input
  readonly map: (row: Row) => Mapped
  /** What decides what a row becomes: a run with other options is another import. */
  readonly identity: unknown
  /** Columns of the file that become nothing. */
  readonly unused: readonly string[]
  readonly isDryRun: boolean
  readonly restart: boolean
  readonly parallel: number
  readonly patienceMs: number
}

/** Throws `UsageProblem` and `UsersProblem`, before anything is sent. */
export async function readPlan(line: CommandLine, env: Readonly<NodeJS.Dict<string>>): Promise<Plan> {
  const [name = ''] = line.operands
  const [from, config, isDryRun] = [line.value('from'), line.value('firebase-config'), line.has('dry-run')]
  const parallel = wholeOf(line, 'parallel', PARALLEL, MAX_PARALLEL)
  const patienceMs = wholeOf(line, 'patience', PATIENCE_SECONDS, 86_400) * 1000
  const given = line.values('map').map(readPair)
  const fixed = line.values('set').map(readFixed)
  const preset = presetOf(from)
  if (config !== undefined && from !== 'firebase') throw new UsageProblem('--firebase-config is for --from firebase.')
  const project = { firebase: config === undefined ? null : readFirebaseParameters(config, env) }
  const input = await openInput(name, env)
  const pairs = override(preset.pairs, given)
  if (input.columns !== null) checkColumns(input.columns, pairs, given, name, fixed)

  const check = isDryRun ? await loadCheck() : null
  const mapping = createMapping(pairs, fixed, Math.floor(Date.now() / 1000))
  const map = (row: Row): Mapped => {
    const mapped = mapping(preset.prepare === undefined ? row : preset.prepare(row, project))
    if (check === null || !('user' in mapped)) return mapped
    const errors = { ...check(mapped.user), ...('errors' in mapped && mapped.errors) }
    return Object.keys(errors).length > 0 ? { user: mapped.user, errors } : mapped
  }
  return {
    name,
    input,
    map,
    identity: { from, map: line.values('map'), set: line.values('set'), isDryRun },
    unused: unusedOf(input.columns ?? [], pairs, given, preset.reads ?? []),
    isDryRun,
    restart: line.has('restart'),
    parallel,
    patienceMs,
  }
}

function wholeOf(line: CommandLine, option: 'parallel' | 'patience', otherwise: number, max: number): number {
  const text = line.value(option)
  if (text === undefined) return otherwise
  const value = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (value < 1 || value > max) throw new UsageProblem(`--${option} ${text} is no number from 1 to ${max}.`)
  return value
}

/** The first part of a way into a column, such as `raw_app_meta_data` of `raw_app_meta_data.role`. */
function columnOf(columns: readonly string[], theirs: string): string | undefined {
  return columns.find((column) => theirs === column || theirs.startsWith(`${column}.`))
}

/** A misspelled column would import every account without what it has. */
function checkColumns(
  columns: readonly string[],
  pairs: readonly Pair[],
  given: readonly Pair[],
  name: string,
  fixed: readonly Pair[],
): void {
  for (const { theirs } of given) {
    if (columnOf(columns, theirs) !== undefined) continue
    const near = nearestWord(theirs, columns)
    throw new UsersProblem(
      `${name} has no column ${theirs}${near === undefined ? `, but ${columns.join(', ')}` : `: did you mean ${near}?`}`,
    )
  }
  const names = new Set(['primary_email', 'guid', 'external_id'])
  const isNamed = [...pairs.filter(({ theirs }) => columnOf(columns, theirs) !== undefined), ...fixed].some(
    ({ ours }) => names.has(ours),
  )
  if (isNamed) return
  throw new UsersProblem(
    `${name} has no column that names an account, but ${columns.join(', ')}. Say which one does: --map COLUMN=primary_email`,
  )
}

function unusedOf(
  columns: readonly string[],
  pairs: readonly Pair[],
  given: readonly Pair[],
  read: readonly string[],
): readonly string[] {
  const used = new Set([...pairs, ...given].map(({ theirs }) => columnOf(columns, theirs)))
  return columns.filter((column) => !used.has(column) && !read.includes(column))
}
