/** The columns and fields of a file that become nothing: an operator is told of each, since one of them may close an account. */

import { isClaim, type Pair } from './mapping.ts'
import type { Preset } from './presets.ts'

/** So many fields are told of at most: in objects whose keys are ids, each row has others. */
const MAX_NAMES = 50

export interface Unused {
  /** Takes the fields of a row, which may have others than those before it. */
  readonly see: (fields: readonly string[]) => void
  /** Those that were not told of yet. */
  readonly tell: () => readonly string[]
}

/** The first part of a way into a column, such as `raw_app_meta_data` of `raw_app_meta_data.role`. */
export function columnOf(columns: readonly string[], theirs: string): string | undefined {
  return columns.find((column) => theirs === column || theirs.startsWith(`${column}.`))
}

/** Collects what neither `pairs` nor a preset reads: of a CSV its columns at once, of JSON the fields of each row. */
export function createUnused(
  pairs: readonly Pair[],
  { reads = [], namesClaims }: Preset,
  columns: readonly string[] | null,
): Unused {
  const isUsed = (name: string) =>
    reads.includes(name) ||
    pairs.some(({ theirs }) => columnOf([name], theirs) !== undefined) ||
    (columns === null && namesClaims === true && isClaim(name))
  const names = new Set<string>()
  const checked = new Set<string>()
  let told = 0

  function see(fields: readonly string[]): void {
    for (const field of fields) {
      if (checked.has(field) || (columns === null && names.size > MAX_NAMES)) continue
      checked.add(field)
      if (!isUsed(field)) names.add(columns === null && names.size === MAX_NAMES ? '…' : field)
    }
  }

  see(columns ?? [])
  return {
    see,
    tell() {
      const fresh = [...names].slice(told)
      told = names.size
      return fresh
    },
  }
}
