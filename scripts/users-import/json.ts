/** JSON lines, and the objects of one JSON array, each found in bytes so that its place in the file is known. */

import type { Format, Scan } from './records.ts'

const LF = 0x0a
const CR = 0x0d
const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, COMMA] = Buffer.from('"\\{}[],')

/** One JSON value a line. */
export const JSON_LINES: Format = {
  scan(bytes, start, isEnd) {
    const lineEnd = bytes.indexOf(LF, start)
    if (lineEnd < 0) return isEnd ? { end: bytes.length, from: start, to: bytes.length } : 'more'
    return { end: lineEnd + 1, from: start, to: bytes[lineEnd - 1] === CR && lineEnd > start ? lineEnd - 1 : lineEnd }
  },
}

/** The objects of an array, from behind its bracket on. */
export const JSON_ARRAY: Format = {
  scan(bytes, start, isEnd): Scan {
    let from = start
    while (from < bytes.length && isBetween(bytes[from])) from++
    if (from === bytes.length) return isEnd ? 'end' : 'more'
    if (bytes[from] === CLOSE_LIST) return 'end'
    if (bytes[from] !== OPEN) return firstLine(bytes, from, 'is no object of the array', isEnd)
    const end = endOfObject(bytes, from)
    if (end > 0) return { end, from, to: end }
    return isEnd ? firstLine(bytes, from, 'begins an object that does not end', isEnd) : 'more'
  },
}

/** The index behind the object that begins at `from`; 0 where its end is not there. */
function endOfObject(bytes: Buffer, from: number): number {
  let depth = 0
  let isText = false
  for (let i = from; i < bytes.length; i++) {
    const byte = bytes[i]
    if (isText) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) isText = false
    } else if (byte === QUOTE) {
      isText = true
    } else if (byte === OPEN || byte === OPEN_LIST) {
      depth++
    } else if (byte === CLOSE || byte === CLOSE_LIST) {
      depth--
      if (depth === 0) return i + 1
    }
  }
  return 0
}

function isBetween(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === LF || byte === CR || byte === COMMA
}

function firstLine(bytes: Buffer, from: number, fault: string, isEnd: boolean): Scan {
  const lineEnd = bytes.indexOf(LF, from)
  if (lineEnd < 0 && !isEnd) return 'more'
  const end = lineEnd < 0 ? bytes.length : lineEnd + 1
  return { end, from, to: end, fault }
}
