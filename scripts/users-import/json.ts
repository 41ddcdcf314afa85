/** JSON lines, and the objects of one JSON array, each found in bytes so that its place in the file is known. */

import { createReader } from './json-reader.ts'
import { type Format, type Skip, skipLine } from './records.ts'

const LF = 0x0a
const CR = 0x0d
const [OPEN, CLOSE, CLOSE_LIST, COMMA] = Buffer.from('{}],')

/** One JSON value a line. */
export const JSON_LINES: Format = {
  scan(bytes, start, isEnd) {
    const lineEnd = bytes.indexOf(LF, start)
    if (lineEnd < 0) return isEnd ? { end: bytes.length, from: start, to: bytes.length } : { more: start }
    return { end: lineEnd + 1, from: start, to: bytes[lineEnd - 1] === CR && lineEnd > start ? lineEnd - 1 : lineEnd }
  },
  skipLong: () => skipLine,
}

/** The objects of an array, from behind its bracket on. */
export const JSON_ARRAY: Format = {
  scan(bytes, start, isEnd) {
    let from = start
    while (from < bytes.length && (isBlank(bytes[from]) || bytes[from] === COMMA)) from++
    if (from === bytes.length) return isEnd ? { end: from, from, to: from } : { more: from }
    if (bytes[from] === CLOSE_LIST) return { over: from + 1 }
    const end = createReader()(bytes, from)
    if (end === 'more' && !isEnd) return { more: from }
    if (typeof end !== 'number') return { from, fault: 'is a broken object', skip: skipElement(bytes, start, from) }
    return { end, from, to: end, ...(bytes[from] !== OPEN && { fault: 'is no object of the array' }) }
  },
  skipLong: skipElement,
  behind(bytes, start) {
    let from = start
    while (from < bytes.length && (isBlank(bytes[from]) || bytes[from] === CLOSE)) from++
    return from
  },
}

/**
 * Passes over an element that begins at `from`: to its end, or to a line that begins an object as far from the margin as this one, which no
 * object within this one does. Where an element is broken, nobody can say where it ends: an object within it would be taken for a row.
 */
function skipElement(head: Buffer, start: number, from: number): Skip {
  const before = head.toString('latin1', start, from)
  const margin = marginOf(before.slice(before.lastIndexOf('\n') + 1))
  const reader = createReader()
  return (bytes, begin) => {
    const read = reader(bytes, begin)
    for (let lineEnd = bytes.indexOf(LF, begin); lineEnd >= 0; lineEnd = bytes.indexOf(LF, lineEnd + 1)) {
      if (typeof read === 'number' && read <= lineEnd) break
      const line = bytes.toString('latin1', lineEnd + 1, lineEnd + 1 + MAX_MARGIN)
      const next = /^[ \t]*,?[ \t]*(?=(.?))/s.exec(line)
      // What follows a line break at the end of these bytes is looked at together with the next ones.
      if (next?.[1] === '' && line.length < MAX_MARGIN && typeof read !== 'number')
        return { end: lineEnd, isOver: false }
      if (next?.[1] === '{' && marginOf(line) === margin) return { end: lineEnd + 1, isOver: true }
    }
    return typeof read === 'number' ? { end: read, isOver: true } : { end: bytes.length, isOver: false }
  }
}

/** More blanks are not looked at for where an object begins. */
const MAX_MARGIN = 1024

function marginOf(line: string): string {
  return /^[ \t]*/.exec(line)?.[0] ?? ''
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === LF || byte === CR
}
