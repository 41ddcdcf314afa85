/** The rows of a file that `npm run users -- import` reads: every one of them, with its line, wherever a run begins and a part of the file ends. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'

import { csvFormat, delimiterOf, parseCsv } from '../../../scripts/users-import/csv.ts'
import { openInput } from '../../../scripts/users-import/input.ts'
import { JSON_ARRAY, JSON_LINES } from '../../../scripts/users-import/json.ts'
import {
  type Format,
  MAX_ROW_BYTES,
  type Position,
  type RawRecord,
  readRecords,
} from '../../../scripts/users-import/records.ts'

const folder = mkdtempSync(join(tmpdir(), 'tessera-records-'))
afterAll(() => rmSync(folder, { recursive: true }))

const BEGIN: Position = { offset: 0, line: 1 }
let files = 0

function write(content: string | Buffer): string {
  const path = join(folder, `${files++}.txt`)
  writeFileSync(path, content)
  return path
}

async function all(path: string, format: Format, from = BEGIN, chunkBytes?: number): Promise<readonly RawRecord[]> {
  return Array.fromAsync(readRecords(path, format, from, chunkBytes))
}

/** The same file, opened as the command does it: what each row is, with its line. */
async function rows(content: string | Buffer): Promise<readonly (readonly [number, unknown])[]> {
  const path = write(content)
  const input = await openInput(path, {})
  const records = await all(path, input.format, input.begin)
  return records.map((record) => [record.line, record.fault ?? input.parse(record)])
}

/** RFC 4180, section 2. */
function encode(field: string, delimiter: string, isQuoted: boolean): string {
  const needsQuotes = isQuoted || field.startsWith('"') || [delimiter, '\n', '\r'].some((char) => field.includes(char))
  return needsQuotes ? `"${field.replaceAll('"', '""')}"` : field
}

const field = fc.string({
  unit: fc.constantFrom('a', '"', ',', ';', '\n', '\r', ' ', 'é', '漢', '💚', '{'),
  maxLength: 8,
})

describe('CSV', () => {
  test('gives back every field of every row, with its line, however its parts fall and wherever a run begins', async () => {
    const tables = fc.record({
      rows: fc.array(fc.array(fc.tuple(field, fc.boolean()), { minLength: 2, maxLength: 2 }), { maxLength: 6 }),
      delimiter: fc.constantFrom(',', ';', '\t'),
      lineEnd: fc.constantFrom('\n', '\r\n'),
      endsWithLine: fc.boolean(),
      chunkBytes: fc.integer({ min: 1, max: 40 }),
    })
    await fc.assert(
      fc.asyncProperty(tables, async ({ rows: table, delimiter, lineEnd, endsWithLine, chunkBytes }) => {
        // A line of nothing but spaces is no row, so that each begins with a letter.
        const filled = table.map(([first, second]) => [
          [`x${first?.[0] ?? ''}`, first?.[1] ?? false] as const,
          second ?? (['', false] as const),
        ])
        const texts = filled.map((row) =>
          row.map(([text, isQuoted]) => encode(text, delimiter, isQuoted)).join(delimiter),
        )
        const content = texts.join(lineEnd) + (endsWithLine && texts.length > 0 ? lineEnd : '')
        const path = write(content)
        const format = csvFormat(delimiter, 2)
        const records = await all(path, format, BEGIN, chunkBytes)

        expect(records.map(({ text }) => parseCsv(text, delimiter))).toEqual(
          filled.map((row) => row.map(([text]) => text)),
        )
        let before = ''
        for (const [i, text] of texts.entries()) {
          expect(records[i]?.line).toBe(before.split('\n').length)
          before += text + lineEnd
        }
        for (const [i, { next }] of records.entries()) {
          expect(await all(path, format, next, chunkBytes)).toEqual(records.slice(i + 1))
        }
      }),
      { numRuns: 150 },
    )
  })

  test('a quote that nobody closes costs its own line, and no row behind it', async () => {
    const content =
      'email,id\na@example.com,1\n"b@example.com,2\nc@example.com,3\n"d@example.com",4\n"e@example.com,5\n'
    expect(await rows(content)).toEqual([
      [2, { email: 'a@example.com', id: '1' }],
      [3, 'has a quote in the middle of a field: a quote within quotes is written twice'],
      [4, { email: 'c@example.com', id: '3' }],
      [5, { email: 'd@example.com', id: '4' }],
      [6, 'has a quote that is not closed'],
    ])
  })

  test('nor where the next quote happens to close it', async () => {
    expect(await rows('email,id\n"a,1\nb,2\nc",3,x\nd,4\n')).toEqual([
      [2, 'has a quote that is not closed'],
      [3, { email: 'b', id: '2' }],
      [4, 'has 3 fields, and the header 2'],
      [5, { email: 'd', id: '4' }],
    ])
  })

  test('a row that is longer than any account is a bad one, and the next one is read', async () => {
    const long = 'x'.repeat(MAX_ROW_BYTES + 10)
    const found = await rows(`email,id\n${long},1\nb,2\n"${long}\n${long},3\nc,4\n`)
    const fault = 'is part of a row that is longer than 256 KiB, or has a quote that is not closed'
    expect(found).toEqual([
      [2, fault],
      [3, { email: 'b', id: '2' }],
      [4, fault],
      [5, fault],
      [6, { email: 'c', id: '4' }],
    ])
  })

  test('a byte order mark, empty lines and lines of spaces are no rows; bytes that are no UTF-8 are a bad one', async () => {
    const bytes = Buffer.concat([
      Buffer.from('\ufeffemail;id\r\n\r\na;1\r\n   \r\n'),
      Buffer.from([0xff, 0x3b, 0x31, 0x0a]),
      Buffer.from('b;2'),
    ])
    expect(await rows(bytes)).toEqual([
      [3, { email: 'a', id: '1' }],
      [5, 'is not UTF-8'],
      [6, { email: 'b', id: '2' }],
    ])
  })

  test('the header says which delimiter it is', () => {
    expect(['a,b;c,d', 'a;b;"c,d"', 'a\tb', 'a'].map(delimiterOf)).toEqual([',', ';', '\t', ','])
  })
})

