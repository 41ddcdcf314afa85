/** F3: F1, and the two statements of a rotation in one `batch()`. */

import { Hono } from 'hono'

import { type FloorEnv, rotate } from './parts.ts'

export default new Hono<{ Bindings: FloorEnv }>().get('/rotate/:sid/:jti', async (c) => {
  const { sid, jti } = c.req.param()
  const row = await rotate(c.env, { sid, presentedJti: jti, nextJti: crypto.randomUUID() }, c.req.raw.headers)
  return c.text(row.jti)
})
