/** What the documents say in tables, the code knows too: they must not drift apart. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { OUTCOMES } from '../../src/domain/sessions/verdict.ts'
import { ERRORS } from '../../src/errors.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'

const root = join(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The rows of the table under a header, each as its cells. */
function table(header: string, document = readme): readonly (readonly string[])[] {
  const lines = document.split('\n')
  const start = lines.indexOf(header)
  expect(start, `a table «${header}»`).toBeGreaterThan(0)
  const rows = lines.slice(start + 2)
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith('|')),
    )
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

/** Every file of tests by its path below test/, as the documents name it. A single quote in a title is escaped there. */
const testFiles: ReadonlyMap<string, string> = new Map(
  readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => [path, readFileSync(join(root, 'test', path), 'utf8').replaceAll("\\'", "'")]),
)

/** Where a test has that title, a literal in one of three quotes. */
function filesWith(title: string): readonly string[] {
  const literal = new RegExp(`['"\`]${RegExp.escape(title)}['"\`]`)
  return [...testFiles].filter(([, text]) => literal.test(text)).map(([path]) => path)
}

describe('the README', () => {
  test('says before anything else what the defaults cost, and what is missing', () => {
    const top = readme.slice(0, readme.indexOf('\n## '))
    const { REFRESH_REUSE_SECONDS, LOCATION_POLICY } = parseConfig({ AUTH_SECRET: TEST_BINDINGS.AUTH_SECRET })

    expect([REFRESH_REUSE_SECONDS, LOCATION_POLICY]).toEqual([0, 'address'])
    for (const words of [
      'two tabs',
      'phone',
      '`REFRESH_REUSE_SECONDS=10`',
      '`LOCATION_POLICY=address`',
      '`country` suits',
      'Nobody can register yet',
    ]) {
      expect(top).toContain(words)
    }
  })

  test('leads to headings that there are', () => {
    const pages: Readonly<Record<string, string>> = {
      '': readme,
      'docs/deploy.md': readFileSync(join(root, 'docs/deploy.md'), 'utf8'),
    }
    const links = [...readme.matchAll(/\]\(([\w./]*)#([\w-]+)\)/g)]

    expect(links.length).toBeGreaterThan(2)
    for (const [, page = '', anchor = ''] of links) {
      const headings = pages[page]?.match(/(?<=^#+ ).*/gm) ?? []
      expect(
        headings.map((text) =>
          text
            .toLowerCase()
            .replace(/[^\w -]/g, '')
            .replaceAll(' ', '-'),
        ),
      ).toContain(anchor)
    }
  })

  test('has every error, to the letter', () => {
    expect(table('| code | status | detail | when |')).toEqual(
      Object.entries(ERRORS).map(([code, { status, details, when }]) => [
        `\`${code}\``,
        String(status),
        details.join(' / '),
        when,
      ]),
    )
  })

  test('has every key of the configuration with its default', () => {
    const defaults = parseConfig({ AUTH_SECRET: TEST_BINDINGS.AUTH_SECRET })
    const words: Readonly<Record<string, string>> = {
      AUTH_SECRET: 'none, required',
      PUBLIC_URL: 'none, required but on this machine',
    }
    const documented = table('| key | default | |').map(([key = '', value = '']) => [key.replaceAll('`', ''), value])

    expect(Object.fromEntries(documented)).toEqual(
      Object.fromEntries(
        Object.keys(TEST_BINDINGS).map((key) => {
          const value = defaults[key as keyof typeof defaults]
          const isSet = value !== undefined && !(Array.isArray(value) && value.length === 0)
          return [key, words[key] ?? (isSet ? `\`${String(value)}\`` : 'none')]
        }),
      ),
    )
  })

  test('has every route', () => {
    const documented = table('| request | answer |')
      .flatMap(([requests = '']) => requests.match(/(?:GET|POST|DELETE)(?:, (?:GET|POST|DELETE))* \/[^ `]*/g) ?? [])
      .map((request) => request.replace(/\{(\w+)\}/g, ':$1'))
    // Links are opened from mails, not called.
    const routes = createApp()
      .routes.filter(({ method, path }) => method !== 'ALL' && !path.startsWith('/links/'))
      .map(({ method, path }) => `${method} ${path.replace(/\{.*\}$/, '')}`)

    expect(new Set(documented)).toEqual(new Set(routes))
  })
})

describe('docs/sessions.md', () => {
  const document = readFileSync(join(root, 'docs/sessions.md'), 'utf8')
  const edges = table('| edge | when | what happens | the test that proves it |', document)

  test('explains every edge of its diagram', () => {
    const drawn = document.match(/(?<=--> .*: )\d+ .*/gm)
    expect(edges.map(([edge]) => edge)).toEqual(drawn)
  })

  test('says of every verdict who is told what, as the code does', () => {
    const rows = table('| cause | answer | the session | the owner |', document)
    const said = rows.map(([cause, answer = '', session = '', owner = '']) => [
      /^`(\w+)`/.exec(cause ?? '')?.[1],
      {
        answer: answer.startsWith('200, ') ? 'pair' : /^\d+ `(\w+)`$/.exec(answer)?.[1],
        ends: session.startsWith('ends'),
        isMailed: owner.startsWith('gets a mail'),
      },
    ])
    const decided = Object.entries(OUTCOMES).map(([kind, outcome]) => [
      kind,
      { answer: outcome.answer, ends: 'ends' in outcome, isMailed: 'mail' in outcome },
    ])

    expect(said).toEqual(decided)
    const statuses = rows.flatMap(([, answer = '']) => [...answer.matchAll(/^(\d+) `(\w+)`$/g)])
    for (const [, status, code = ''] of statuses) {
      expect(Object.entries(ERRORS).find(([known]) => known === code)?.[1].status).toBe(Number(status))
    }
  })

  test.each(edges.map((cells) => [cells[0], cells[3]]))(
    'proves edge %s by a test that there is',
    (_edge, proof = '') => {
      const [, file = '', title = ''] = /^`(.+)`: (.+)$/.exec(proof) ?? []
      expect(filesWith(title)).toContain(file)
    },
  )
})

describe('docs/security.md', () => {
  const document = readFileSync(join(root, 'docs/security.md'), 'utf8')
  const rows = document.split('\n').filter((line) => /^\| (?!---|who,|what leaked|row|section)/.test(line))
  const proofs = [...document.matchAll(/`([\w/-]+\.test\.ts)`: (.+?)(?=\. [A-Z]| \|$)/gm)]

  test('names a test in most of its rows', () => {
    expect(rows.length).toBeGreaterThan(80)
    expect(proofs.length).toBeGreaterThan(50)
  })

  test.each(proofs.map(([, file, title]) => [file, title]))('has a proof that there is: %s: %s', (file, title = '') => {
    expect(filesWith(title)).toContain(file)
  })

  /** How many requirements of levels 1 and 2 each section of ASVS 5.0 has: they come first, those of level 3 after them. */
  const ASVS: readonly (readonly [section: string, count: number])[] = [
    ['6.1', 3],
    ['6.2', 12],
    ['6.3', 4],
    ['6.4', 4],
    ['7.1', 3],
    ['7.2', 4],
    ['7.3', 2],
    ['7.4', 5],
    ['7.5', 2],
    ['9.1', 3],
    ['9.2', 4],
    ['10.1', 2],
    ['10.3', 4],
    ['10.4', 11],
  ]

  /** The numbers of the rows below a heading. */
  function numbersOf(heading: string): readonly string[] {
    const part = document.split(/^## /m).find((text) => text.startsWith(heading)) ?? ''
    const cells = part.match(/(?<=^\| )\d[\d., to]*\d/gm) ?? []
    return cells.flatMap((cell) => cell.split(', ').flatMap(expand)).toSorted()
  }

  test('has every row of the lists once', () => {
    const all = ASVS.flatMap(([section, count]) => range(section, 1, count))

    expect(numbersOf('OWASP ASVS')).toEqual(all.toSorted())
    expect(numbersOf('RFC 8725')).toEqual(range('3', 1, 12).toSorted())
  })

  test('says of every row that has no test why it has none', () => {
    const checklist = document.slice(document.indexOf('## OWASP'))
    const lists = checklist.split('\n').filter((line) => /^\| \d/.test(line))
    expect(lists.length).toBeGreaterThan(50)
    expect(
      lists.filter((line) => !/\.test\.ts`|\bnot (met|applicable)\b|met by construction|as 3\.8|see ASVS/.test(line)),
    ).toEqual([])
  })
})

/** "6.2.1 to 6.2.5" as its five numbers. */
function expand(numbers: string): readonly string[] {
  const [from = '', to = from] = numbers.split(' to ')
  const section = from.slice(0, from.lastIndexOf('.'))
  return range(section, lastPart(from), lastPart(to))
}

function range(section: string, from: number, to: number): readonly string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${section}.${from + i}`)
}

function lastPart(number: string): number {
  return Number(number.slice(number.lastIndexOf('.') + 1))
}
