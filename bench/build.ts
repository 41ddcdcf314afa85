/** Bundles: what a deploy would upload, of Tessera and of the floors alike. */

import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

import { root, runWrangler } from '../scripts/wrangler.ts'

export interface BundleModule {
  readonly name: string
  readonly type: 'ESModule' | 'CompiledWasm'
  readonly contents: Uint8Array
}

export interface Bundle {
  readonly name: string
  readonly modules: readonly BundleModule[]
  /** The files that were bundled, from the repository's root. */
  readonly sources: readonly string[]
}

/** Bundles the Worker of `wrangler.toml`, or another entry point in its place; of another checkout where one is given. */
export async function bundle(name: string, outdir: string, entry?: string, checkout = root): Promise<Bundle> {
  rmSync(outdir, { recursive: true, force: true })
  const script = entry === undefined ? [] : [entry]
  const { ok, output } = await runWrangler(
    [
      'deploy',
      ...script,
      '--config',
      join(checkout, 'wrangler.toml'),
      '--dry-run',
      '--minify',
      '--metafile',
      '--outdir',
      outdir,
    ],
    false,
  )
  if (!ok) throw new Error(`bundling ${name} failed:\n${output}`)
  const files = readdirSync(outdir).filter((file) => /\.(?:js|wasm)$/.test(file))
  const modules = files.map((file): BundleModule => {
    const type = file.endsWith('.wasm') ? 'CompiledWasm' : 'ESModule'
    return { name: file, type, contents: readFileSync(join(outdir, file)) }
  })
  const metafile = JSON.parse(readFileSync(join(outdir, 'bundle-meta.json'), 'utf8')) as { inputs: object }
  const sources = Object.keys(metafile.inputs)
  // The entry point goes first, which is how the runtime finds it.
  return {
    name,
    sources,
    modules: modules.toSorted((a, b) => Number(b.type === 'ESModule') - Number(a.type === 'ESModule')),
  }
}

/** KiB that the scripts of a bundle take on the wire; its WebAssembly is not counted. */
export function gzipKiB({ modules }: Bundle): number {
  const scripts = modules.filter((module) => module.type === 'ESModule')
  return scripts.reduce((sum, { contents }) => sum + gzipSync(contents).length, 0) / 1024
}
