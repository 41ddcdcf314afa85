/** CONTRIBUTING.md leads a newcomer to files and commands that there are. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { DOCUMENTS, read, ROOT, section, table } from '../../support/markdown.ts'

const contributing = read('CONTRIBUTING.md')
const changes = table(contributing, '| to change | open | then |')

/** Whatever stands between backticks and has a slash or an ending is a path of this repository. */
function pathsIn(text: string): readonly string[] {
  const code = [...text.matchAll(/`([^`\s]+)`/g)].map(([, word = '']) => word)
  return code.filter((word) => /\/|\.(ts|md|toml)$/.test(word))
}

/** The twelve everyday changes, each with what the file that is opened for it must have; a folder has no such words. */
const SIGNS: Readonly<Record<string, RegExp | null>> = {
  'a cookie attribute': /sameSite: /,
  'a location policy': /const LOCATION_POLICIES =/,
  'a kind of mail': /location_blocked/,
  'a route': null,
  'a lifetime': /function firstExpiry/,
  'a column': /sqliteTable\(/,
  'a mail transport': /\bTransport\b/,
  'an error': /const ERRORS =/,
  'a proof at refresh': /interface Caller\b/,
  'a way to register': null,
  'a method of the service binding': /interface TokenServiceBinding/,
  'a second database': /env\.DB\b/,
}

test('the table of changes has the twelve everyday ones', () => {
  expect(changes.map(([change]) => change)).toEqual(Object.keys(SIGNS))
})

test.each(changes.map(([change = '', open = '']) => [change, open]))(
  'for %s one opens a file that has it',
  (change, open) => {
    const [path = '', ...others] = pathsIn(open)
    expect([path !== '', others]).toEqual([true, []])
    const sign = SIGNS[change] ?? null
    expect(path.endsWith('/')).toBe(sign === null)
    if (sign !== null) expect(read(path)).toMatch(sign)
  },
)

test('every file and folder that the table of changes names is there', () => {
  const paths = pathsIn(section(contributing, '## Where a change goes')).filter((path) => path !== 'accounts.ts')
  expect(paths.length).toBeGreaterThan(20)
  // A test is named by its file alone: it goes where its noun goes.
  const known = paths.filter((path) => !path.endsWith('.test.ts') || path.includes('/'))
  expect(known.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
})

const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> }

test('the table of commands has every script of package.json but the parts of npm run check', () => {
  const commands = table(contributing, '| command | |').map(
    ([command = '']) => /^`npm (?:run )?([\w:-]+)/.exec(command)?.[1],
  )
  expect(new Set(commands)).toEqual(new Set(Object.keys(scripts).filter((name) => !name.startsWith('check:'))))
})

test.each(DOCUMENTS)('%s names only scripts that package.json has', (path) => {
  const named = [...read(path).matchAll(/\bnpm run ([a-z][\w:-]*)/g)].map(([, name = '']) => name)
  expect(named.filter((name) => !(name in scripts))).toEqual([])
})

test('every command of package.json runs on the Node of the lock file', () => {
  const direct = Object.entries(scripts).filter(([, line]) => !/^(exec )?node scripts\/launch\.mjs '/.test(line))
  expect(direct).toEqual([])
})
