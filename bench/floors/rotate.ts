/** F3: F1, and the two statements of a rotation in one `batch()`. */

import { Hono } from 'hono'

import { type FloorEnv, rotate } from './parts.ts'

export default new Hono<{ Bindings: FloorEnv }>().get('/rotate/:sid/:userId/:guid/:jti', async (c) => {
  const { sid, userId, guid, jti } = c.req.param()
  const row = await rotate(
    c.env,
    { sid, userId: Number(userId), guid, presentedJti: jti, nextJti: crypto.randomUUID() },
    c.req.raw.headers,
  )
  return c.text(row.jti)
})
