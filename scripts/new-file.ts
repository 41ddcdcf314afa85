/** Files with secrets that are made once: an existing one is never overwritten, and nobody else may read them. */

import { writeFileSync } from 'node:fs'

/** Writes a file that only its owner may read. False when it exists already; then it stays as it is. */
export function writeNewFile(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}