describe('JSON', () => {
  test('lines: each is a row, and a bad one is named', async () => {
    expect(await rows('{"id":9007199254740993}\n\n{"email":\n[1]\n{"email":"b"}')).toEqual([
      [1, { id: '9007199254740993' }],
      [3, 'is no JSON'],
      [4, 'is no JSON object'],
      [5, { email: 'b' }],
    ])
  })

  test.each(['[', '{"users": [', '{ "users" :\n[\n'])(
    'an array that begins with %j, its objects over several lines',
    async (begin) => {
      const first = begin.split('\n').length
      const content = `${begin}{"a": "]}\\"",\n "b": [{}]},\n\n  {"a": 2}, 7\n, {"a": 3}\n]}`
      expect(await rows(content)).toEqual([
        [first, { a: ']}"', b: [{}] }],
        [first + 3, { a: 2 }],
        [first + 3, 'is no object of the array'],
        [first + 4, { a: 3 }],
      ])
    },
  )

  test('lines whose first field is an array are lines', async () => {
    expect(await rows('{"identities":[{"id":1}],"email":"a"}\n{"email":"b"}\n')).toEqual([
      [1, { identities: [{ id: 1 }], email: 'a' }],
      [2, { email: 'b' }],
    ])
  })

  test('an object that does not end is a bad row', async () => {
    expect(await rows('[{"a":1},\n{"a":2,\n"b":')).toEqual([
      [1, { a: 1 }],
      [2, 'begins an object that does not end'],
      [3, 'is no object of the array'],
    ])
  })

  test.each([
    ['lines', JSON_LINES, '', '\n', ''],
    ['an array', JSON_ARRAY, '', ',\n', ']'],
  ])(
    '%s: gives back every value, however its parts fall and wherever a run begins',
    async (_name, format, before, between, after) => {
      const object = fc.dictionary(field, fc.oneof(field, fc.integer(), fc.constant([{}])), { minKeys: 1, maxKeys: 3 })
      await fc.assert(
        fc.asyncProperty(
          fc.array(object, { maxLength: 5 }),
          fc.integer({ min: 1, max: 30 }),
          async (objects, chunkBytes) => {
            const path = write(before + objects.map((one) => JSON.stringify(one)).join(between) + after)
            const records = await all(path, format, BEGIN, chunkBytes)
            expect(records.map(({ text }) => JSON.parse(text) as unknown)).toEqual(objects.map((one) => ({ ...one })))
            expect(records.map(({ line }) => line)).toEqual(objects.map((_one, i) => i + 1))
            for (const [i, { next }] of records.entries()) {
              expect(await all(path, format, next, chunkBytes)).toEqual(records.slice(i + 1))
            }
          },
        ),
        { numRuns: 60 },
      )
    },
  )
})

describe('a file that is none', () => {
  test.each([
    ['nothing', '', 'has no rows.'],
    ['UTF-16', Buffer.from('\ufeffemail\n', 'utf16le'), 'is UTF-16: save it as UTF-8.'],
    ['a compressed one', Buffer.from([0x1f, 0x8b, 8, 0]), 'is compressed: unpack it with gunzip.'],
    ['a column that stands twice', 'email,id,email\n', 'the header has the column email twice.'],
    ['a header that is broken', '"email,id\na,b\n', 'the header, line 1, has a quote that is not closed.'],
  ])('%s is refused in a line', async (_name, content, words) => {
    await expect(openInput(write(content), {})).rejects.toThrow(words)
  })

  test('is looked for where the command was typed', async () => {
    const path = write('email\n')
    expect((await openInput(path.slice(folder.length + 1), { INIT_CWD: folder })).path).toBe(path)
    await expect(openInput('none.csv', { INIT_CWD: folder })).rejects.toThrow('There is no file none.csv.')
    await expect(openInput('.', { INIT_CWD: folder })).rejects.toThrow('. is a folder.')
  })
})
