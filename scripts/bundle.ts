/**
 * Bundles an entry point of the Worker into modules: what it imports by `import(…)` becomes a module of its own, which the
 * runtime loads when it is met. wrangler bundles everything into one file, so it is told to upload these as they are.
 */

import { readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

import { build, type OnResolveArgs, type Plugin } from 'esbuild'

import { replaceFiles } from './replace-files.ts'
import { root } from './wrangler.ts'

/** A file of `dist/`, and which sources are in it. */
export interface Output {
  readonly name: string
  /** From the repository's root; none for a file that was copied. */
  readonly sources: readonly string[]
  /** The files that are loaded together with it. */
  readonly imports: readonly string[]
}

/**
 * The OpenAPI document has a copy of zod of its own, in the module that is loaded for it: a file of a library stands in one module whole, so
 * what only the document needs of zod would stand in the core, 8 KiB gzip of it. zod-openapi asks for the large edition, whose names that
 * it needs are in the small one, too.
 */
function zodOfDocument(checkout: string): Plugin {
  const namespace = 'zod-of-document'
  const isOfDocument = /[\\/]src[\\/]http[\\/](openapi[\\/]|.*answer-contract)|[\\/]node_modules[\\/]zod-openapi[\\/]/
  return {
    name: namespace,
    setup(bundling) {
      const copy = async (name: string, { resolveDir, kind }: Pick<OnResolveArgs, 'resolveDir' | 'kind'>) => {
        const { errors, path, sideEffects } = await bundling.resolve(name, { resolveDir, kind })
        return { errors, path: relative(checkout, path), sideEffects, namespace }
      }
      bundling.onResolve({ filter: /^zod\//, namespace: 'file' }, ({ path, importer, ...from }) =>
        isOfDocument.test(importer) ? copy(path === 'zod/v4' ? 'zod/mini' : path, from) : null,
      )
      bundling.onResolve({ filter: /./, namespace }, ({ path, ...from }) => copy(path, from))
      bundling.onLoad({ filter: /./, namespace }, ({ path }) => {
        const file = join(checkout, path)
        return { contents: readFileSync(file, 'utf8'), resolveDir: dirname(file) }
      })
    },
  }
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
    plugins: [zodOfDocument(checkout)],
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
