/** GET /.well-known/jwks.json: the public keys, with which any back end verifies access tokens (RFC 7517). */

import { factory } from '../factory.ts'

/** Verifiers fetch anew when they meet a `kid` that they do not know, so this bounds only how long an old key lives on. */
const MAX_AGE_SECONDS = 300

export const keyRoutes = factory.createApp().get('/.well-known/jwks.json', (c) => {
  c.header('Cache-Control', `public, max-age=${MAX_AGE_SECONDS}`)
  return c.json(c.env.tokens.jwks)
})
