/** The HTTP surface: the routes in their order, what answers where there is none, and what every answer has in common. */

import type { Hono } from 'hono'

import { TesseraError } from './errors.ts'
import { type AppEnv, factory } from './http/factory.ts'
import { isIssuing } from './http/guards/issuing.ts'
import { openToAll, shareWithListed } from './http/answer/cors.ts'
import { answerError } from './http/answer/problem.ts'
import { pathBelow } from './http/request/base-path.ts'
import { accountRoutes } from './http/routes/accounts.ts'
import { discoveryRoutes } from './http/routes/discovery.ts'
import { healthRoutes } from './http/routes/health.ts'
import { keyRoutes } from './http/routes/keys.ts'
import { linkRoutes } from './http/routes/mails.ts'
import { operatorRoutes } from './http/routes/operators.ts'
import { pageRoutes } from './http/routes/pages.ts'
import { pairRoutes } from './http/routes/pair.ts'
import { placeRoutes } from './http/routes/places.ts'
import { sessionRoutes } from './http/routes/sessions.ts'
import { tokenRoutes } from './http/routes/tokens.ts'

/** The app, to be given its services as Hono's environment: `app.fetch(request, services, ctx)`. */
export function createApp() {
  const app = factory.createApp({
    getPath: (request, options) => pathBelow(options?.env?.settings.basePath ?? '', request),
  })

  // The methods of a path are looked up only where no route was found, so that other requests do not pay for it.
  app.notFound((c) => {
    const allow = allowedMethods(app, c.req.path)
    return answerError(
      allow.length === 0 ? new TesseraError('not_found') : new TesseraError('method_not_allowed', { allow }),
      c,
    )
  })
  app.onError(answerError)

  // `/:guid` takes every path of one segment, so its routes come last.
  return app
    .use('/.well-known/*', openToAll)
    .use('/openapi.json', openToAll)
    .route('/', keyRoutes)
    .route('/', discoveryRoutes)
    .route('/', tokenRoutes)
    .route('/', sessionRoutes)
    .route('/', accountRoutes)
    .route('/', placeRoutes)
    .route('/', operatorRoutes)
    .route('/', linkRoutes)
    .route('/', pageRoutes)
    .route('/', healthRoutes)
    .route('/', pairRoutes)
}

/** The methods that a path does have. Hono answers HEAD by GET, where no guard of the route refuses it. */
function allowedMethods({ routes, router }: Pick<Hono<AppEnv>, 'routes' | 'router'>, path: string): readonly string[] {
  const methods = new Set(routes.map(({ method }) => method))
  return [...methods].flatMap((method) => {
    const matches = router.match(method, path)[0].map(([[handler, route]]) => ({ handler, route }))
    // Middleware matches every method and answers none, so it is left out. Of several routes the first one answers.
    const first = matches.find(({ route }) => route.method === method && method !== 'ALL')?.route.path
    if (first === undefined) return []
    const isGuarded = matches.some(({ handler, route }) => route.path === first && isIssuing(handler))
    return method === 'GET' && !isGuarded ? ['GET', 'HEAD'] : [method]
  })
}

/** The policy of answers that are no pages: a browser that shows one loads nothing for it, and puts it in no frame. */
const NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"

/** A year, without subdomains: one host does not know whether all hosts below it speak https (RFC 6797 section 6.1). */
const HTTPS_ONLY = 'max-age=31536000'

/** Sets the headers that every answer has: no cache keeps it, and no page of a browser can use it but those of `corsOrigins`. */
export function setCommonHeaders(
  answer: Response,
  request: Request,
  corsOrigins: ReadonlySet<string> = new Set(),
): Response {
  const response = shareWithListed(answer, request, corsOrigins)
  const { headers } = response
  // An answer that depends on a token must not be cached; the few that may be have set the header already.
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
  // A page has set a policy of its own.
  if (!headers.has('Content-Security-Policy')) headers.set('Content-Security-Policy', NOTHING)
  // Public keys are for every page, and pages for none but their own.
  if (!headers.has('Cross-Origin-Resource-Policy')) headers.set('Cross-Origin-Resource-Policy', 'same-origin')
  headers.set('Referrer-Policy', 'no-referrer')
  headers.set('X-Content-Type-Options', 'nosniff')
  if (request.url.startsWith('https:')) headers.set('Strict-Transport-Security', HTTPS_ONLY)
  return response
}
