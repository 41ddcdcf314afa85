/** Links between documents lead somewhere: the file is there, and so is the heading. */

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { anchors, DOCUMENTS, read, ROOT, withoutCode } from '../../support/markdown.ts'

/** The targets of links and pictures that lead into this repository. */
function targetsOf(document: string): readonly string[] {
  const links = [...withoutCode(document).matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)]
  return links.map(([, inline, attribute]) => inline ?? attribute ?? '').filter((target) => !/^https?:/.test(target))
}

/** What of a target is not there, in words; `null` where all of it is. */
function missing(from: string, target: string): string | null {
  const [file = '', anchor] = target.split('#')
  const path = file === '' ? from : join(dirname(from), file)
  if (!existsSync(join(ROOT, path))) return `no ${path}`
  if (anchor === undefined || anchors(read(path)).includes(anchor)) return null
  return `no #${anchor} in ${path}`
}

describe('links', () => {
  test('were found', () => {
    expect(DOCUMENTS.flatMap((path) => targetsOf(read(path))).length).toBeGreaterThan(40)
    expect(targetsOf('[a](b.md#c) ![d](e.png) <img src="f.png"> [g](https://h)')).toEqual(['b.md#c', 'e.png', 'f.png'])
  })

  test.each(DOCUMENTS)('of %s lead to files and headings that there are', (path) => {
    expect(targetsOf(read(path)).flatMap((target) => missing(path, target) ?? [])).toEqual([])
  })
})

/** The files that a document names between backticks. */
function namedIn(document: string): readonly string[] {
  return [...document.matchAll(/`([\w./-]+\.(?:tsx?|mjs|toml|sql))`/g)].map(([, name = '']) => name)
}

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter((path) => existsSync(join(ROOT, path)))

/** A file is named from the top, from src/ or from test/, or by the end of its path. */
function isThere(name: string): boolean {
  return files.some((path) => path === name || path.endsWith(`/${name}`))
}

describe('files that are named in the text', () => {
  test('were found', () => {
    expect(DOCUMENTS.flatMap((path) => namedIn(read(path))).length).toBeGreaterThan(100)
    expect([isThere('errors.ts'), isThere('domain/errors.ts')]).toEqual([true, false])
  })

  test.each(DOCUMENTS)('of %s are there', (path) => {
    expect(namedIn(read(path)).filter((name) => !isThere(name))).toEqual([])
  })
})
