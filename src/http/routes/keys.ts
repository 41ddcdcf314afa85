/** GET /.well-known/jwks.json: the public keys, with which any back end verifies access tokens (RFC 7517). */

import { JWKS_SECONDS } from '../../domain/tokens/tokens.ts'
import { factory } from '../factory.ts'

export const keyRoutes = factory.createApp().get('/.well-known/jwks.json', (c) => {
  const { jwks } = c.env.tokens
  // A kid is the hash of its key, so the kids in their order are all that there is to compare (RFC 9110 section 8.8.3).
  const tag = `"${jwks.keys.map(({ kid }) => kid).join('.')}"`
  c.header('Cache-Control', `public, max-age=${JWKS_SECONDS}`)
  c.header('ETag', tag)
  const known = c.req.header('If-None-Match') ?? ''
  return known === '*' || known.includes(tag) ? c.body(null, 304) : c.json(jwks)
})
