/** The package as a stranger has it, for tests of its test kit: packed into a folder of its own, so that tests may run beside each other. */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

import type * as Testing from '../../src/testing/testing.ts'
import { root } from '../../scripts/wrangler.ts'

export interface PackedKit {
  /** What `npm pack` made. */
  readonly tarball: string
  /** The files that are in it. */
  readonly folder: string
  readonly startTessera: typeof Testing.startTessera
}

/** Packs it, into the folder of this name. Takes some seconds. */
export async function packKit(name: string): Promise<PackedKit> {
  const folder = join(root, '.wrangler/test-packages', name)
  const printed = execFileSync('npm', ['run', '--silent', 'package', '--', folder], { cwd: root, encoding: 'utf8' })
  const { startTessera } = (await import(join(folder, 'package/testing.js'))) as typeof Testing
  return { tarball: join(root, printed.trim().split('\n').at(-1) ?? ''), folder: join(folder, 'package'), startTessera }
}
