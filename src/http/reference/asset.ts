/** The files of the reference: static assets of the deployment, of which a request gets one by its exact path. */

import type { Context } from 'hono'

import { toError } from '../../domain/describe-error.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'

/** It changes by a deploy alone, as the OpenAPI document does. Afterwards the `ETag` saves the body. */
export const MAX_AGE_SECONDS = 300

/** The platform guesses types by the ending, and takes TypeScript for a film. */
const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  md: 'text/markdown; charset=utf-8',
  png: 'image/png',
  svg: 'image/svg+xml',
}
const TEXT = 'text/plain; charset=utf-8'

/** Names without an escape and without a dot at their start: no other spelling of a path is a file, and none leads up. */
const PATH = /^(?:\/\w[\w.-]*)+$/

/**
 * The asset of this path. Throws `not_found` where there is none, also where the deployment has no assets at all, since an older
 * configuration does not bind them; `unavailable` where they cannot be read.
 */
export async function answerAsset(c: Context<AppEnv>, path: string): Promise<Response> {
  if (!PATH.test(path)) throw new TesseraError('not_found')
  const found = await fetchAsset(c, path)
  const { status, body } = found
  if (status === 404) throw new TesseraError('not_found')
  if (status !== 200 && status !== 304) {
    throw new TesseraError('unavailable', { cause: new Error(`an asset is answered ${status}`), retryAfterSeconds: 1 })
  }
  const headers = new Headers({
    'Cache-Control': `public, max-age=${MAX_AGE_SECONDS}`,
    'Content-Type': TYPES[path.slice(path.lastIndexOf('.') + 1)] ?? TEXT,
  })
  const etag = found.headers.get('ETag')
  if (etag !== null) headers.set('ETag', etag)
  return new Response(body, { status, headers })
}

async function fetchAsset(c: Context<AppEnv>, path: string): Promise<Response> {
  const known = c.req.header('If-None-Match')
  const headers = new Headers(known === undefined ? {} : { 'If-None-Match': known })
  let found: Response | undefined
  try {
    found = await c.env.fetchAsset(path, headers)
  } catch (error) {
    throw new TesseraError('unavailable', { cause: toError(error), retryAfterSeconds: 1 })
  }
  if (found === undefined) throw new TesseraError('not_found')
  return found
}
