/** docs/performance.md: the numbers of the last run are those that its JSON has, and its plot is drawn from the same. */

import { expect, test } from 'vitest'

import { plot } from '../../../bench/plot.ts'
import { renderReport, type RunReport } from '../../../bench/report.ts'
import { read } from '../../support/markdown.ts'

const document = read('docs/performance.md')
const report = JSON.parse(read('bench/results/last.json')) as RunReport

test('shows the last run to the digit, missed targets included', () => {
  const shown = /^<!-- last run -->\n\n([^]*?)\n\n<!-- end of last run -->$/m.exec(document)?.[1]
  expect(shown).toBe(renderReport(report))
})

test('shows a whole run, and not a quick one', () => {
  expect([report.quick, report.operations.length > 10, report.targets.length > 10]).toEqual([false, true, true])
})

test('has the plot of that run', () => {
  expect(read('bench/results/last.svg')).toBe(plot(report.operations, ({ key }) => key.startsWith('F')))
})
