/**
 * The JSON transport, for everything that is no browser: a cookie is never set.
 *
 * - POST /auth/token           e-mail and password for the first pair, bound to the key of its DPoP proof where it has one
 * - POST /auth/token/refresh   a refresh token for the next pair
 * - POST /auth/token/verify    whether a token is good; no database
 * - POST /auth/token/revoke    ends the session of a token (RFC 7009)
 * - POST /auth/token/introspect   whether a token's session lives (RFC 7662); for back ends
 */

import { introspect } from '../../domain/sessions/introspect.ts'
import { refreshToken } from '../../domain/sessions/refresh.ts'
import { endByToken } from '../../domain/sessions/end.ts'
import { signInByPassword } from '../../domain/sessions/sign-in.ts'
import { verifyToken } from '../../domain/tokens/verify.ts'
import { describePair } from '../answer/describe.ts'
import { readJson, readJsonOrForm } from '../request/body.ts'
import { readCaller, readTimedCaller } from '../request/caller.ts'
import { Credentials, RefreshRequest, RevokeRequest, TokenRequest } from '../request/contract.ts'
import { readProof } from '../request/dpop.ts'
import { readNamedClient } from '../request/named-client.ts'
import { factory } from '../factory.ts'
import { limitRate } from '../guards/rate-limit.ts'
import { requireServiceKey } from '../guards/service-key.ts'

export const tokenRoutes = factory
  .createApp()
  .basePath('/auth/token')
  .post('/', limitRate, async (c) => {
    const credentials = await readJson(c, Credentials)
    const caller = { ...(await readTimedCaller(c)), ...(await readProof(c, '/auth/token')), cookies: [] }
    return c.json(describePair(await signInByPassword(c.env, credentials, caller)))
  })
  .post('/refresh', async (c) => {
    const { refresh } = await readJson(c, RefreshRequest)
    const caller = { ...(await readCaller(c)), ...(await readProof(c, '/auth/token/refresh')) }
    return c.json(describePair(await refreshToken(c.env, refresh, caller)))
  })
  .post('/verify', async (c) => {
    const { token } = await readJson(c, TokenRequest)
    await verifyToken(c.env, token)
    return c.body(null, 200)
  })
  .post('/revoke', async (c) => {
    const token = await readJsonOrForm(c, RevokeRequest)
    await readNamedClient(c)
    await endByToken(c.env, token)
    return c.body(null, 204)
  })
  .post('/introspect', async (c) => {
    await requireServiceKey(c, 'introspect')
    const { token } = await readJsonOrForm(c, TokenRequest)
    return c.json(await introspect(c.env, token))
  })
