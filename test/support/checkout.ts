/** A fresh copy of this repository, as a clone of it would be, to run its scripts in. */

import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** Where `scripts/launch.mjs` has Node keep what it compiled: for tests that start its scripts without it. */
export const COMPILE_CACHE = join(root, 'node_modules/.cache/node')

/** Copies every file that git would keep, but for the tests. With `installed`, the copy shares this installation. */
export function copyCheckout(name: string, { installed }: { installed: boolean }): string {
  const folder = mkdtempSync(join(tmpdir(), `tessera-${name}-`))
  const files = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  for (const file of files.split('\0').filter((path) => path !== '' && !path.startsWith('test/'))) {
    cpSync(join(root, file), join(folder, file))
  }
  if (installed) symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}
