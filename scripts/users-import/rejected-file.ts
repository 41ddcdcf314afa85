/** The bad rows of an import, in a list beside its file: a line each, with the line of the file, by what the row is known, and why it was refused. */

import { closeSync, fstatSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs'

import { jsonLine } from '../users/printable.ts'
import { UsersProblem } from '../users/problem.ts'
import type { Refusal } from './batches.ts'

export interface RejectedFile {
  readonly path: string
  /** Appends rows, and returns how long the file is now. */
  readonly append: (refusals: readonly Refusal[]) => number
  readonly close: () => void
}

/**
 * Where the list of an import is: beside its input. Its name has a part of the import's key, since with other options, or in another Tessera,
 * the same file has other bad rows; and a check has a list of its own.
 */
export function rejectedPath(input: string, key: string, isDryRun: boolean): string {
  return `${input}.${isDryRun ? 'checked' : 'rejected'}-${key.slice(0, 8)}.jsonl`
}

/**
 * Opens a list, with `keptBytes` of what a former run wrote. Without any bad row there is no file. Throws `UsersProblem`, also where those bytes
 * are not there any more: the rows that they name would be in no list.
 */
export function openRejected(path: string, keptBytes: number): RejectedFile {
  let length = keptBytes
  let file: number | null = null
  try {
    if (keptBytes === 0) {
      rmSync(path, { force: true })
    } else {
      file = openSync(path, 'r+', 0o600)
      if (fstatSync(file).size < keptBytes) throw gone(path)
      // A run that was killed may have written rows whose batch is sent again.
      ftruncateSync(file, keptBytes)
    }
  } catch (error) {
    if (error instanceof UsersProblem) throw error
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw gone(path)
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

function gone(path: string): UsersProblem {
  return new UsersProblem(
    `${path} is not there as a former run left it: put it back, or say --restart to begin with the first row.`,
  )
}
