/** docs/topologies.md: its code is that of the examples, its settings are ones that Tessera takes, and each part has all that it promises. */

import { describe, expect, test } from 'vitest'

import { CONFIG_KEYS, parseConfig } from '../../../src/config.ts'
import { LOCATION_POLICIES } from '../../../src/domain/places/place.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { fenced, read, section, table } from '../../support/markdown.ts'

const document = read('docs/topologies.md')
const TOPOLOGIES = [
  'One host',
  'Two hosts of one site',
  'Two sites',
  'Back end for front end',
  'Server rendering',
  'Mobile',
  'Service to service',
]

/** Each fence of a language, with the file of `examples/` that was linked to last before it. */
function linked(language: string): readonly (readonly [file: string, code: string])[] {
  return fenced(document, language).map((code) => {
    const before = document.slice(0, document.indexOf(`\`\`\`${language}\n${code}`))
    return [/.*\]\(\.\.\/(examples\/[\w./-]+)\)/s.exec(before)?.[1] ?? '', code]
  })
}

/** Lines without their indentation, which a part of a file has and the document leaves out. */
function unindented(text: string): string {
  return text.replace(/^ +/gm, '')
}

test('says first which LOCATION_POLICY suits whom, and knows all of them', () => {
  expect(/^## .*/m.exec(document)?.[0]).toBe('## Which LOCATION_POLICY suits whom')
  const policies = table(document, '| your people | `LOCATION_POLICY` | since |').map(
    ([, policy = '']) => /`(\w+)`/.exec(policy)?.[1],
  )
  expect(new Set(policies)).toEqual(new Set(LOCATION_POLICIES))
})

test('leads from its table to every part, and names keys that can be set', () => {
  const rows = table(document, '| you have | set | |')
  const targets = rows.map(([, , link = '']) => /\[(.*)\]/.exec(link)?.[1])
  expect(targets).toEqual(expect.arrayContaining(TOPOLOGIES))
  const keys = rows.flatMap(([, set = '']) => set.match(/(?<=`)[A-Z_]+/g) ?? [])
  expect(keys.filter((key) => !CONFIG_KEYS.includes(key))).toEqual([])
})

describe.each(TOPOLOGIES)('%s', (heading) => {
  const part = section(document, `## ${heading}`)

  test('has settings, a picture, code, and an example to run', () => {
    for (const language of ['toml', 'mermaid', 'ts', 'bash']) {
      expect(fenced(part, language).length, language).toBeGreaterThan(0)
    }
  })

  test('has settings that Tessera takes', () => {
    const lines = fenced(part, 'toml').flatMap((text) => text.trim().split('\n'))
    const settings = Object.fromEntries(lines.map((line) => /^([A-Z_]+) = "(.*)"$/.exec(line)?.slice(1) ?? [line, '']))
    expect(Object.keys(settings).filter((key) => !CONFIG_KEYS.includes(key))).toEqual([])
    expect(() => parseConfig({ AUTH_SECRET: TEST_BINDINGS.AUTH_SECRET, ...settings })).not.toThrow()
  })
})

test.each(linked('ts'))('has the lines of %s', (file, code) => {
  expect(unindented(read(file))).toContain(unindented(code))
})

test.each(linked('bash'))('starts %s as it says itself', (file, code) => {
  expect(code).toContain(`node ${/--env-file/.test(code) ? '--env-file=.dev.vars ' : ''}${file}`)
  expect(read(file).replaceAll(' *   ', '')).toContain(code)
})
