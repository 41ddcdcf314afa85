/** F4 in cookies, and with the ES256 verification that the pair check of `GET /refresh` needs beside it. */

import { Hono } from 'hono'

import { type FloorEnv, hmacKey, ownVerifyKey, type PairClaims, readToken, renew, setPair } from './parts.ts'

export default new Hono<{ Bindings: FloorEnv }>().get('/refresh', async (c) => {
  const cookies = c.req.header('Cookie') ?? ''
  const access = /access_token=([^;]*)/.exec(cookies)?.[1] ?? ''
  const refresh = /refresh_token=([^;]*)/.exec(cookies)?.[1] ?? ''
  const [expired, claims] = await Promise.all([
    readToken<PairClaims>('ES256', await ownVerifyKey(c.env), access),
    readToken<PairClaims>('HS256', await hmacKey(c.env), refresh),
  ])
  if (expired.jti !== claims.jti) throw new Error('pair')
  const { pair } = await renew(c.env, claims, c.req.raw.headers)
  return setPair(c.body(null, 200), pair)
})
