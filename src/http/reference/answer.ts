/**
 * What is read about this API, below /docs and at /llms.txt: the interactive reference, the catalogue of errors, and every page of
 * documentation as Markdown. Loaded with the first request for it.
 */

import type { Context } from 'hono'

import type { setPageHeaders } from '../answer/page-headers.ts'
import type { AppEnv } from '../factory.ts'
import { readIssuer } from '../request/caller.ts'
import { answerAsset } from './asset.ts'
import { answerCatalogue, answerCatalogueText } from './errors.ts'

/**
 * The policy of the reference: files of this deployment alone, and requests to it alone. The pictures in its style sheet are `data:`.
 * Its forms are handled by its script, and none is sent.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** What sets the headers of a page. */
type SetHeaders = typeof setPageHeaders

/** `GET /docs`, everything below it, and `GET /llms.txt`. The nonce is for one page. */
export async function answerReference(c: Context<AppEnv>, nonce: string, setHeaders: SetHeaders): Promise<Response> {
  const { path } = c.req
  switch (path) {
    case '/docs':
      // The page names its files, and each page of documentation the others, relative to that folder.
      return c.redirect(`${c.env.settings.basePath}/docs/`, 308)
    case '/docs/':
      return answerPage(c, nonce, setHeaders)
    case '/docs/errors':
      return answerCatalogue(c, nonce, setHeaders)
    case '/docs/errors.md':
      return answerCatalogueText(c)
    case '/llms.txt':
      return answerList(c)
    default:
      return answerAsset(c, path)
  }
}

/** Whoever gets this text to read may not know its address, so that its links are made whole. */
async function answerList(c: Context<AppEnv>): Promise<Response> {
  const list = await answerAsset(c, '/llms.txt')
  if (list.body === null) return list
  const text = (await list.text()).replaceAll('](', `](${readIssuer(c)}/`)
  // What the assets say of the text holds for the paths alone.
  list.headers.delete('ETag')
  return new Response(text, list)
}

async function answerPage(c: Context<AppEnv>, nonce: string, setHeaders: SetHeaders): Promise<Response> {
  const page = await answerAsset(c, '/reference.html')
  setHeaders(page.headers, nonce)
  page.headers.set('Content-Security-Policy', POLICY)
  return page
}
