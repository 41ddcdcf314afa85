/**
 * Bundles an entry point of the Worker into modules: what it imports by `import(…)` becomes a module of its own, which the
 * runtime loads when it is met. wrangler bundles everything into one file, so it is told to upload these as they are.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

import { build } from 'esbuild'

import { root } from './wrangler.ts'

/** A file of `dist/`, and which sources are in it. */
export interface Output {
  readonly name: string
  /** From the repository's root; none for a file that was copied. */
  readonly sources: readonly string[]
  /** The files that are loaded together with it. */
  readonly imports: readonly string[]
}

/** The entry of every bundle. */
export const ENTRY = 'index.js'

/** Bundles an entry point, of another checkout where one is given. Afterwards nothing else stands in `outdir`. Throws what esbuild throws, which has printed the reason. */
export async function bundleModules(entry: string, outdir: string, checkout = root): Promise<readonly Output[]> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: checkout,
    entryPoints: { index: entry },
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    minify: true,
    // Russian as it is: escaped, each of its letters takes six characters.
    charset: 'utf8',
    metafile: true,
    // For traces of errors in `wrangler dev`; a deploy does not upload them.
    sourcemap: 'linked',
    // As wrangler bundles: what workerd runs, and how packages name it.
    target: 'es2024',
    supported: { using: true },
    conditions: ['workerd', 'worker', 'browser'],
    define: { 'process.env.NODE_ENV': '"production"', 'navigator.userAgent': '"Cloudflare-Workers"' },
    external: ['cloudflare:*', 'node:*'],
    // Modules of the upload that are no scripts.
    loader: { '.wasm': 'copy', '.bin': 'copy', '.txt': 'copy' },
    write: false,
  })
  replaceFiles(
    outdir,
    outputFiles.map(({ path, contents }) => [basename(path), contents]),
  )
  return Object.entries(metafile.outputs)
    .filter(([path]) => !path.endsWith('.map'))
    .map(([path, { inputs, imports }]) => ({
      name: basename(path),
      sources: Object.keys(inputs),
      imports: imports
        .filter(({ kind, external }) => kind === 'import-statement' && external !== true)
        .map(({ path: imported }) => basename(imported)),
    }))
}

/**
 * Writes what changed, each file whole or not at all, and removes what is over: another wrangler of this checkout may be reading
 * the folder, and the same sources make the same files.
 */
function replaceFiles(folder: string, files: readonly (readonly [name: string, contents: Uint8Array])[]): void {
  mkdirSync(folder, { recursive: true })
  for (const [name, contents] of files) {
    const path = join(folder, name)
    if (existsSync(path) && readFileSync(path).equals(contents)) continue
    const whole = `${path}.${process.pid}.new`
    writeFileSync(whole, contents)
    renameSync(whole, path)
  }
  const names = new Set(files.map(([name]) => name))
  // Half a file may be that of another wrangler.
  const over = readdirSync(folder).filter((name) => !names.has(name) && !name.endsWith('.new'))
  for (const name of over) rmSync(join(folder, name), { force: true })
}
