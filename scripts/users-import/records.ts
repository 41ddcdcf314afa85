/**
 * The records of a file, one after the other, each with its place: where a run that was killed goes on, and which line a bad row stands in.
 * No more of the file is in memory than a few of its parts, however long it is.
 */

import { createReadStream } from 'node:fs'

/** A place between two records. Lines are those of the file, counted from 1. */
export interface Position {
  readonly offset: number
  readonly line: number
}

export interface RawRecord {
  /** The line that it begins in. */
  readonly line: number
  readonly text: string
  /** Why it cannot be read, in words that follow its line. */
  readonly fault?: string
  /** Where the next one begins. */
  readonly next: Position
}

/** A record between `from` and `to`, with the next one at `end`; `more` where its end is not there yet, `end` where there are no others. */
export type Scan =
  | { readonly end: number; readonly from: number; readonly to: number; readonly fault?: string }
  | 'more'
  | 'end'

export interface Format {
  /** Finds the record at `start`. `isEnd`: there are no bytes behind these. */
  readonly scan: (bytes: Buffer, start: number, isEnd: boolean) => Scan
}

/** A row that is longer than this is a bad one: nobody's account is, and it would not fit into a request. */
export const MAX_ROW_BYTES = 262_144
const CHUNK_BYTES = 262_144
const LF = 0x0a

/** Reads the records from a place on, so many bytes at a time. Lines without anything are none. Throws what reading a file throws. */
export async function* readRecords(
  path: string,
  format: Format,
  from: Position,
  chunkBytes = CHUNK_BYTES,
): AsyncGenerator<RawRecord> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let { offset, line } = from
  let bytes: Buffer = Buffer.alloc(0)
  let start = 0
  /** Whether what follows is the rest of a line that is too long. */
  let isSkipping = false

  function* take(isEnd: boolean): Generator<RawRecord> {
    while (start < bytes.length) {
      if (isSkipping) {
        const lineEnd = bytes.indexOf(LF, start)
        const end = lineEnd < 0 ? bytes.length : lineEnd + 1
        isSkipping = lineEnd < 0
        pass(end)
        continue
      }
      const found = scanBounded(format, bytes, start, isEnd)
      if (found === 'more') return
      if (found === 'end') return pass(bytes.length)
      const firstLine = line + countLines(bytes, start, found.from)
      const content = bytes.subarray(found.from, found.to)
      isSkipping = found.isCut === true
      pass(found.end)
      const next = { offset, line }
      if (found.fault !== undefined) yield { line: firstLine, text: '', fault: found.fault, next }
      else if (!isBlank(content)) yield { line: firstLine, ...decode(decoder, content), next }
    }
  }

  function pass(end: number): void {
    line += countLines(bytes, start, end)
    offset += end - start
    start = end
  }

  for await (const chunk of createReadStream(path, { start: offset, highWaterMark: chunkBytes })) {
    bytes = Buffer.concat([bytes.subarray(start), chunk as Buffer])
    start = 0
    yield* take(false)
  }
  yield* take(true)
}

/** A scan that does not wait for the end of a record which is too long: its first line is a bad row, and the next line is tried. */
function scanBounded(format: Format, bytes: Buffer, start: number, isEnd: boolean) {
  const found: Exclude<Scan, 'more'> | 'more' = format.scan(bytes, start, isEnd)
  const length = typeof found === 'string' ? bytes.length - start : found.to - found.from
  if (length <= MAX_ROW_BYTES || found === 'end') return found as Scan & { readonly isCut?: boolean }
  const lineEnd = bytes.indexOf(LF, start)
  const fault = `is part of a row that is longer than ${MAX_ROW_BYTES / 1024} KiB, or has a quote that is not closed`
  const end = lineEnd < 0 ? bytes.length : lineEnd + 1
  return { end, from: start, to: end, fault, isCut: lineEnd < 0 }
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
