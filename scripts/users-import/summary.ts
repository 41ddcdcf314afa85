/** What an import came to, for people. */

import { printable } from '../users/printable.ts'
import type { Refusal } from './batches.ts'
import { durationOf, numberOf } from './progress-bar.ts'
import type { Counts } from './progress-file.ts'

export interface Outcome {
  readonly file: string
  readonly counts: Counts
  readonly first: readonly Refusal[]
  readonly rejected: string
  readonly seconds: number
  readonly isDryRun: boolean
}

export function summaryOf({ file, counts, first, rejected, seconds, isDryRun }: Outcome): string {
  const numbers: readonly (readonly [number, string])[] = [
    [counts.created, isDryRun ? 'good' : 'created'],
    [counts.exists, 'exist already, and stay as they are'],
    [counts.leftOut, 'left out: deleted there'],
    [counts.refused, `refused, each named in ${rejected}`],
  ]
  const shown = numbers.filter(([count], i) => count > 0 || i === 0)
  const width = Math.max(...shown.map(([count]) => numberOf(count).length))
  const named = first.map((refusal) => `${' '.repeat(width + 4)}${lineOf(refusal)}`)
  const more = counts.refused > first.length && first.length > 0 ? [`${' '.repeat(width + 4)}…`] : []
  return [
    `${file}: ${numberOf(counts.rows)} ${counts.rows === 1 ? 'row' : 'rows'} in ${durationOf(seconds)}${isDryRun ? ', only checked' : ''}`,
    ...shown.map(([count, words]) => `  ${numberOf(count).padStart(width)} ${words}`),
    ...named,
    ...more,
  ].join('\n')
}

/** `line 17: primary_email Invalid email address`; of an array `line 1, row 17: …`. */
export function lineOf({ line, row, errors }: Refusal): string {
  const reasons = Object.entries(errors).map(
    ([field, texts]) => `${field === 'row' ? '' : `${field} `}${texts.join(', ')}`,
  )
  return printable(`line ${line}${row === undefined ? '' : `, row ${row}`}: ${reasons.join('; ')}`)
}
