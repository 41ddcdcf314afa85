/** The HTTP surface: middleware in its order, the routes, and what every answer has in common. */

import { methodNotAllowed } from 'hono/method-not-allowed'

import { TesseraError } from './errors.ts'
import { factory } from './http/factory.ts'
import { answerError } from './http/problem.ts'
import { keyRoutes } from './http/routes/keys.ts'
import { linkRoutes } from './http/routes/links.tsx'
import { pairRoutes } from './http/routes/pair.ts'
import { sessionRoutes } from './http/routes/session.ts'
import { tokenRoutes } from './http/routes/token.ts'

/** The app, to be given its services as Hono's environment: `app.fetch(request, services, ctx)`. */
export function createApp() {
  const app = factory.createApp()

  app.use(async (c, next) => {
    // Whatever depends on a token must not be kept; the few answers that may be say so themselves.
    c.header('Cache-Control', 'no-store')
    c.header('X-Content-Type-Options', 'nosniff')
    await next()
  })
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        // One-segment paths issue pairs, and those routes refuse HEAD.
        const allow = methods.filter((method) => method !== 'HEAD' || c.req.path.lastIndexOf('/') > 0)
        throw new TesseraError('method_not_allowed', { allow })
      },
    }),
  )
  // Answered, not thrown: `methodNotAllowed` looks at plain 404s only.
  app.notFound((c) => answerError(new TesseraError('not_found'), c))
  app.onError(answerError)

  // `/:guid` takes every path of one segment, so its routes come last.
  return app
    .route('/', keyRoutes)
    .route('/', tokenRoutes)
    .route('/', sessionRoutes)
    .route('/', linkRoutes)
    .route('/', pairRoutes)
}
