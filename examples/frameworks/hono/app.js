/** An API in Hono. In a Worker of the account of Tessera, `binding: (env) => env.TESSERA` gets the keys without HTTP. */

import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { tessera } from 'tessera/hono'

const { ISSUER, AUDIENCE, PORT } = process.env

const app = new Hono()
  .use('/orders', tessera({ issuer: ISSUER, audience: AUDIENCE, cookies: true }))
  .all('/orders', (c) => c.text(`Orders of ${c.get('user').guid}`))

serve({ fetch: app.fetch, port: Number(PORT) }, ({ port }) => console.log(`listens on port ${port}`))
