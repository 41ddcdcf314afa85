/** What the command line of an import asks for: which file, which column is what, and how it goes. */

import { nearestWord } from '../nearest-word.ts'
import type { CommandLine } from '../users/command-line.ts'
import { UsageProblem, UsersProblem } from '../users/problem.ts'
import { loadCheck } from './check-user.ts'
import { readFirebaseParameters } from './firebase.ts'
import { type Input, openInput, type Row } from './input.ts'
import { createMapping, type Mapped, namedClaims, override, type Pair, readFixed, readPair } from './mapping.ts'
import { HASH_OF_FIREBASE, presetOf } from './presets.ts'
import { columnOf, createUnused, type Unused } from './unused.ts'

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
  /** What of the file becomes nothing. */
  readonly unused: Unused
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
  const hasPasswords = !given.some(({ theirs, ours }) => theirs === HASH_OF_FIREBASE && ours === '')
  if (from === 'firebase' && config === undefined && hasPasswords) {
    throw new UsageProblem(
      `--from firebase needs --firebase-config FILE: docs/import.md says where it is from. --map ${HASH_OF_FIREBASE}= brings nobody's password along.`,
    )
  }
  const project = { firebase: config === undefined || !hasPasswords ? null : readFirebaseParameters(config, env) }
  const input = await openInput(name, env)
  const claimsOf = (fields: readonly string[]) => (preset.namesClaims ? namedClaims(fields, given) : [])
  const known = override(preset.pairs, given)
  const pairs = [...known, ...claimsOf(input.columns ?? [])]
  if (input.columns !== null) checkColumns(input.columns, pairs, given, name, fixed)

  const check = isDryRun ? await loadCheck() : null
  const pairsOf = input.columns === null ? (row: Row) => [...known, ...claimsOf(Object.keys(row))] : pairs
  const mapping = createMapping(pairsOf, fixed, Math.floor(Date.now() / 1000))
  const unused = createUnused([...pairs, ...given], preset, input.columns)
  const map = (row: Row): Mapped => {
    const prepared = preset.prepare === undefined ? row : preset.prepare(row, project)
    unused.see(Object.keys(prepared))
    const mapped = mapping(prepared)
    const refused = preset.refuse?.(row) ?? null
    if (refused !== null) return { errors: { row: [refused] }, user: 'user' in mapped ? mapped.user : {} }
    if (check === null || !('user' in mapped)) return mapped
    const errors = { ...check(mapped.user), ...('errors' in mapped && mapped.errors) }
    return Object.keys(errors).length > 0 ? { user: mapped.user, errors } : mapped
  }
  return {
    name,
    input,
    map,
    identity: { from, config, map: line.values('map'), set: line.values('set'), isDryRun },
    unused,
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
