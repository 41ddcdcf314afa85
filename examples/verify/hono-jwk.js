/** The middleware `jwk` of Hono. It fetches the keys at every request, unless `keys` keeps them: ISSUER=… AUDIENCE=api node hono-jwk.js */

import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { jwk } from 'hono/jwk'

const { ISSUER, AUDIENCE, PORT } = process.env
const KEEP_MS = 300_000
let kept = { keys: [], until: 0 }

/** The keys, for five minutes, which is how long Tessera says that they are good. */
async function keys() {
  if (Date.now() < kept.until) return kept.keys
  const response = await fetch(`${ISSUER}/.well-known/jwks.json`)
  if (!response.ok) throw new Error(`the keys: ${response.status}`)
  kept = { ...(await response.json()), until: Date.now() + KEEP_MS }
  return kept.keys
}

const app = new Hono()
  .use(jwk({ keys, alg: ['ES256'], verification: { iss: ISSUER, aud: AUDIENCE } }))
  .get('/', (c) => c.text(c.get('jwtPayload').sub))

serve({ fetch: app.fetch, port: Number(PORT) }, ({ port }) => console.log(`listens on port ${port}`))
