/**
 * Which pages of other origins may read an answer (CORS, as the Fetch Standard has it): those of `CORS_ORIGINS`, with cookies, and for
 * what is public every page, without. An answer that names a `Cross-Origin-Resource-Policy` of its own has said who may use it.
 */

import { factory } from '../factory.ts'

/** Seconds for which a browser need not ask again: the most that Chromium takes. */
const PREFLIGHT_SECONDS = 7200

/** Beside those that the Fetch Standard lets every page send. */
const REQUEST_HEADERS = 'Accept, Authorization, Content-Type, DPoP'

/** `*` is all but one, and only where no cookie is sent. */
const ANY_HEADERS = '*, Authorization'

/** What a client needs beside status and body, and what the Fetch Standard keeps from it unless it is named. */
const ANSWER_HEADERS = 'Allow, Date, Retry-After, WWW-Authenticate'

/** Opens what a path has to the pages of all origins, and lets their preflights pass. No cookie is sent there: `*` does not go with any. */
export const openToAll = factory.createMiddleware(async (c, next) => {
  await next()
  const answer = answerPreflight(c.res, c.req.raw, ANY_HEADERS)
  if (!answer.ok && answer.status !== 304) return
  answer.headers.set('Access-Control-Allow-Origin', '*')
  answer.headers.set('Cross-Origin-Resource-Policy', 'cross-origin')
  // Hono adds the headers of an answer to that which replaces it: without one before it, a preflight does not get back its `Allow`.
  c.res = undefined
  c.res = answer
})

/**
 * Shows an answer, refusals and errors included, to the pages of the listed origins. The comparison is exact: browsers send an origin in
 * one spelling, and `null` for all that have none.
 */
export function shareWithListed(answer: Response, request: Request, origins: ReadonlySet<string>): Response {
  if (origins.size === 0 || answer.headers.has('Cross-Origin-Resource-Policy')) return answer
  // Also on answers to requests without `Origin`: a cache must not give those to a page that sends one.
  answer.headers.append('Vary', 'Origin')
  const origin = request.headers.get('Origin')
  if (origin === null || !origins.has(origin)) return answer
  const { headers } = answer
  headers.set('Access-Control-Allow-Origin', origin)
  headers.set('Access-Control-Allow-Credentials', 'true')
  headers.set('Access-Control-Expose-Headers', ANSWER_HEADERS)
  return answerPreflight(answer, request, REQUEST_HEADERS)
}

/** The answer to a preflight, made of the 405 that every OPTIONS of a path meets: its `Allow` names the path's methods. */
function answerPreflight(answer: Response, request: Request, requestHeaders: string): Response {
  const isPreflight = request.method === 'OPTIONS' && request.headers.has('Access-Control-Request-Method')
  if (!isPreflight || answer.status !== 405) return answer
  const headers = new Headers(answer.headers)
  headers.set('Access-Control-Allow-Methods', headers.get('Allow') ?? '')
  headers.set('Access-Control-Allow-Headers', requestHeaders)
  headers.set('Access-Control-Max-Age', String(PREFLIGHT_SECONDS))
  for (const name of ['Allow', 'Access-Control-Expose-Headers', 'Content-Type', 'Content-Length']) headers.delete(name)
  return new Response(null, { status: 204, headers })
}
