/** Which column or field of an export is what of an account, and what becomes of a row. */

import { isLanguage } from '../../src/domain/language.ts'
import { nearestWord } from '../nearest-word.ts'
import { UsageProblem } from '../users/problem.ts'
import type { Row } from './input.ts'
import { parseJson } from './parse-json.ts'
import { BadValue, isEmpty, readObject, readText, readTime, readTruth, readTruthUntil } from './values.ts'

/** An account as `POST /admin/users/import` takes it. */
export type ImportedUser = Readonly<Record<string, unknown>>

/** Everything that a column may be. `claims.NAME` is one claim. */
export const TARGETS = {
  primary_email: 'its address',
  password_hash: 'its password, in a form of docs/password-hashes.md; one that begins with ! is none',
  guid: 'its guid',
  external_id: 'what the other system calls it',
  group: 'its group',
  claims: 'claims of its own, as a JSON object',
  active: 'whether it may sign in',
  disabled: 'the opposite; also a time until which it may not sign in',
  confirmed: 'whether its address is confirmed: also a time; where the cell is empty, it is not',
  language: 'the language of its mails; other ones than en and ru are left out',
  time_zone: 'the zone of times in its mails',
  created_at: 'when it was made: seconds or milliseconds since 1970, or ISO 8601',
  deleted: 'a row that has anything but false here is left out',
} as const satisfies Readonly<Record<string, string>>

export type TargetName = keyof typeof TARGETS

export interface Pair {
  readonly theirs: string
  /** A name of `TARGETS`, or `claims.NAME`. */
  readonly ours: string
}

/** What a row becomes: an account to send, one that is left out, or the faults of its fields. */
export type Mapped =
  | { readonly user: ImportedUser }
  | { readonly leftOut: true }
  | { readonly errors: Readonly<Record<string, readonly string[]>>; readonly user: ImportedUser }

/** Reads `THEIRS=OURS`; nothing behind the sign takes a column out. Throws `UsageProblem`. */
export function readPair(text: string): Pair {
  const sign = text.lastIndexOf('=')
  if (sign < 1) throw new UsageProblem(`--map ${text} is no THEIRS=OURS, such as --map e_mail=primary_email`)
  const [theirs, ours] = [text.slice(0, sign).trim(), text.slice(sign + 1).trim()]
  if (ours !== '') checkTarget(ours)
  return { theirs, ours }
}

/** Reads `OURS=VALUE`. Throws `UsageProblem`. */
export function readFixed(text: string): Pair {
  const sign = text.indexOf('=')
  if (sign < 1) throw new UsageProblem(`--set ${text} is no OURS=VALUE, such as --set group=staff`)
  const ours = text.slice(0, sign).trim()
  checkTarget(ours)
  const value = text.slice(sign + 1)
  try {
    if (!isEmpty(value)) READERS[ours]?.(value, 0)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new UsageProblem(`--set ${text}: the value ${error.message}`)
  }
  return { theirs: value, ours }
}

function checkTarget(ours: string): void {
  if (Object.hasOwn(TARGETS, ours) || isClaim(ours)) return
  const near = nearestWord(ours, Object.keys(TARGETS))
  const hint =
    near === undefined ? `, but ${Object.keys(TARGETS).join(', ')} or claims.NAME` : `: did you mean ${near}?`
  throw new UsageProblem(`${ours} is nothing of an account${hint}`)
}

/** Whether a name is that of one claim: `claims.NAME`. */
export function isClaim(name: string): boolean {
  return /^claims\.[^.]+$/.test(name)
}

/** The claims that fields are named after, but for those that an operator gave another name, or took out. */
export function namedClaims(fields: readonly string[], given: readonly Pair[]): readonly Pair[] {
  const names = fields.filter((name) => isClaim(name) && !given.some(({ theirs }) => theirs === name))
  return names.map((name) => ({ theirs: name, ours: name }))
}

/** The pairs of a preset, with those that an operator gave in their place: for the same column, or for the same field. */
export function override(preset: readonly Pair[], given: readonly Pair[]): readonly Pair[] {
  const kept = preset.filter(
    ({ theirs, ours }) => !given.some((one) => one.theirs === theirs || (one.ours === ours && one.ours !== '')),
  )
  return [...given.filter(({ ours }) => ours !== ''), ...kept]
}

