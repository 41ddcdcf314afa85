/** docs/testing.md: its code is that of the example, its tables are what the kit has, and its settings are ones that the kit takes. */

import { expect, test } from 'vitest'

import { LINKS } from '../../../src/domain/mails/links.ts'
import { KEPT_SETTINGS, SETTINGS } from '../../../src/testing/settings.ts'
import { fenced, read, section, table } from '../../support/markdown.ts'

const document = read('docs/testing.md')
const source = read('src/testing/testing.ts')

/** The names in a column of a table, in the order of its rows. */
function named(rows: readonly (readonly string[])[], pattern: RegExp, column = 0): readonly string[] {
  return rows.flatMap((row) => row[column]?.match(pattern) ?? [])
}

test('shows the test of the example as it is, in five lines', () => {
  const [shown = ''] = fenced(section(document, '## A signed-in page'), 'ts')
  expect(read('examples/testing/page.test.ts')).toContain(shown)
  const [, body = ''] = /=> \{\n(.*)\n\}\)/s.exec(shown) ?? []
  expect(body.split('\n')).toHaveLength(5)
})

test('has every function of a Tessera, in the order of its type', () => {
  const [, type = ''] = /^export interface Tessera \{\n(.*?)^\}/ms.exec(source) ?? []
  const members = [...type.matchAll(/^ {2}readonly (\w+):/gm)].map(([, name]) => name)
  const rows = table(section(document, '## What there is'), '| | what it does |')
  expect(new Set(named(rows, /(?<=^`)\w+/g))).toEqual(new Set(members))
})

test('names settings that the kit takes, and all that it keeps', () => {
  const part = section(document, '## Settings')
  const shown =
    fenced(part, 'js')
      .join('\n')
      .match(/[A-Z]+_[A-Z_]+/g) ?? []
  expect(shown.length).toBeGreaterThan(2)
  expect(shown.filter((name) => !SETTINGS.some((one) => one === name))).toEqual([])
  const kept = named(table(part, '| setting | why |'), /(?<=`)[A-Z_]+(?=`)/g)
  expect(kept.toSorted()).toEqual(Object.keys(KEPT_SETTINGS).toSorted())
})

test('has every link of a mail', () => {
  const links = named(table(section(document, '## Mails'), '| link | in the mail to |'), /(?<=`)\w+(?=`)/g)
  expect(links.toSorted()).toEqual(Object.keys(LINKS).toSorted())
})

test('has every request of the process', () => {
  const handled = [...read('src/testing/http.ts').matchAll(/case '([A-Z]+ \/\w+)'/g)].map(([, request]) => request)
  const rows = table(section(document, '## From another language'), '| request | body, each part optional | answer |')
  expect(named(rows, /(?<=^`)[A-Z]+ \/\w+/g)).toEqual(handled)
})
