/** What a file is: which format it has, where its rows begin, and whether it is the one that a former run has read. */

import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'

import { UsersProblem } from '../users/problem.ts'
import { csvFormat, delimiterOf, parseCsv } from './csv.ts'
import { JSON_ARRAY, JSON_LINES } from './json.ts'
import { parseJson } from './parse-json.ts'
import { type Format, type Position, type RawRecord, readRecords } from './records.ts'

const START_BYTES = 65_536

export type Row = Readonly<Record<string, unknown>>

export interface Input {
  readonly path: string
  readonly kind: 'CSV' | 'JSON lines' | 'a JSON array'
  readonly identity: { readonly size: number; readonly mtimeMs: number; readonly start: string }
  /** The columns of CSV. */
  readonly columns: readonly string[] | null
  readonly format: Format
  /** Where the first row begins. */
  readonly begin: Position
  /** The fields of a record. A text says why there are none, and follows its line. */
  readonly parse: (record: RawRecord) => Row | string
}

/** Opens a file, named as seen from where the command was typed. Throws `UsersProblem`. */
export async function openInput(name: string, env: Readonly<NodeJS.Dict<string>>): Promise<Input> {
  // npm runs a script in the folder of its package.
  const path = resolve(env['INIT_CWD'] ?? process.cwd(), name)
  const { bytes, size, mtimeMs } = await readStart(path, name)
  const identity = { size, mtimeMs, start: createHash('sha256').update(bytes).digest('hex') }
  const signature = bytes.toString('hex', 0, 2)
  const isUtf16 = signature === 'fffe' || signature === 'feff' || (signature !== '1f8b' && bytes.includes(0))
  if (isUtf16) throw new UsersProblem(`${name} is UTF-16, or no text: save it as UTF-8.`)
  if (signature === '1f8b') throw new UsersProblem(`${name} is compressed: unpack it with gunzip.`)
  const bom = bytes.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])) ? 3 : 0
  const start = bytes.toString('utf8', bom)
  if (start.trim() === '') throw new UsersProblem(`${name} has no rows.`)

  const array = /^\s*(\{\s*"[\w ]{1,64}"\s*:\s*)?\[(?=\s*[{\]])/.exec(start)?.[0]
  if (array !== undefined && !isRowByItself(start)) {
    const begin = { offset: bom + Buffer.byteLength(array), line: array.split('\n').length, rows: 0 }
    return { path, identity, kind: 'a JSON array', columns: null, format: JSON_ARRAY, begin, parse: parseObject }
  }
  if (start.trimStart().startsWith('{')) {
    const begin = { offset: bom, line: 1, rows: 0 }
    return { path, identity, kind: 'JSON lines', columns: null, format: JSON_LINES, begin, parse: parseObject }
  }
  return { path, identity, ...(await openCsv(path, name, start, bom)) }
}

/** Whether the first line is an object of more than one field: JSON lines, although that one begins with an array. */
function isRowByItself(start: string): boolean {
  try {
    const value: unknown = JSON.parse(start.split(/\r?\n/, 1)[0] ?? '')
    return typeof value === 'object' && !Array.isArray(value) && Object.keys(value ?? {}).length > 1
  } catch {
    return false
  }
}

async function readStart(path: string, name: string): Promise<{ bytes: Buffer; size: number; mtimeMs: number }> {
  try {
    await using file = await open(path)
    const stats = await file.stat()
    if (!stats.isFile() && !stats.isDirectory()) {
      throw new UsersProblem(`${name} is no file, but a pipe or a device, in which a run cannot go on: save it first.`)
    }
    const { size, mtimeMs } = stats
    const bytes = Buffer.alloc(Math.min(START_BYTES, size))
    await file.read(bytes, 0, bytes.length, 0)
    return { bytes, size, mtimeMs }
  } catch (error) {
    if (error instanceof UsersProblem) throw error
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') throw new UsersProblem(`There is no file ${name}.`)
    if (code === 'EISDIR') throw new UsersProblem(`${name} is a folder.`)
    if (code === 'EACCES') throw new UsersProblem(`${name} may not be read by you.`)
    throw error
  }
}

async function openCsv(path: string, name: string, start: string, bom: number) {
  if (!start.includes('\n') && /\r./.test(start)) {
    throw new UsersProblem(`${name} ends its lines with CR alone, as old Macs did: save it with LF or CR LF.`)
  }
  const delimiter = delimiterOf(start.split(/\r?\n/, 1)[0] ?? '')
  const header = await firstRecord(path, csvFormat(delimiter), { offset: bom, line: 1, rows: 0 })
  if (header === null || header.fault !== undefined) {
    throw new UsersProblem(`${name}: the header, line ${header?.line ?? 1}, ${header?.fault ?? 'is missing'}.`)
  }
  const columns = parseCsv(header.text, delimiter).map((column) => column.trim())
  const twice = columns.find((column, i) => columns.indexOf(column) !== i)
  if (twice !== undefined) throw new UsersProblem(`${name}: the header has the column ${twice} twice.`)
  const parse = ({ text }: RawRecord) => {
    const fields = parseCsv(text, delimiter)
    if (fields.length !== columns.length) return `has ${fields.length} fields, and the header ${columns.length}`
    return Object.fromEntries(columns.map((column, i) => [column, fields[i]]))
  }
  const format = csvFormat(delimiter, columns.length)
  return { kind: 'CSV', columns, format, begin: { ...header.next, rows: 0 }, parse } as const
}

async function firstRecord(path: string, format: Format, from: Position): Promise<RawRecord | null> {
  for await (const record of readRecords(path, format, from)) return record
  return null
}

function parseObject({ text }: RawRecord): Row | string {
  let value: unknown
  try {
    value = parseJson(text)
  } catch {
    // The message of the parser is left out, since it quotes the row, which may have a hash.
    return 'is no JSON'
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Row) : 'is no JSON object'
}
