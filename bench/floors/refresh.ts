/** F4: F3, a JSON body, the HMAC verification of the presented token, and both signatures of the next pair. */

import { Hono } from 'hono'

import { type FloorEnv, hmacKey, type PairClaims, readToken, rotate, signPair } from './parts.ts'

export default new Hono<{ Bindings: FloorEnv }>().post('/auth/token/refresh', async (c) => {
  const { refresh } = await c.req.json<{ refresh: string }>()
  const { iss, sid, id: userId, guid, jti } = await readToken<PairClaims>('HS256', await hmacKey(c.env), refresh)
  const row = await rotate(
    c.env,
    { sid, userId, guid, presentedJti: jti, nextJti: crypto.randomUUID() },
    c.req.raw.headers,
  )
  const { group } = row
  const shared = { iss, sub: guid, id: userId, guid, sid, jti: row.jti, iat: row.issuedAt }
  const pair = await signPair(c.env, shared, { group, exp: row.expiresAt, ip: row.address })
  return c.json({ ...pair, email: row.email, user_id: userId, group })
})
