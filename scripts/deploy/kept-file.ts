/**
 * Files of a deployment, in `.deploy/NAME`, which git ignores. They appear whole or not at all, whenever a run is killed, and
 * only their owner may read them.
 */

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

import { DeployProblem } from './problem.ts'

export function keepFile(path: string, content: object): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeWhole(path, `${JSON.stringify(content, null, 2)}\n`)
}

/** Writes a text in the place of a file that is there or not, in a folder that is. */
export function writeWhole(path: string, text: string): void {
  const whole = `${path}.new`
  // `mode` counts for new files only, so that one which a killed run left behind is removed first.
  rmSync(whole, { force: true })
  writeFileSync(whole, text, { mode: 0o600 })
  renameSync(whole, path)
}

/** The parsed content; `null` without a file. Throws `DeployProblem` for a file that is no JSON. */
export function readKept(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
  try {
    return JSON.parse(text)
  } catch {
    // The message of the parser is left out, since it quotes the text, which may be a secret.
    throw new DeployProblem(`${path} is no JSON: mend it, or move it away.`)
  }
}
