/**
 * The records of a file, one after the other, each with its place: where a run that was killed goes on, and which line a bad row stands in.
 * No more of the file is in memory than a few of its parts, however long it is.
 */

import { createReadStream } from 'node:fs'

/** A place between two records. Lines are those of the file, counted from 1. */
export interface Position {
  readonly offset: number
  readonly line: number
  /** How many records are before it. */
  readonly rows: number
}

export interface RawRecord {
  /** The line that it begins in. */
  readonly line: number
  /** Which one of the file it is, counted from 1. */
  readonly row: number
  readonly text: string
  /** Why it cannot be read, in words that follow its line. */
  readonly fault?: string
  /** Where the next one begins. */
  readonly next: Position
}

/** Passes over bytes of a bad record: to the index that it returns, which is the end of the record where `isOver`. */
export type Skip = (bytes: Buffer, start: number) => { readonly end: number; readonly isOver: boolean }

export type Scan =
  /** A record between `from` and `to`, with the next one at `end`. */
  | { readonly end: number; readonly from: number; readonly to: number; readonly fault?: string }
  /** A bad record that begins at `from`, and ends where `skip` says. */
  | { readonly from: number; readonly fault: string; readonly skip: Skip }
  /** A record begins there, and its end is not there yet. */
  | { readonly more: number }
  /** There are no others; the index behind the bracket that says so. */
  | { readonly over: number }

export interface Format {
  /** Finds the record at `start`. `isEnd`: there are no bytes behind these. */
  readonly scan: (bytes: Buffer, start: number, isEnd: boolean) => Scan
  /** How a record is passed over that begins at `from`, and is too long to be held. */
  readonly skipLong: (bytes: Buffer, start: number, from: number) => Skip
  /** Of records within brackets: the index of the first byte behind those which does not belong there. */
  readonly behind?: (bytes: Buffer, start: number) => number
}

/** A row that is longer than this is a bad one: nobody's account is, and it would not fit into a request. */
export const MAX_ROW_BYTES = 262_144
const CHUNK_BYTES = 262_144
const LF = 0x0a

const TOO_LONG = `is part of a row that is longer than ${MAX_ROW_BYTES / 1024} KiB, or has a quote that is not closed`
const NOTHING_BEHIND = ': nothing behind it is read'

/** Passes to the next line. */
export const skipLine: Skip = (bytes, start) => {
  const lineEnd = bytes.indexOf(LF, start)
  return lineEnd < 0 ? { end: bytes.length, isOver: false } : { end: lineEnd + 1, isOver: true }
}

const skipAll: Skip = (bytes) => ({ end: bytes.length, isOver: false })

/** Reads the records from a place on, so many bytes at a time. Lines without anything are none. Throws what reading a file throws. */
export async function* readRecords(
  path: string,
  format: Format,
  from: Position,
  chunkBytes = CHUNK_BYTES,
): AsyncGenerator<RawRecord> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let { offset, line, rows } = from
  let bytes: Buffer = Buffer.alloc(0)
  let start = 0
  /** The bad record whose end is looked for. */
  let skipped: { readonly line: number; readonly fault: string; readonly skip: Skip } | null = null
  /** Whether the brackets around the records are closed, or no bracket is looked for any more. */
  let isClosed = format.behind === undefined

  function* take(isEnd: boolean): Generator<RawRecord> {
    for (;;) {
      if (start === bytes.length && (skipped === null || !isEnd)) return
      if (skipped !== null) {
        const { end, isOver } = skipped.skip(bytes, start)
        pass(isOver || !isEnd ? end : bytes.length)
        if (!isOver && !isEnd) return
        const isCut = !isOver && format.behind !== undefined
        isClosed ||= isCut
        const bad = skipped
        skipped = null
        yield record(bad.line, { text: '', fault: isCut ? `${bad.fault}${NOTHING_BEHIND}` : bad.fault })
        continue
      }
      if (isClosed && format.behind !== undefined) {
        pass(format.behind(bytes, start))
        if (start < bytes.length) skipped = { line, fault: 'stands behind the end of the array', skip: skipAll }
        continue
      }
      const found = scanBounded(format, bytes, start, isEnd)
      if ('more' in found) return
      if ('over' in found) {
        isClosed = true
        pass(found.over)
        continue
      }
      const firstLine = line + countLines(bytes, start, found.from)
      if ('skip' in found) {
        pass(found.from)
        skipped = { line: firstLine, fault: found.fault, skip: found.skip }
        continue
      }
      const content = bytes.subarray(found.from, found.to)
      pass(found.end)
      if (found.fault !== undefined) yield record(firstLine, { text: '', fault: found.fault })
      else if (!isBlank(content)) yield record(firstLine, decode(decoder, content))
    }
  }

  function pass(end: number): void {
    line += countLines(bytes, start, end)
    offset += end - start
    start = end
  }

  function record(firstLine: number, content: { readonly text: string; readonly fault?: string }): RawRecord {
    rows++
    return { line: firstLine, row: rows, ...content, next: { offset, line, rows } }
  }

  let hasRead = false
  for await (const chunk of createReadStream(path, { start: offset, highWaterMark: chunkBytes })) {
    hasRead = true
    bytes = Buffer.concat([bytes.subarray(start), chunk as Buffer])
    start = 0
    yield* take(false)
  }
  yield* take(true)
  // A file that was cut off between two rows is told from a whole one by its bracket alone.
  if (hasRead && !isClosed)
    yield record(line, { text: '', fault: 'is where the file ends, before the end of the array' })
}

/** A scan that does not wait for the end of a record which is too long. */
function scanBounded(format: Format, bytes: Buffer, start: number, isEnd: boolean): Scan {
  const found = format.scan(bytes, start, isEnd)
  if ('over' in found || 'skip' in found) return found
  const [from, to] = 'more' in found ? [found.more, bytes.length] : [found.from, found.to]
  if (to - from <= MAX_ROW_BYTES) return found
  return { from, fault: TOO_LONG, skip: format.skipLong(bytes, start, from) }
}

function countLines(bytes: Buffer, from: number, to: number): number {
  const part = bytes.subarray(from, to)
  let count = 0
  for (let i = part.indexOf(LF); i >= 0; i = part.indexOf(LF, i + 1)) count++
  return count
}

function isBlank(content: Buffer): boolean {
  return content.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}

function decode(decoder: TextDecoder, content: Buffer): { text: string; fault?: string } {
  try {
    return { text: decoder.decode(content) }
  } catch {
    return { text: '', fault: 'is not UTF-8' }
  }
}
