/** GET /.well-known/jwks.json: the public keys, with which any back end verifies access tokens (RFC 7517). */

import { factory } from '../factory.ts'

/** How long verifiers keep a key that was taken away. For a new one they need not wait: they fetch when they meet its `kid`. */
const MAX_AGE_SECONDS = 300

export const keyRoutes = factory.createApp().get('/.well-known/jwks.json', (c) => {
  c.header('Cache-Control', `public, max-age=${MAX_AGE_SECONDS}`)
  return c.json(c.env.tokens.jwks)
})
