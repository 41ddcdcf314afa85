/** What a deployment serves of these documents: every page, what it links to, and nothing that is its operator's alone. */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { buildAssets } from '../../../scripts/reference/assets.ts'
import { listForModels, PAGES } from '../../../scripts/reference/documents.ts'
import { serveMarkdown, servedName } from '../../../scripts/reference/serve-markdown.ts'
import { styleSheet } from '../../../src/pages/style.ts'
import { DOCUMENTS, read, ROOT } from '../../support/markdown.ts'

describe('the list of pages', () => {
  test('has every page of docs/, each once', () => {
    const pages = DOCUMENTS.flatMap((path) => /^docs\/(.+)$/.exec(path)?.[1] ?? [])
    expect(PAGES.toSorted()).toEqual(pages.toSorted())
  })

  test('is what language models get, with the heading of each page', () => {
    const list = listForModels((page) => `Heading of ${page}`)
    for (const page of PAGES)
      expect(list).toMatch(new RegExp(`^- \\[Heading of ${page}\\]\\(docs/${page}\\): .{10,}$`, 'm'))
  })
})

describe('a link', () => {
  const pages = ['a.md', 'b.md']
  const served = (path: string, markdown: string) => serveMarkdown(path, markdown, pages)

  test.each([
    ['[b](b.md#c)', '[b](b.md#c)', ['docs/b.md']],
    ['![b](pictures/b.png)', '![b](pictures/b.png)', ['docs/pictures/b.png']],
    ['[x](../examples/x.ts)', '[x](source/examples/x.ts)', ['examples/x.ts']],
    ['[c](../CONTRIBUTING.md#d)', '[c](source/CONTRIBUTING.md#d)', ['CONTRIBUTING.md']],
    ['<img src="../bench/results/last.svg">', '<img src="source/bench/results/last.svg">', ['bench/results/last.svg']],
    ['[a](#here), [h](https://h/x.md), [m](mailto:a@b)', '[a](#here), [h](https://h/x.md), [m](mailto:a@b)', []],
    // Of a copy of this repository, these say what is nobody else's.
    ['[wrangler.toml](../wrangler.toml)', 'wrangler.toml', []],
    ['[notes](notes.md) and [b](b.md)', 'notes and [b](b.md)', ['docs/b.md']],
    ['[vars](../.dev.vars), [state](../.wrangler/state/x.sqlite)', 'vars, state', []],
    ['[out](../../etc/passwd)', 'out', []],
    ['[floors](../bench/floors)', 'floors', []],
    ['```sh\n[b](../wrangler.toml)\n```', '```sh\n[b](../wrangler.toml)\n```', []],
  ] as const)('of a page: %s', (markdown, text, linked) => {
    expect(served('docs/a.md', markdown)).toEqual({ text, linked })
  })

  test('of a file beside docs/ leads back', () => {
    expect(served('CONTRIBUTING.md', '[a](docs/a.md#b), [log](CHANGELOG.md), [x](src/x.ts)')).toEqual({
      text: '[a](../a.md#b), [log](CHANGELOG.md), [x](src/x.ts)',
      linked: ['docs/a.md', 'CHANGELOG.md', 'src/x.ts'],
    })
  })
})

test('no file of an operator has a name below /docs', () => {
  for (const path of [
    'wrangler.toml',
    '.dev.vars',
    '.deploy/tessera/wrangler.json',
    'package.json',
    'docs/notes.md',
    '../x.md',
    'src/../.dev.vars',
  ]) {
    expect([path, servedName(path, PAGES)]).toEqual([path, null])
  }
})

describe('the build', () => {
  const folder = join(ROOT, '.wrangler/test-assets')

  test('makes the page, its files, every page of docs/ and the list; what was there before is gone', () => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(join(folder, 'docs/old'), { recursive: true })
    writeFileSync(join(folder, 'docs/old/page.md'), 'old')
    buildAssets(folder)
    const made = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'))
    expect(made).toEqual(
      expect.arrayContaining(['llms.txt', 'reference.html', 'docs/swagger-ui.js', 'docs/swagger-ui-LICENSE.txt']),
    )
    expect(made).toEqual(expect.arrayContaining(PAGES.map((page) => `docs/${page}`)))
    expect(made).not.toContain('docs/old/page.md')
    expect(made.filter((path) => /wrangler|\.vars|package\.json|package-lock|\.map$/.test(path))).toEqual([])
  })

  test('serves the terms of what it copies', () => {
    buildAssets(folder)
    expect(readFileSync(join(folder, 'docs/swagger-ui-LICENSE.txt'), 'utf8')).toContain('Apache License')
    expect(readFileSync(join(folder, 'docs/swagger-ui-NOTICE.txt'), 'utf8')).toContain('SmartBear')
  })
})

test('the style of /docs has the colours of our pages', () => {
  const css = read('scripts/reference/page/reference.css')
  const [light = '', dark = ''] = [...styleSheet('#0550ae').matchAll(/:root\{([^}]+)\}/g)].map(([, rules]) => rules)
  const [ownLight = '', ownDark = ''] = [...css.matchAll(/:root \{([^}]+)\}/g)].map(([, rules]) => rules)
  const names = ['text', 'quiet', 'back', 'line', 'soft', 'action', 'danger', 'on']
  const valuesOf = (rules: string) => names.map((name) => new RegExp(`--${name}:\\s*([^;]+)`).exec(rules)?.[1])
  expect([valuesOf(ownLight), valuesOf(ownDark)]).toEqual([valuesOf(light), valuesOf(dark)])
})
