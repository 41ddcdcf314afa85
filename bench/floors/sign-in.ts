/** F5s: F5 between the two round trips of a sign-in by password, the account and its session, and both signatures. */

import { Hono } from 'hono'

import { hash } from './hash.ts'
import { common, type FloorEnv, type Row, signPair, statements } from './parts.ts'

type Account = Pick<Row, 'id' | 'guid' | 'email' | 'group'> & { readonly passwordHash: string }

export default new Hono<{ Bindings: FloorEnv }>().post('/auth/token', async (c) => {
  const { primary_email: email, password } = await c.req.json<{ primary_email: string; password: string }>()
  const { account: findAccount, signIn } = statements(c.env)
  const judged = { subject: email, topic: 'sign_in 127.0.0.1/32', place: '-/127.0.0.0/24' }
  const [found] = await c.env.DB.batch<Account>(findAccount.map((statement) => statement({ email, ...judged })))
  const account = found?.results[0]
  if (account === undefined) throw new Error('no account')
  await hash(password)
  const session = { sid: crypto.randomUUID(), jti: crypto.randomUUID(), ...common(c.req.raw.headers) }
  const { id, guid, group, passwordHash } = account
  const named = { ...session, ...judged, id: session.sid, dedupeKey: session.sid, userId: id, passwordHash }
  const [opened] = await c.env.DB.batch(signIn.map((statement) => statement(named)))
  if (opened?.results.length !== 1) throw new Error('not opened')
  const { sid, jti, now: iat } = session
  const shared = { iss: 'https://auth.example.com', sub: guid, id, guid, sid, jti, iat }
  const pair = await signPair(c.env, shared, { group, exp: session.expiresAt, ip: session.address ?? '' })
  return c.json({ ...pair, email: account.email, user_id: id, group })
})
