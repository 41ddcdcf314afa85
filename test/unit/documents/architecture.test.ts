/** docs/architecture.md: its tree is the tree, its pictures name files that there are, and its glossary has ten words. */

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

import { expect, test } from 'vitest'

import { OUTCOMES } from '../../../src/domain/sessions/verdict.ts'
import { fenced, read, ROOT, section, table } from '../../support/markdown.ts'

const document = read('docs/architecture.md')
const drawn = readTree(fenced(section(document, '## The tree'), '')[0] ?? '')

interface Drawn {
  /** From the top, with a slash at the end of a folder. */
  readonly path: string
  /** The files of a folder, without their endings, where its line lists them after a colon. */
  readonly files: readonly string[]
}

/** Each line is a name, indented by two spaces a level, and what it is for. */
function readTree(text: string): readonly Drawn[] {
  const trail: string[] = []
  return text.split('\n').flatMap((line) => {
    const [, indent = '', name, words = ''] = /^( *)(\S+) {2,}(.*)$/.exec(line) ?? []
    if (name === undefined) return []
    trail.splice(indent.length / 2, Infinity, name)
    return [{ path: trail.join(''), files: name.endsWith('/') ? (words.split(': ')[1]?.split(' · ') ?? []) : [] }]
  })
}

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((path) => existsSync(join(ROOT, path)))

/** The folders of this repository, at most two deep below src/ and one below anything else. */
const folders = new Set(
  files.flatMap((path) => {
    const parts = path.split('/').slice(0, -1)
    return parts.slice(0, parts[0] === 'src' ? 3 : 1).map((_, i) => `${parts.slice(0, i + 1).join('/')}/`)
  }),
)

/** Names without their endings, in alphabetical order: what a line of the tree lists. */
function filesOf(folder: string): readonly string[] {
  return files
    .filter((path) => `${dirname(path)}/` === folder)
    .map(nameOf)
    .toSorted()
}

function nameOf(path: string): string {
  return basename(path).replace(/(\.d)?\.tsx?$/, '')
}

const paths = drawn.map(({ path }) => path)

test('draws every folder, and every file that stands in src/ itself', () => {
  expect(paths.filter((path) => path.endsWith('/')).toSorted()).toEqual([...folders].toSorted())
  const top = files.filter((path) => dirname(path) === 'src')
  expect(paths.filter((path) => dirname(path) === 'src' && !path.endsWith('/')).toSorted()).toEqual(top.toSorted())
})

test.each(drawn.filter(({ path }) => /^src\/.+\/$/.test(path)).map(({ path, files: listed }) => [path, listed]))(
  'has every file of %s once, in its list or in a line of its own',
  (path, listed) => {
    const alone = paths.filter((one) => `${dirname(one)}/` === path && !one.endsWith('/')).map(nameOf)
    expect([...listed, ...alone].toSorted()).toEqual(filesOf(path))
  },
)

test('names only files of src/ in the life of a request', () => {
  const named = section(document, '## The life of a request').match(/[\w/-]+\.tsx?\b/g) ?? []
  expect(named.length).toBeGreaterThan(5)
  expect(named.filter((path) => !existsSync(join(ROOT, 'src', path)))).toEqual([])
})

test('explains ten words', () => {
  expect(table(section(document, '## Ten words'), '| word | what it is |')).toHaveLength(10)
})

test('names every verdict', () => {
  const row = table(section(document, '## Ten words'), '| word | what it is |').find(([word]) => word === 'verdict')
  expect(row?.[1]?.match(/(?<=`)\w+/g)).toEqual(Object.keys(OUTCOMES))
})
