/** The bad rows of an import, FILE.rejected.jsonl: a line each, with the line of the file, by what the row is known, and why it was refused. */

import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs'

import { jsonLine } from '../users/printable.ts'
import { UsersProblem } from '../users/problem.ts'
import type { Refusal } from './batches.ts'

export interface RejectedFile {
  readonly path: string
  /** Appends rows, and returns how long the file is now. */
  readonly append: (refusals: readonly Refusal[]) => number
  readonly close: () => void
}

/** Opens the file beside an input, with `keptBytes` of what a former run wrote. Without any bad row there is no file. */
export function openRejected(input: string, keptBytes: number): RejectedFile {
  const path = `${input}.rejected.jsonl`
  let length = keptBytes
  let file: number | null = null
  try {
    if (keptBytes === 0) {
      rmSync(path, { force: true })
    } else {
      file = openSync(path, 'r+', 0o600)
      // A run that was killed may have written rows whose batch is sent again.
      ftruncateSync(file, keptBytes)
    }
  } catch (error) {
    throw new UsersProblem(`${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`)
  }
  return {
    path,
    append(refusals) {
      if (refusals.length === 0) return length
      file ??= openSync(path, 'w', 0o600)
      const bytes = Buffer.from(refusals.map((refusal) => `${jsonLine(refusal)}\n`).join(''))
      for (let written = 0; written < bytes.length;) {
        written += writeSync(file, bytes, written, bytes.length - written, length + written)
      }
      length += bytes.length
      return length
    },
    close() {
      if (file !== null) closeSync(file)
    },
  }
}
