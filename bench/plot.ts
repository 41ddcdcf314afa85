/** Throughput and CPU an operation as an SVG that can be read on light and on dark pages. */

import type { OperationRow } from './report.ts'

const ROW = 22
const LABELS = 260
const PANEL = 300
const VALUES = 70
const TOP = 56

/** One bar an operation, in two panels; Tessera's are filled, floors are outlined. */
export function plot(rows: readonly OperationRow[], isFloor: (row: OperationRow) => boolean): string {
  const width = LABELS + 2 * (PANEL + VALUES) + 20
  const height = TOP + rows.length * ROW + 16
  const panels = [
    { x: LABELS, title: 'operations a second', of: (row: OperationRow) => row.operationsPerSecond, digits: 0 },
    {
      x: LABELS + PANEL + VALUES,
      title: 'CPU an operation, ms',
      of: (row: OperationRow) => row.cpuMs.median,
      digits: 2,
    },
  ]
  const bars = panels.flatMap(({ x, of, digits }) => {
    const scale = logScale(rows.map(of))
    return rows.map((row, i) => {
      const length = scale(of(row)) * PANEL
      const y = TOP + i * ROW
      const kind = isFloor(row) ? 'floor' : 'own'
      return (
        `<rect class="${kind}" x="${x}" y="${y + 4}" width="${length.toFixed(1)}" height="${ROW - 8}" rx="2"/>` +
        `<text x="${(x + length + 6).toFixed(1)}" y="${y + 15}">${of(row).toFixed(digits)}</text>`
      )
    })
  })
  const labels = rows.map(
    (row, i) =>
      `<text class="${isFloor(row) ? 'muted' : ''}" x="${LABELS - 10}" y="${TOP + i * ROW + 15}" text-anchor="end">${escape(row.label)}</text>`,
  )
  const titles = panels.map(({ x, title }) => `<text class="title" x="${x}" y="${TOP - 12}">${title}</text>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Throughput and CPU an operation, Tessera and its floors">
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.muted { fill: #6e7781 }
.own { fill: #0969da }
.floor { fill: none; stroke: #8c959f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .muted { fill: #8b949e }
  .own { fill: #4493f8 }
  .floor { stroke: #6e7681 }
}
</style>
<text class="title" x="${LABELS - 10}" y="20" text-anchor="end">Tessera and its floors</text>
<text class="muted" x="${LABELS}" y="20">filled: Tessera · outlined: floors · logarithmic, medians of the rounds</text>
${[...titles, ...labels, ...bars].join('\n')}
</svg>
`
}

/** From values to shares of the panel. A hash takes hundreds of times what a text takes, so lengths are logarithms. */
function logScale(values: readonly number[]): (value: number) => number {
  const low = Math.log10(Math.min(...values)) - 0.3
  const high = Math.log10(Math.max(...values))
  return (value) => (Math.log10(value) - low) / (high - low)
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
