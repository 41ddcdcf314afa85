/** F4 in cookies, and with the ES256 verification that the pair check of `GET /refresh` needs beside it. */

import { Hono } from 'hono'

import { type FloorEnv, hmacKey, ownVerifyKey, type PairClaims, readToken, rotate, setPair, signPair } from './parts.ts'

export default new Hono<{ Bindings: FloorEnv }>().get('/refresh', async (c) => {
  const cookies = c.req.header('Cookie') ?? ''
  const access = /access_token=([^;]*)/.exec(cookies)?.[1] ?? ''
  const refresh = /refresh_token=([^;]*)/.exec(cookies)?.[1] ?? ''
  const [expired, { iss, sid, id: userId, guid, jti }] = await Promise.all([
    readToken<PairClaims>('ES256', await ownVerifyKey(c.env), access),
    readToken<PairClaims>('HS256', await hmacKey(c.env), refresh),
  ])
  if (expired.jti !== jti) throw new Error('pair')
  const row = await rotate(
    c.env,
    { sid, userId, guid, presentedJti: jti, nextJti: crypto.randomUUID() },
    c.req.raw.headers,
  )
  const { group } = row
  const shared = { iss, sub: guid, id: userId, guid, sid, jti: row.jti, iat: row.issuedAt }
  const pair = await signPair(c.env, shared, { group, exp: row.expiresAt, ip: row.address })
  return setPair(c.body(null, 200), pair)
})
