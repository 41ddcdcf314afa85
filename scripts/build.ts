/**
 * What wrangler runs before it deploys or serves the Worker, and at each change while it serves: the custom build of
 * wrangler.toml. `wrangler dev` gets the playground as well; no other command does.
 */

import { join } from 'node:path'

import { bundleModules } from './bundle.ts'
import { buildAssets } from './reference/assets.ts'
import { root } from './wrangler.ts'

const dist = join(root, 'dist')

try {
  buildAssets(join(dist, 'assets'))
  await bundleModules('src/index.ts', join(dist, 'worker'))
  if (process.env['WRANGLER_COMMAND'] === 'dev') await bundleModules('src/dev/index.ts', join(dist, 'playground'))
} catch {
  // esbuild has printed what is wrong, and where.
  process.exitCode = 1
}
