/**
 * Tessera for Hono: a middleware that lets in whoever has a good access token, and tells the routes behind it who that is.
 *
 *   app.use('/api/*', tessera({ issuer: 'https://auth.example.com' }))
 *   app.get('/api/me', (c) => c.json(c.get('user')))
 */

import type { MiddlewareHandler } from 'hono'

import type { KeySource } from '../verifier/key-set.ts'
import type { AccessTokenClaims } from '../verifier/verifier.ts'
import { answerRefusal, type AuthorizerOptions, createAuthorizer } from './authorize.ts'

export type { AccessTokenClaims, AuthorizerOptions }

/** The service binding of Tessera, as far as this needs it. */
interface KeyBinding {
  readonly keys: KeySource
}

export interface HonoOptions<Bindings extends object> extends Omit<AuthorizerOptions, 'keys'> {
  /** The binding that gives the keys, by which Workers of one account reach each other: `(env) => env.TESSERA`. Left out, they come over HTTP. */
  readonly binding?: ((env: Bindings) => KeyBinding) | undefined
}

/** What routes find in `c.get('user')` and `c.get('token')`. */
export interface TesseraVariables {
  readonly user: AccessTokenClaims
  readonly token: string
}

/** Answers 401, 403 or 503 by itself, and calls the next one otherwise. */
export function tessera<Bindings extends object = object>({
  binding,
  ...options
}: HonoOptions<Bindings>): MiddlewareHandler<{ Bindings: Bindings; Variables: TesseraVariables }> {
  // Bindings are known at a request only; any of them reaches the same Tessera.
  let bindings: Bindings
  const keys = binding === undefined ? {} : { keys: () => binding(bindings).keys() }
  const authorize = createAuthorizer({ ...options, ...keys })

  return async (c, next) => {
    bindings = c.env
    const { method, url } = c.req
    const header = (name: string) => c.req.header(name)
    const outcome = await authorize({ method, host: header('host') ?? new URL(url).host, header })
    if (!outcome.ok) return answerRefusal(outcome, options.issuer)
    c.set('user', outcome.claims)
    c.set('token', outcome.token)
    return next()
  }
}
