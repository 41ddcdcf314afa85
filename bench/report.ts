/** What a run found, as a table for people and as JSON for programs. */

import type { Spread } from './statistics.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  readonly workerd: string
}

/** One operation of one Worker: medians over the rounds, but for the spread. */
export interface OperationRow {
  readonly key: string
  readonly label: string
  readonly operationsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMs: Spread
}

export interface TargetRow {
  readonly what: string
  readonly against: string
  readonly value: Spread
  /** CPU beyond the floor, in milliseconds an operation; `null` where the value is no ratio of two. */
  readonly beyondMs: number | null
  readonly unit: '×' | 'KiB' | 'ms'
  /** The target; `null` for a row without one. */
  readonly limit: number | null
}

export interface RunReport {
  readonly at: string
  readonly quick: boolean
  readonly machine: Machine
  readonly rounds: number
  readonly secondsPerSample: number
  /** Samples that were taken again, and those that other programs disturbed to the end. */
  readonly retaken: number
  readonly disturbed: number
  readonly notes: readonly string[]
  readonly operations: readonly OperationRow[]
  readonly targets: readonly TargetRow[]
}

export function isMet({ value, limit }: TargetRow): boolean | null {
  return limit === null ? null : value.median <= limit
}

/** The report in Markdown. */
export function renderReport(report: RunReport): string {
  const { machine, operations, targets, rounds, secondsPerSample, retaken, disturbed, notes } = report
  const measured = operations.map((row) => [
    row.label,
    row.operationsPerSecond.toFixed(0),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.cpuMs.median.toFixed(3),
    `${row.cpuMs.low.toFixed(3)} – ${row.cpuMs.high.toFixed(3)}`,
  ])
  const judged = targets.map((row) => {
    const digits = row.unit === '×' ? 3 : 1
    const met = isMet(row)
    return [
      row.what,
      row.against,
      `${row.value.median.toFixed(digits)} ${row.unit}`,
      row.value.low === row.value.high ? '' : `${row.value.low.toFixed(digits)} – ${row.value.high.toFixed(digits)}`,
      row.beyondMs === null ? '' : signed(row.beyondMs),
      row.limit === null ? '' : `${row.limit} ${row.unit}`,
      met === null ? '' : met ? 'met' : 'MISSED',
    ]
  })
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB.toFixed(0)} GiB, ${machine.kernel}; Node ${machine.node}, workerd ${machine.workerd}; ${report.at}`,
    `${rounds} rounds of ${secondsPerSample} s a sample; ${retaken} samples taken again because other programs ran, ${disturbed} disturbed all the same${report.quick ? '; a quick run' : ''}`,
    table(['operation', 'ops/s', 'p50 ms', 'p99 ms', 'CPU ms', 'middle half'], measured),
    table(['target', 'against', 'median', 'middle half', 'CPU beyond, ms', 'at most', ''], judged),
    ...(notes.length === 0 ? [] : [notes.map((note) => `- ${note}`).join('\n')]),
  ].join('\n\n')
}

function signed(ms: number): string {
  return `${ms < 0 ? '−' : '+'}${Math.abs(ms).toFixed(3)}`
}

/** Columns line up in the source, too: it is read in a terminal. Only the first two are text. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (isText(header, i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (isText(header, i) ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(header), rule, ...rows.map(line)].join('\n')
}

function isText(header: readonly string[], i: number): boolean {
  return i === 0 || header[i] === 'against' || header[i] === ''
}
