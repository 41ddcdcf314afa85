/** Rows in aligned columns. On a terminal they fit its width; in a pipe nothing is cut, since somebody may look for it there. */

import type { Paint } from './paint.ts'
import { cut, pad, printable, widthOf } from './printable.ts'

const GAP = '  '
/** No column is cut to less. */
const MIN_WIDTH = 8

export interface Column {
  readonly title: string
  /** Whether it may be cut where the terminal is narrow. */
  readonly shrinks?: boolean
}

/** The table as text, without a line break at its end. `width` is that of the terminal; undefined in a pipe. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width, paint }: { readonly width: number | undefined; readonly paint: Paint },
): string {
  const cells = rows.map((row) => columns.map((_column, i) => printable(row[i] ?? '')))
  const wanted = columns.map(({ title }, i) =>
    cells.reduce((widest, row) => Math.max(widest, widthOf(row[i] ?? '')), widthOf(title)),
  )
  const widths = width === undefined ? wanted : shrink(columns, wanted, width)
  const lineOf = (row: readonly string[]) =>
    row
      .map((cell, i) => pad(cut(cell, widths[i] ?? 0), widths[i] ?? 0))
      .join(GAP)
      .trimEnd()
  const head = lineOf(columns.map(({ title }) => title))
  return [paint('dim', head), ...cells.map(lineOf)].join('\n')
}

/** Takes what is too much from the widest columns that may shrink. */
function shrink(columns: readonly Column[], wanted: readonly number[], width: number): readonly number[] {
  const widths = [...wanted]
  let excess = widths.reduce((sum, one) => sum + one, 0) + GAP.length * (columns.length - 1) - width
  while (excess > 0) {
    const widest = widths.reduce(
      (best, one, i) => (columns[i]?.shrinks === true && one > Math.max(MIN_WIDTH, widths[best] ?? 0) ? i : best),
      -1,
    )
    if (widest < 0) break
    widths[widest] = (widths[widest] ?? 0) - 1
    excess--
  }
  return widths
}
