/**
 * The static assets of a deployment: the interactive reference, every page of documentation as Markdown with what it links to, and the
 * list of them for language models.
 */

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createRequire } from 'node:module'

import { replaceFiles } from '../replace-files.ts'
import { root } from '../wrangler.ts'
import { listForModels, PAGES } from './documents.ts'
import { serveMarkdown, servedName } from './serve-markdown.ts'

/** Below /docs, by their names there: what of Swagger UI the page loads, and under which terms. */
const SWAGGER_UI: Readonly<Record<string, string>> = {
  'swagger-ui.js': 'swagger-ui-bundle.js',
  'swagger-ui.css': 'swagger-ui.css',
  'swagger-ui-LICENSE.txt': 'LICENSE',
  'swagger-ui-NOTICE.txt': 'NOTICE',
  'swagger-ui-bundle.js.LICENSE.txt': 'swagger-ui-bundle.js.LICENSE.txt',
}

/** Makes `folder` of the checkout's documents and of the package. Nothing else stands in it afterwards. */
export function buildAssets(folder: string, checkout = root): void {
  replaceFiles(
    folder,
    [...assetsOf(checkout)].map(([name, contents]) => [name, Buffer.from(contents)]),
  )
}

function assetsOf(checkout: string): ReadonlyMap<string, string | Uint8Array> {
  const read = (path: string) => readFileSync(join(checkout, path))
  const swaggerUi = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
  const assets = new Map<string, string | Uint8Array>([
    ['reference.html', read('scripts/reference/page/reference.html')],
    ['docs/reference.js', read('scripts/reference/page/reference.js')],
    ['docs/reference.css', read('scripts/reference/page/reference.css')],
    ...Object.entries(SWAGGER_UI).map(([name, file]) => [`docs/${name}`, readFileSync(join(swaggerUi, file))] as const),
  ])
  // A set goes on with what is added to it meanwhile: a linked file may itself link to others.
  const paths = new Set(PAGES.map((page) => `docs/${page}`))
  for (const path of paths) {
    const name = `docs/${servedName(path, PAGES)}`
    if (!path.endsWith('.md')) {
      assets.set(name, read(path))
      continue
    }
    const { text, linked } = serveMarkdown(path, read(path).toString(), PAGES)
    assets.set(name, text)
    for (const one of linked) paths.add(one)
  }
  const titleOf = (page: string) => /^# (.+)$/m.exec(read(`docs/${page}`).toString())?.[1] ?? page
  return assets.set('llms.txt', listForModels(titleOf))
}
