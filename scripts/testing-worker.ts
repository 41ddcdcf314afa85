/** The Worker of `tessera/testing` as the package ships it: bundled, with what `wrangler.toml` binds, and with the migrations. */

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from 'wrangler'

import type { PackedWorker } from '../src/testing/serve.ts'
import { bundleModules } from './bundle.ts'
import { root } from './wrangler.ts'

/** Writes it into a folder. */
export async function writeTestingWorker(folder: string): Promise<void> {
  const worker = join(folder, 'worker')
  await bundleModules('src/testing/worker.ts', worker)
  for (const name of readdirSync(worker).filter((file) => file.endsWith('.map'))) rmSync(join(worker, name))
  writeFileSync(join(folder, 'worker.json'), JSON.stringify({ options: readOptions(), migrations: readMigrations() }))
}

function readOptions(): PackedWorker['options'] {
  const config = join(root, 'wrangler.toml')
  const { workerOptions } = unstable_getMiniflareWorkerOptions(config)
  // Wrangler types most of this configuration as unknown.
  const options = workerOptions as unknown as PackedWorker['options']
  const { compatibilityDate, compatibilityFlags, d1Databases, queueProducers, queueConsumers } = options
  // Its bindings have the secrets of .dev.vars among them, which must not be packed.
  const { vars } = unstable_readConfig({ config })
  const bindings = Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, String(value)]))
  // Without its limits: all of a test comes from one address.
  return { compatibilityDate, compatibilityFlags, bindings, d1Databases, queueProducers, queueConsumers }
}

function readMigrations(): PackedWorker['migrations'] {
  const folder = join(root, 'migrations')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .toSorted()
    .map((name) => ({
      name,
      statements: readFileSync(join(folder, name), 'utf8')
        .split('--> statement-breakpoint')
        .map((sql) => sql.trim())
        .filter((sql) => sql !== ''),
    }))
}
