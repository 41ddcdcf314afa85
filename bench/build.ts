/** Bundles: what a deploy would upload, of Tessera and of the floors alike. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { bundleModules, ENTRY } from '../scripts/bundle.ts'
import { root } from '../scripts/wrangler.ts'

export interface BundleModule {
  readonly name: string
  readonly type: ModuleType
  readonly contents: Uint8Array
  /** The files that are in it, from the repository's root. */
  readonly sources: readonly string[]
  /** Every isolate loads it: the entry point, or what that imports at once. Others are loaded when they are met. */
  readonly isCore: boolean
}

export interface Bundle {
  readonly name: string
  /** The entry point goes first, which is how the runtime finds it. */
  readonly modules: readonly BundleModule[]
}

export type ModuleType = 'ESModule' | 'CompiledWasm' | 'Data' | 'Text'

/** The rules of wrangler.toml, and those that wrangler has by itself. */
const TYPES: Readonly<Record<string, ModuleType>> = { js: 'ESModule', wasm: 'CompiledWasm', bin: 'Data', txt: 'Text' }

/** Bundles the Worker, or another entry point in its place; of another checkout where one is given. */
export async function bundle(name: string, outdir: string, entry = 'src/index.ts', checkout = root): Promise<Bundle> {
  const outputs = await bundleModules(entry, outdir, checkout)
  const core = new Set([ENTRY])
  // A set goes on with what is added to it meanwhile.
  for (const met of core)
    for (const imported of outputs.find((one) => one.name === met)?.imports ?? []) core.add(imported)
  const modules = outputs.map((output): BundleModule => {
    const type = TYPES[output.name.slice(output.name.lastIndexOf('.') + 1)]
    if (type === undefined) throw new Error(`of which type is ${output.name}?`)
    const contents = readFileSync(join(outdir, output.name))
    return { name: output.name, type, contents, sources: output.sources, isCore: core.has(output.name) }
  })
  return { name, modules: modules.toSorted((a, b) => Number(b.name === ENTRY) - Number(a.name === ENTRY)) }
}

/** KiB of gzip that the scripts of a bundle's core take, together, as wrangler counts an upload; its WebAssembly is not counted. */
export function coreKiB({ modules }: Bundle): number {
  const scripts = modules.filter(({ type, isCore }) => type === 'ESModule' && isCore)
  return gzipSync(Buffer.concat(scripts.map(({ contents }) => contents))).length / 1024
}
