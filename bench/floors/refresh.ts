/** F4: F3, a JSON body, the HMAC verification of the presented token, and both signatures of the next pair. */

import { Hono } from 'hono'

import { type FloorEnv, hmacKey, type PairClaims, readToken, renew } from './parts.ts'

export default new Hono<{ Bindings: FloorEnv }>().post('/auth/token/refresh', async (c) => {
  const { refresh } = await c.req.json<{ refresh: string }>()
  const claims = await readToken<PairClaims>('HS256', await hmacKey(c.env), refresh)
  const { row, pair } = await renew(c.env, claims, c.req.raw.headers)
  return c.json({ ...pair, email: row.email, user_id: claims.id, group: row.group })
})
