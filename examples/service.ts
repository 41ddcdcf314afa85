/**
 * An API that other services and applications call with somebody's access token. It verifies the token by itself, with public keys alone;
 * for what must not happen after the session's end it asks Tessera first.
 *
 *   npm start
 *   node --env-file=.dev.vars examples/service.ts
 */

import { verifyAccessToken } from './access-token.ts'
import { serve, SERVICE_KEY, TESSERA } from './serve.ts'

await serve(async (request) => {
  const { pathname } = new URL(request.url)
  if (pathname !== '/orders') return new Response(null, { status: 404 })
  const token = /^Bearer (.+)$/i.exec(request.headers.get('Authorization') ?? '')?.[1] ?? ''
  const claims = await verifyAccessToken(token)
  if (claims === null) return unauthorized()
  switch (request.method) {
    // Up to five minutes after the session's end, this still answers.
    case 'GET':
      return Response.json({ orders_of: claims['guid'] })
    case 'DELETE':
      return (await isActive(token)) ? new Response(null, { status: 204 }) : unauthorized()
    default:
      return new Response(null, { status: 405, headers: { Allow: 'GET, DELETE' } })
  }
})

/** Whether the session of a token lives, and its account is active (RFC 7662). */
async function isActive(token: string): Promise<boolean> {
  const response = await fetch(`${TESSERA}/auth/token/introspect`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${SERVICE_KEY}` },
    body: new URLSearchParams({ token }),
  })
  // A refusal of the key, or trouble, is no answer about the token.
  if (response.status !== 200) throw new Error(`Tessera answers ${response.status}`)
  const { active }: { active: boolean } = await response.json()
  return active
}

function unauthorized(): Response {
  return new Response(null, { status: 401, headers: { 'WWW-Authenticate': 'Bearer' } })
}
