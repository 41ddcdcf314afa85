/** F2: F1, a JSON body, and one ES256 verification with a cached key. */

import { Hono } from 'hono'

import { type FloorEnv, isSigned, verifyKey } from './parts.ts'

export default new Hono<{ Bindings: FloorEnv }>().post('/auth/token/verify', async (c) => {
  const { token } = await c.req.json<{ token: string }>()
  if (!(await isSigned('ES256', await verifyKey(c.env), token))) throw new Error('signature')
  return c.body(null, 200)
})
