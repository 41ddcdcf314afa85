/**
 * An API in a Worker, beside Tessera in one account of Cloudflare. It verifies access tokens by itself; the keys come over the binding, once for
 * each isolate and every five minutes. For what must not happen after the session's end it asks Tessera first.
 *
 *   npm start -- --var AUDIENCE:api
 *   npx wrangler dev --config examples/api-worker/wrangler.toml --var ISSUER:http://localhost:8787 --var AUDIENCE:api
 */

import type { TokenServiceBinding } from 'tessera/rpc'
import { createVerifier, type Verifier } from 'tessera/verify'

interface Env {
  readonly ISSUER: string
  readonly AUDIENCE?: string
  readonly TESSERA: TokenServiceBinding
}

/** One for the isolate: it keeps the keys between requests. */
let verifier: Verifier | undefined

export default {
  async fetch(request, env) {
    verifier ??= createVerifier({ issuer: env.ISSUER, audience: env.AUDIENCE, keys: () => env.TESSERA.keys() })
    const token = /^Bearer +(\S+) *$/i.exec(request.headers.get('Authorization') ?? '')?.[1] ?? ''
    const verified = await verifier.verify(token)
    if (!verified.ok) return refuse(verified.status)
    const { guid } = verified.claims
    switch (request.method) {
      // Up to five minutes after the session's end, this still answers.
      case 'GET':
        return Response.json({ orders_of: guid })
      case 'DELETE': {
        const status = await statusOf(env, token)
        return status === 200 ? new Response(null, { status: 204 }) : refuse(status)
      }
      default:
        return new Response(null, { status: 405, headers: { Allow: 'GET, DELETE' } })
    }
  },
} satisfies ExportedHandler<Env>

/** 200 while the session of a token lives and its account is active, 401 from then on, 503 where nobody can tell. */
async function statusOf({ TESSERA }: Env, token: string): Promise<number> {
  // Tessera itself answers by values; a call throws where the platform does not reach it.
  const answer = await TESSERA.introspect(token).catch(() => null)
  if (!answer?.ok) return 503
  return answer.introspection.active ? 200 : 401
}

/** 401 says that the token is dead, upon which applications sign people out: trouble of Tessera's is 503. */
function refuse(status: number): Response {
  if (status === 503) return new Response(null, { status, headers: { 'Retry-After': '5' } })
  return new Response(null, { status: 401, headers: { 'WWW-Authenticate': 'Bearer' } })
}
