/** Reads the documents of this repository as the data that they hold: tables, headings, fenced code. */

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect } from 'vitest'

export const ROOT = join(import.meta.dirname, '../..')

/** Every document that git has or would take, by its path. */
export const DOCUMENTS: readonly string[] = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .filter((path) => existsSync(join(ROOT, path)))

/** The text of a file of this repository. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** The rows of the table under a header, each as its cells. Fails where there is none. */
export function table(document: string, header: string): readonly (readonly string[])[] {
  const lines = document.split('\n')
  const start = lines.indexOf(header)
  expect(start, `a table «${header}»`).toBeGreaterThan(0)
  const rows = lines.slice(start + 2)
  const end = rows.findIndex((line) => !line.startsWith('|'))
  return rows.slice(0, end).map(cells)
}

function cells(row: string): readonly string[] {
  return row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())
}

/** The text below a heading, up to the next one that is not deeper. Fails where there is none. */
export function section(document: string, heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 0
  const [, text] = document.split(`\n${heading}\n`)
  expect(text, `a section «${heading}»`).toBeDefined()
  return text?.split(new RegExp(`^#{1,${level}} `, 'm'))[0] ?? ''
}

/** The anchors that GitHub gives to the headings of a document. */
export function anchors(document: string): readonly string[] {
  const headings = withoutCode(document).match(/(?<=^#+ ).*/gm) ?? []
  return headings.map((text) =>
    text
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
}

/** The fenced code of a language. */
export function fenced(document: string, language: string): readonly string[] {
  return [...document.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(([, code = '']) => code)
}

/** What is not fenced code: there, `#` is a comment. */
export function withoutCode(document: string): string {
  return document.replace(/^```[^]*?^```$/gm, '')
}

/** Every file of tests by its path below test/, as the documents name it. A single quote in a title is escaped there. */
const testFiles: ReadonlyMap<string, string> = new Map(
  readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => [path, read(join('test', path)).replaceAll("\\'", "'")]),
)

/** The files that have a test of that title, a literal in one of three quotes. */
export function filesWithTest(title: string): readonly string[] {
  const literal = new RegExp(`['"\`]${RegExp.escape(title)}['"\`]`)
  return [...testFiles].filter(([, text]) => literal.test(text)).map(([path]) => path)
}
