/** docs/users.md and docs/import.md know every command, every system and every name; what they show runs in test/e2e/users.test.ts. */

import { expect, test } from 'vitest'

import { COMMANDS } from '../../../scripts/users/commands.ts'
import { readCommandLine } from '../../../scripts/users/command-line.ts'
import { TARGETS } from '../../../scripts/users-import/mapping.ts'
import { OWN_NAMES, type Preset, PRESETS } from '../../../scripts/users-import/presets.ts'
import { fenced, read, section, table } from '../../support/markdown.ts'
import { patternOf, shownCommands } from '../../support/shown-commands.ts'

const users = read('docs/users.md')
const imports = read('docs/import.md')

test('docs/users.md shows every command', () => {
  const shown = new Set(shownCommands(users).flatMap(({ line }) => /users -- ([a-z-]+)/.exec(line)?.[1] ?? []))
  const missing = Object.keys(COMMANDS).filter((name) => name !== 'import' && !shown.has(name))
  expect(missing).toEqual([])
})

test('every line for bash that calls the command can be read by it', () => {
  const lines =
    ['docs/users.md', 'docs/import.md']
      .flatMap((path) => fenced(read(path), 'bash'))
      .join('')
      .match(/(?<=^npm run users -- ).*/gm) ?? []
  expect(lines.length).toBeGreaterThan(2)
  for (const line of lines) expect(() => readCommandLine(line.split(' '))).not.toThrow()
})

test('docs/import.md has every name that a column may have, in the words of the code', () => {
  const rows = table(imports, '| name | what it is |').map(([name = '', words]) => [name.replaceAll('`', ''), words])
  expect(Object.fromEntries(rows)).toEqual(TARGETS)
})

test('docs/import.md imports from every system', () => {
  const systems = [...imports.matchAll(/--from ([a-z\d-]+)/g)].map(([, name]) => name)
  expect(new Set(systems)).toEqual(new Set(Object.keys(PRESETS)))
})

const GUIDES: Readonly<Record<string, { readonly preset: Preset; readonly header: string }>> = {
  '## From SimpleJWT': { preset: PRESETS.simplejwt, header: '| Django | becomes |' },
  '## From better-auth': { preset: PRESETS['better-auth'], header: '| better-auth | becomes |' },
  '## From Supabase': { preset: PRESETS.supabase, header: '| Supabase | becomes |' },
}

test.each(Object.entries(GUIDES))('%s has every column that is read', (heading, { preset, header }) => {
  const rows = table(section(imports, heading), header)
  const named = new Set(rows.flatMap(([cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name)))
  // What begins with a dollar is made of others; a second spelling of a column has no row of its own.
  const columns = [
    ...preset.pairs.map(({ theirs }) => theirs).filter((name) => !name.startsWith('$')),
    ...(preset.reads ?? []),
  ]
  expect(columns.filter((name) => !named.has(name) && !named.has(camel(name)))).toEqual([])
})

function camel(name: string): string {
  return name.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase())
}

test('the names that are known without --map stand in docs/import.md', () => {
  const text = section(imports, '## A file of your own')
  expect(OWN_NAMES.pairs.filter(({ theirs }) => !text.includes(`\`${theirs}\``))).toEqual([])
})

test('what a document shows is compared but for ids, times, ports and what an ellipsis stands for', () => {
  const shown =
    'guid 3b0e7a5e-0000-4000-8000-000000000001, 2026-11-29 18:41, in 1 s\n3b0e7a5e  staff  http://localhost:1 (…)'
  const pattern = patternOf(shown)
  expect(
    'guid 00000000-0000-4000-8000-00000000000a, 2031-01-02 03:04, in 17 s\na0000000  staff  http://localhost:8787 (no [route])',
  ).toMatch(pattern)
  expect(shown.replace('staff', 'other')).not.toMatch(pattern)
  expect(`${shown}\nmore`).not.toMatch(pattern)
  expect(shown.replace(' (', '\n(')).not.toMatch(pattern)
})
