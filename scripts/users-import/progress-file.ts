/**
 * How far an import came: .users-import/KEY.json, written after every batch that the server has answered for. A run that is killed, at any
 * moment, loses nothing but the answers that it had not read; the same command sends those rows again, and goes on.
 */

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import * as z from 'zod/mini'

import { UsersProblem } from '../users/problem.ts'
import { root } from '../wrangler.ts'
import type { Refusal } from './batches.ts'
import type { Input } from './input.ts'

const FOLDER = '.users-import'

const Counts = z.object({
  rows: z.number(),
  created: z.number(),
  exists: z.number(),
  refused: z.number(),
  leftOut: z.number(),
})
export type Counts = z.infer<typeof Counts>

const Progress = z.object({
  identity: z.object({ size: z.number(), mtimeMs: z.number(), start: z.string() }),
  position: z.object({ offset: z.number(), line: z.number(), rows: z.number() }),
  counts: Counts,
  /** The first bad rows, for the summary. */
  first: z.array(z.custom<Refusal>()),
  /** How long the file of bad rows was. */
  rejectedBytes: z.number(),
  /** How long the runs so far took. */
  seconds: z.number(),
})
export type Progress = z.infer<typeof Progress>

export interface ProgressFile {
  /** Stands for the import: the input, the Tessera and the options. */
  readonly key: string
  /** What a former run of the same command left; `null` for none, and for one of a file that has changed since. */
  readonly found: Progress | null
  readonly hasChanged: boolean
  readonly keep: (progress: Progress) => void
  /** Deletes the file: the import is done. */
  readonly finish: () => void
  /** Lets another run of the same command begin. */
  readonly release: () => void
}

/** Opens the file of an import: of one input, into one Tessera, with the same options. Throws `UsersProblem` while another run has it. */
export function openProgress(
  input: Pick<Input, 'path' | 'identity'>,
  url: string,
  options: unknown,
  folder = join(root, FOLDER),
): ProgressFile {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const key = createHash('sha256')
    .update(JSON.stringify([input.path, url, options]))
    .digest('hex')
    .slice(0, 16)
  const file = join(folder, `${key}.json`)
  const lock = join(folder, `${key}.lock`)
  takeLock(lock)
  const found = readProgress(file)
  const { identity } = input
  const isSame =
    found !== null &&
    found.identity.size === identity.size &&
    found.identity.mtimeMs === identity.mtimeMs &&
    found.identity.start === identity.start
  return {
    key,
    found: isSame ? found : null,
    hasChanged: found !== null && !isSame,
    keep(progress) {
      // A rename is there or not, whenever this process ends.
      writeFileSync(`${file}.new`, `${JSON.stringify(progress)}\n`, { mode: 0o600 })
      renameSync(`${file}.new`, file)
    },
    finish() {
      rmSync(file, { force: true })
    },
    release() {
      rmSync(lock, { force: true })
    },
  }
}

/** Two runs of one import would each count what the other one made. A lock whose process is gone is one of a run that was killed. */
function takeLock(lock: string): void {
  for (;;) {
    try {
      return writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o600 })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    const owner = Number(readFileSync(lock, 'utf8'))
    if (owner > 0 && owner !== process.pid && isAlive(owner)) {
      throw new UsersProblem(`This import runs already, in the process ${owner}.`)
    }
    rmSync(lock, { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function readProgress(file: string): Progress | null {
  try {
    return Progress.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return null
  }
}
