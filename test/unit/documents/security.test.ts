/** docs/security.md names a test for what it promises, and leaves no row of the lists out. */

import { expect, test } from 'vitest'

import { filesWithTest, read } from '../../support/markdown.ts'

const document = read('docs/security.md')
const rows = document.split('\n').filter((line) => /^\| (?!---|who,|what leaked|row|section)/.test(line))
const proofs = [...document.matchAll(/`([\w/-]+\.test\.ts)`: (.+?)(?=\. [A-Z]| \|$)/gm)]

test('names a test in most of its rows', () => {
  expect(rows.length).toBeGreaterThan(80)
  expect(proofs.length).toBeGreaterThan(50)
})

test.each(proofs.map(([, file, title]) => [file, title]))('has a proof that there is: %s: %s', (file, title = '') => {
  expect(filesWithTest(title)).toContain(file)
})

/** How many requirements of levels 1 and 2 each section of ASVS 5.0 has: they come first, those of level 3 after them. */
const ASVS: readonly (readonly [section: string, count: number])[] = [
  ['6.1', 3],
  ['6.2', 12],
  ['6.3', 4],
  ['6.4', 4],
  ['7.1', 3],
  ['7.2', 4],
  ['7.3', 2],
  ['7.4', 5],
  ['7.5', 2],
  ['9.1', 3],
  ['9.2', 4],
  ['10.1', 2],
  ['10.3', 4],
  ['10.4', 11],
]

/** The numbers of the rows below a heading. */
function numbersOf(heading: string): readonly string[] {
  const part = document.split(/^## /m).find((text) => text.startsWith(heading)) ?? ''
  const cells = part.match(/(?<=^\| )\d[\d., to]*\d/gm) ?? []
  return cells.flatMap((cell) => cell.split(', ').flatMap(expand)).toSorted()
}

test('has every row of the lists once', () => {
  const all = ASVS.flatMap(([section, count]) => range(section, 1, count))

  expect(numbersOf('OWASP ASVS')).toEqual(all.toSorted())
  expect(numbersOf('RFC 8725')).toEqual(range('3', 1, 12).toSorted())
})

test('says of every row that has no test why it has none', () => {
  const checklist = document.slice(document.indexOf('## OWASP'))
  const lists = checklist.split('\n').filter((line) => /^\| \d/.test(line))
  expect(lists.length).toBeGreaterThan(50)
  expect(
    lists.filter((line) => !/\.test\.ts`|\bnot (met|applicable)\b|met by construction|as 3\.8|see ASVS/.test(line)),
  ).toEqual([])
})

/** "6.2.1 to 6.2.5" as its five numbers. */
function expand(numbers: string): readonly string[] {
  const [from = '', to = from] = numbers.split(' to ')
  const section = from.slice(0, from.lastIndexOf('.'))
  return range(section, lastPart(from), lastPart(to))
}

function range(section: string, from: number, to: number): readonly string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${section}.${from + i}`)
}

function lastPart(number: string): number {
  return Number(number.slice(number.lastIndexOf('.') + 1))
}
