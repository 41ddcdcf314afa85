/** Where `npm start` serves, for the other commands of this checkout: .wrangler/serving.json, as long as it runs. */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import * as z from 'zod/mini'

import { root } from './wrangler.ts'

const file = join(root, '.wrangler/serving.json')

const Serving = z.object({ url: z.string(), pid: z.number() })

/** Notes where this process serves, BASE_PATH included. A later start in this folder takes the note over. */
export function noteServing(url: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify({ url, pid: process.pid })}\n`)
}

/** Takes this process's note back. */
export function forgetServing(): void {
  if (readNote()?.pid === process.pid) rmSync(file, { force: true })
}

/** The address that is served from this checkout. Undefined where nothing is, or by a bare `wrangler dev`. */
export function servedUrl(): string | undefined {
  const note = readNote()
  return note !== undefined && isAlive(note.pid) ? note.url : undefined
}

function readNote(): z.infer<typeof Serving> | undefined {
  try {
    return Serving.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Another user's process is alive, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
