/** Makes a folder what a build says it is, while others read it. */

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** What the name of a file ends in that is being written. */
const HALF = '.new'

/**
 * Writes what changed, each file whole or not at all, and removes what is over: another wrangler of this checkout may be reading
 * the folder, and the same sources make the same files. A name may have folders in it, parted by slashes.
 */
export function replaceFiles(folder: string, files: readonly (readonly [name: string, contents: Uint8Array])[]): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, contents] of files) {
    const path = join(folder, name)
    if (existsSync(path) && readFileSync(path).equals(contents)) continue
    mkdirSync(dirname(path), { recursive: true })
    const whole = `${path}.${process.pid}${HALF}`
    writeFileSync(whole, contents)
    renameSync(whole, path)
  }
  const names = new Set(files.map(([name]) => name))
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory())
  // Half a file may be that of another wrangler.
  const over = found
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => !names.has(relative(folder, path).replaceAll('\\', '/')) && !path.endsWith(HALF))
  for (const path of over) rmSync(path, { force: true })
}
