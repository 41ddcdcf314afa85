/** docs/integrate.md and docs/package.md: their code is that of the examples, their table leads to every part, and what is packed is described. */

import { describe, expect, test } from 'vitest'

import { fenced, read, table } from '../../support/markdown.ts'

const LANGUAGES = ['js', 'py', 'go']
const document = read('docs/integrate.md')

/** Each fence of code, with the file of `examples/` that was linked to last before it. */
function linked(text: string): readonly (readonly [file: string, code: string])[] {
  return LANGUAGES.flatMap((language) =>
    fenced(text, language).map((code): readonly [string, string] => {
      const before = text.slice(0, text.indexOf(`\`\`\`${language}\n${code}`))
      return [/.*\]\(\.\.\/(examples\/[\w./+-]+)\)/s.exec(before)?.[1] ?? '', code]
    }),
  )
}

/** Lines without their indentation, which a part of a file has and the document leaves out. */
function unindented(text: string): string {
  return text.replace(/^[ \t]+/gm, '')
}

describe('I have a service in …', () => {
  test('leads from its table to every part', () => {
    const targets = table(document, '| you have | go to |').map(([, link = '']) => /\[(.*)\]/.exec(link)?.[1])
    const parts = [...document.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
    expect(parts).toEqual(['First', ...targets])
  })

  test('shows code for most of what there is', () => {
    expect(linked(document).length).toBeGreaterThanOrEqual(13)
  })
})

test.each([...linked(document), ...linked(read('docs/package.md'))])(
  'the lines of %s are shown as they are',
  (file, code) => {
    expect(unindented(read(file))).toContain(unindented(code))
  },
)

test('the page of the package names each module that is packed, and no other', () => {
  const { exports: entries } = JSON.parse(read('package.json')) as { exports: Readonly<Record<string, string>> }
  const rows = table(read('docs/package.md'), '| import | what it is |')
  const named = rows.flatMap(([name = '']) => name.match(/(?<=`tessera\/)\w+/g) ?? [])
  expect(new Set(named)).toEqual(new Set(Object.keys(entries).map((entry) => entry.slice(2))))
})
