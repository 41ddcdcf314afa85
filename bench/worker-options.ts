/** What `wrangler.toml` says of the Worker, in the words of miniflare: what runs here is bound and dated as in production. */

import { join } from 'node:path'

import { unstable_getMiniflareWorkerOptions } from 'wrangler'

import { root } from '../scripts/wrangler.ts'

export interface WorkerOptions {
  readonly compatibilityDate: string
  readonly compatibilityFlags: string[]
  readonly bindings: Readonly<Record<string, string>>
  readonly [option: string]: unknown
}

export function readWorkerOptions(): WorkerOptions {
  const { workerOptions } = unstable_getMiniflareWorkerOptions(join(root, 'wrangler.toml'))
  // Miniflare serves static assets by a Worker before ours, whose CPU would be counted as ours.
  const { assets: _assets, ...options } = workerOptions
  // Wrangler types most of this configuration as unknown.
  return options as unknown as WorkerOptions
}
