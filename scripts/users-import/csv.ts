/**
 * CSV as RFC 4180 has it, with `\n` or `\r\n`, and a comma, a semicolon or a tab between fields. A record is found in bytes, so that its place in
 * the file is known; only its own bytes are decoded.
 */

import { type Format, type Scan, skipLine } from './records.ts'

const QUOTE = 0x22
const LF = 0x0a
const CR = 0x0d

export const DELIMITERS = [',', ';', '\t'] as const

/** How records of so many fields follow each other. Without `fields`, the first one says how many there are. */
export function csvFormat(delimiter: string, fields?: number): Format {
  const separator = delimiter.charCodeAt(0)
  return { scan: (bytes, start, isEnd) => scanCsv(bytes, start, isEnd, separator, fields), skipLong: () => skipLine }
}

/**
 * Finds the record that begins at `start`. One that is broken ends with its first line: a quote that nobody closed must not swallow the
 * rows behind it.
 */
function scanCsv(bytes: Buffer, start: number, isEnd: boolean, separator: number, fields: number | undefined): Scan {
  let state: 'start' | 'plain' | 'quoted' | 'closed' = 'start'
  let count = 1
  let isMultiline = false
  for (let i = start; i < bytes.length; i++) {
    const byte = bytes[i]
    if (state === 'quoted') {
      if (byte === QUOTE) state = 'closed'
      else if (byte === LF) isMultiline = true
    } else if (byte === LF) {
      return isMultiline && fields !== undefined && count !== fields
        ? firstLine(bytes, start, OPEN_QUOTE)
        : { end: i + 1, from: start, to: bytes[i - 1] === CR && i > start ? i - 1 : i }
    } else if (byte === separator) {
      state = 'start'
      count++
    } else if (byte === QUOTE && (state === 'start' || state === 'closed')) {
      state = 'quoted'
    } else if (state === 'closed' && byte !== CR) {
      return firstLine(bytes, start, 'has a quote in the middle of a field: a quote within quotes is written twice')
    } else if (state === 'start') {
      state = 'plain'
    }
  }
  if (!isEnd) return { more: start }
  if (state === 'quoted') return firstLine(bytes, start, OPEN_QUOTE)
  if (isMultiline && fields !== undefined && count !== fields) return firstLine(bytes, start, OPEN_QUOTE)
  return { end: bytes.length, from: start, to: bytes.length }
}

const OPEN_QUOTE = 'has a quote that is not closed'

function firstLine(bytes: Buffer, start: number, fault: string): Scan {
  const lineEnd = bytes.indexOf(LF, start)
  const end = lineEnd < 0 ? bytes.length : lineEnd + 1
  return { end, from: start, to: end, fault }
}

/** The fields of one record, without its line break. */
export function parseCsv(text: string, delimiter: string): readonly string[] {
  const fields: string[] = []
  for (let i = 0; i <= text.length;) {
    if (text[i] === '"') {
      let value = ''
      let end = i + 1
      for (;;) {
        const quote = text.indexOf('"', end)
        if (quote < 0) return [...fields, value + text.slice(end)]
        value += text.slice(end, quote)
        if (text[quote + 1] !== '"') {
          end = quote + 1
          break
        }
        value += '"'
        end = quote + 2
      }
      fields.push(value)
      i = end + 1
      if (end >= text.length) return fields
    } else {
      const next = text.indexOf(delimiter, i)
      fields.push(text.slice(i, next < 0 ? text.length : next))
      if (next < 0) return fields
      i = next + 1
    }
  }
  return fields
}

/** The delimiter that a header has most of. */
export function delimiterOf(header: string): string {
  const counts = DELIMITERS.map((delimiter) => parseCsv(header, delimiter).length)
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ','
}
