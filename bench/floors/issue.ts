/** The floor of `GET /{guid}`: its statements in one `batch()`, and both signatures. */

import { Hono } from 'hono'

import { common, type FloorEnv, type Row, setPair, signPair, statements } from './parts.ts'

export default new Hono<{ Bindings: FloorEnv }>().get('/:guid', async (c) => {
  const session = { sid: crypto.randomUUID(), jti: crypto.randomUUID(), ...common(c.req.raw.headers) }
  const named = { ...session, guid: c.req.param('guid') }
  const [, opened] = await c.env.DB.batch<Row>(statements(c.env).open.map((bind) => bind(named)))
  const row = opened?.results[0]
  if (row === undefined) throw new Error('not opened')
  const { id, guid, group } = row
  const { sid, jti, now: iat } = session
  const shared = { iss: 'https://auth.example.com', sub: guid, id, guid, sid, jti, iat }
  return setPair(
    c.body(null, 200),
    await signPair(c.env, shared, { group, exp: session.expiresAt, ip: session.address ?? '' }),
  )
})