/** Makes an account of each row. `pairs` may differ between rows; `fixed` stands in for what a row does not say. */
export function createMapping(
  pairs: readonly Pair[] | ((row: Row) => readonly Pair[]),
  fixed: readonly Pair[],
  now: number,
): (row: Row) => Mapped {
  return (row) => {
    const user: Record<string, unknown> = {}
    const claims: Record<string, unknown> = {}
    const errors: Record<string, string[]> = {}
    let isLeftOut = false

    function put(ours: string, value: unknown): void {
      if (value === undefined) return
      if (ours.startsWith('claims.')) {
        if (!isEmpty(value)) putClaims({ [ours.slice('claims.'.length)]: value })
      } else if (ours === 'deleted') {
        isLeftOut ||= !isEmpty(value) && readTruth(value)
      } else if (ours === 'claims') {
        if (!isEmpty(value)) putClaims(readObject(value))
      } else if (ours === 'active' || ours === 'disabled') {
        // Of several columns that close an account, one is enough.
        if (!isEmpty(value)) user['active'] = user['active'] !== false && READERS[ours]?.(value, now)
      } else {
        // Of several columns for one field, the first that says something counts.
        user[ours] ??= isEmpty(value) ? EMPTY[ours] : READERS[ours]?.(value, now)
      }
    }

    /** Of several values for one claim, the first counts: what an operator set comes behind what a row says. */
    function putClaims(more: Readonly<Record<string, unknown>>): void {
      for (const [name, value] of Object.entries(more)) if (!Object.hasOwn(claims, name)) claims[name] = value
    }

    for (const pair of typeof pairs === 'function' ? pairs(row) : pairs) {
      try {
        put(pair.ours, lookUp(row, pair.theirs))
      } catch (error) {
        if (!(error instanceof BadValue)) throw error
        const field = pair.ours === pair.theirs ? pair.ours : `${pair.ours} (${pair.theirs})`
        ;(errors[field] ??= []).push(error.message)
      }
    }
    const said = { ...user }
    for (const { ours, theirs: value } of fixed) {
      if (said[ours === 'disabled' ? 'active' : ours] === undefined) put(ours, value)
    }
    if (Object.keys(claims).length > 0) user['claims'] = claims
    if (isLeftOut) return { leftOut: true }
    return Object.keys(errors).length > 0 ? { errors, user } : { user }
  }
}

/** What an empty cell means where it is not nothing. */
const EMPTY: Readonly<Record<string, unknown>> = { confirmed: false }

const READERS: Readonly<Record<string, (value: unknown, now: number) => unknown>> = {
  primary_email: readText,
  // Django writes ! for a password that nobody has, and PostgreSQL's roles write * or !.
  password_hash: (value) => (/^[!*]/.test(readText(value)) ? undefined : readText(value)),
  guid: (value) => readText(value).toLowerCase(),
  external_id: readText,
  group: readText,
  claims: readObject,
  deleted: readTruth,
  active: readTruth,
  disabled: (value, now) => !readTruthUntil(value, now),
  confirmed: readTruth,
  language: (value) => {
    const [code = ''] = readText(value).toLowerCase().split(/[-_]/)
    return isLanguage(code) ? code : undefined
  },
  time_zone: readText,
  created_at: readTime,
}

/** A field by its name, or by its way: `app_metadata.role`. A text on the way is read as JSON, as CSV has it. */
export function lookUp(row: Row, name: string): unknown {
  if (Object.hasOwn(row, name)) return row[name]
  let value: unknown = row
  const steps = name.split('.')
  for (const [i, step] of steps.entries()) {
    const object: unknown = typeof value === 'string' ? parseObject(value) : value
    if (typeof object !== 'object' || object === null) return undefined
    const rest = steps.slice(i).join('.')
    if (Object.hasOwn(object, rest)) return (object as Row)[rest]
    if (!Object.hasOwn(object, step)) return undefined
    value = (object as Row)[step]
  }
  return value
}

function parseObject(text: string): unknown {
  if (!text.trimStart().startsWith('{')) return undefined
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}
