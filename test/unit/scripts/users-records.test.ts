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

const BEGIN: Position = { offset: 0, line: 1, rows: 0 }
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
    const content = `email,id\n${long},1\nb,2\n"${long}\n${long},3\nc,4\n`
    const found = await rows(content)
    const fault = 'is part of a row that is longer than 256 KiB, or has a quote that is not closed'
    expect(found).toEqual([
      [2, fault],
      [3, { email: 'b', id: '2' }],
      [4, fault],
      [5, fault],
      [6, { email: 'c', id: '4' }],
    ])
    // Also where a run goes on behind one of them, whose line is read in parts.
    const { path, format, begin } = await openInput(write(content), {})
    for (const chunkBytes of [1000, MAX_ROW_BYTES + 100, content.length]) {
      const records = await all(path, format, begin, chunkBytes)
      expect(records.map(({ line }) => line)).toEqual([2, 3, 4, 5, 6])
      for (const [i, { next }] of records.entries()) {
        expect(await all(path, format, next, chunkBytes)).toEqual(records.slice(i + 1))
      }
    }
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

  test('what is no object of an array in one line is a bad row, and no row behind it is lost', async () => {
    const values = ['{"a":1}', 'null', '-1.5e3', '"},{"', '[{"a":[]},2]', '{"a":2}', 'nonsense', '7']
    const texts = [`[${values.join(',')}]`, `{"users": [${values.join(' , ')} ] }\n`, `[${values.join(',\n')}\n]`]
    for (const text of texts) {
      expect((await rows(text)).map(([, row]) => row)).toEqual(
        values.map((value) => (value.startsWith('{') ? JSON.parse(value) : 'is no object of the array')),
      )
    }
    const input = await openInput(write(texts[0] ?? ''), {})
    expect((await all(input.path, input.format, input.begin)).map(({ line, row }) => [line, row])).toEqual(
      values.map((_value, i) => [1, i + 1]),
    )
  })

  test('one that is too long costs itself alone, wherever it ends and a run goes on', async () => {
    const long = `{"a":"${'\\"]}x'.repeat(MAX_ROW_BYTES / 4)}","b":[{"c":[1]}]}`
    const fault = 'is part of a row that is longer than 256 KiB, or has a quote that is not closed'
    for (const [first, second] of [
      [',', ','],
      [',\n  ', ',\n  '],
      [',\n  ', ','],
    ]) {
      const objects = `{"a":1}${first}${long}${second}{"a":2}${first}{"a":3}`
      const path = write(`[${objects}${first}${JSON.stringify(long)}${second}{"a":4}]`)
      const { format, begin, parse } = await openInput(path, {})
      for (const chunkBytes of [undefined, 4096, MAX_ROW_BYTES * 9]) {
        const records = await all(path, format, begin, chunkBytes)
        expect(records.map((one) => one.fault ?? parse(one))).toEqual([
          { a: 1 },
          fault,
          { a: 2 },
          { a: 3 },
          fault,
          { a: 4 },
        ])
        for (const [i, { next }] of records.entries()) {
          expect(await all(path, format, next, chunkBytes)).toEqual(records.slice(i + 1))
        }
      }
    }
  })

  test.each([
    ['a quote that nobody closed', '{"a":"1},'],
    ['brackets that do not fit', '{"a":[1},'],
    ['a bracket that nobody closed', '{"a":{"b":1},'],
    ['each of two quotes that nobody closed', '{"a":"1},\n  {"a":"1},'],
  ])('%s costs no object that begins another line', async (_name, broken) => {
    const content = `[\n  {"a":1},\n  ${broken}\n    {"b":0},\n  {"a":2},\n\n  ${broken}\n  {"a":3}\n]`
    const lines = content.split('\n')
    const found = lines.flatMap((line, i) =>
      line.startsWith('  {')
        ? [[i + 1, /^ {2}\{"a":[23]/.test(line) || i === 1 ? JSON.parse(line.replace(/,$/, '')) : 'is a broken object']]
        : [],
    )
    expect(await rows(content)).toEqual(found)
    const { path, format, begin } = await openInput(write(content), {})
    for (let chunkBytes = 1; chunkBytes < 40; chunkBytes++) {
      const records = await all(path, format, begin, chunkBytes)
      expect(records.map(({ line }) => line)).toEqual(found.map(([line]) => line))
      for (const [i, { next }] of records.entries()) {
        expect(await all(path, format, next, chunkBytes)).toEqual(records.slice(i + 1))
      }
    }
  })

  test('where nobody can say what follows a broken object, that is said: one within it is no row', async () => {
    const fault = 'is a broken object: nothing behind it is read'
    expect(await rows('[{"a":1},{"of":[{"b":[1},{"email":"x"}]},{"a":2}]')).toEqual([
      [1, { a: 1 }],
      [1, fault],
    ])
    const content = '[{"a":1},\n{"a":2,\n"b":'
    expect(await rows(content)).toEqual([
      [1, { a: 1 }],
      [2, fault],
    ])
    const { path, format, begin } = await openInput(write(content), {})
    const [, last] = await all(path, format, begin)
    expect(await all(path, format, last?.next)).toEqual([])
  })

  test('an array whose end is missing was cut off', async () => {
    const cutOff = 'is where the file ends, before the end of the array'
    expect(await rows('[{"a":1},\n{"a":2},\n')).toEqual([
      [1, { a: 1 }],
      [2, { a: 2 }],
      [3, cutOff],
    ])
  })

  test.each([
    ['in the same part of the file', ''],
    ['in another one', ' '.repeat(MAX_ROW_BYTES * 2)],
  ])('what stands behind the end of an array is named, and is no row: %s', async (_where, blanks) => {
    const fault = 'stands behind the end of the array: nothing behind it is read'
    const more = Array.from({ length: 20_000 }, (_, i) => `{"b":${i}}`).join(',')
    expect(await rows(`{"users":[{"a":1}]${blanks},\n"meta":[${more}]}`)).toEqual([
      [1, { a: 1 }],
      [1, fault],
    ])
    expect(await rows(`{"users":[{"a":1}]${blanks}\n}\n  `)).toEqual([[1, { a: 1 }]])
    expect(await rows(`[{"a":1}]${blanks}\n\n[{"a":2}]`)).toEqual([
      [1, { a: 1 }],
      [3, fault],
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
    ['UTF-16', Buffer.from('\ufeffemail\n', 'utf16le'), 'is UTF-16, or no text: save it as UTF-8.'],
    ['UTF-16 of the other order', Buffer.from('\ufeff漢漢', 'utf16le').swap16(), 'is UTF-16, or no text'],
    ['UTF-16 without a mark', Buffer.from('email\na@example.com\n', 'utf16le'), 'is UTF-16, or no text'],
    [
      'CSV whose lines end with CR alone',
      'email,id\ra@example.com,1\r',
      'ends its lines with CR alone, as old Macs did',
    ],
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

  test('is no pipe, which ends with the run that reads it', async () => {
    await expect(openInput('/dev/null', {})).rejects.toThrow('/dev/null is no file, but a pipe or a device')
  })
})
