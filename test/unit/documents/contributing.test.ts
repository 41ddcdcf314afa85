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

test('the table of changes has the twelve everyday ones, and a file or a folder to open for each', () => {
  expect(changes.map(([change]) => change)).toEqual([
    'a cookie attribute',
    'a location policy',
    'a kind of mail',
    'a route',
    'a lifetime',
    'a column',
    'a mail transport',
    'an error',
    'a proof at refresh',
    'a way to register',
    'an RPC method',
    'a second database',
  ])
  expect(changes.filter(([, open = '']) => pathsIn(open).length !== 1)).toEqual([])
})

test('every file and folder that the table of changes names is there', () => {
  const paths = pathsIn(section(contributing, '## Where a change goes')).filter((path) => path !== 'accounts.ts')
  expect(paths.length).toBeGreaterThan(20)
  // A test is named by its file alone: it goes where its noun goes.
  const known = paths.filter((path) => !path.endsWith('.test.ts') || path.includes('/'))
  expect(known.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
})

test.each(DOCUMENTS)('%s names only scripts that package.json has', (path) => {
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> }
  const named = [...read(path).matchAll(/\bnpm run ([a-z][\w:-]*)/g)].map(([, name = '']) => name)
  expect(named.filter((name) => !(name in scripts))).toEqual([])
})
