/**
 * Tessera for Express, and for whatever else passes Node's own requests on: a middleware that lets in whoever has a good access token.
 *
 *   app.use('/api', tessera({ issuer: 'https://auth.example.com' }))
 *   app.get('/api/me', (request, response) => response.json(request.user))
 */

import type { AccessTokenClaims } from '../verifier/verifier.ts'
import { answerRefusal, type AuthorizerOptions, createAuthorizer } from './authorize.ts'

export type { AccessTokenClaims, AuthorizerOptions }

/** A request of Node's `http`. The middleware adds the last two. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  user?: AccessTokenClaims
  token?: string
}

/** A response of Node's `http`. */
export interface NodeResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(body: string): unknown
}

export type NodeMiddleware = (request: NodeRequest, response: NodeResponse, next: () => void) => Promise<void>

/** Answers 401, 403 or 503 by itself, and calls the next one otherwise. Never rejects. */
export function tessera(options: AuthorizerOptions): NodeMiddleware {
  const authorize = createAuthorizer(options)

  return async (request, response, next) => {
    const { method = 'GET', headers } = request
    const header = (name: string) => [headers[name]].flat().join(', ') || null
    const outcome = await authorize({ method, host: header('host'), header })
    if (outcome.ok) {
      request.user = outcome.claims
      request.token = outcome.token
      next()
      return
    }
    const answer = answerRefusal(outcome, options.issuer)
    response.statusCode = answer.status
    answer.headers.forEach((value, name) => response.setHeader(name, value))
    response.end(await answer.text())
  }
}
