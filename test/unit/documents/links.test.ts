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

describe('files that are named in the text', () => {
  const all = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' }).split(
    '\n',
  )
  const named = (path: string) =>
    [...read(path).matchAll(/`([\w./-]+\.(?:tsx?|mjs|toml|sql))`/g)].map(([, name = '']) => name)

  /** A file is named from the top, from src/ or from test/, or by the end of its path. */
  function isThere(name: string): boolean {
    const places = [name, `src/${name}`, `test/${name}`]
    return places.some((path) => existsSync(join(ROOT, path))) || all.some((path) => path.endsWith(`/${name}`))
  }

  test('were found', () => {
    expect(DOCUMENTS.flatMap(named).length).toBeGreaterThan(100)
    expect([isThere('errors.ts'), isThere('domain/errors.ts')]).toEqual([true, false])
  })

  test.each(DOCUMENTS)('of %s are there', (path) => {
    expect(named(path).filter((name) => !isThere(name))).toEqual([])
  })
})
