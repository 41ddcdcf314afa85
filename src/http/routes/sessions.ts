/**
 * Sessions, as browsers open and close them and as their owners see them.
 *
 * - POST, DELETE /auth/session     sign in with a password, sign out; the pair in cookies
 * - GET /auth/me                   whose session this is
 * - GET, DELETE /auth/sessions     the live sessions; ends all but the current one
 * - DELETE /auth/sessions/{sid}    ends one
 */

import { authenticate } from '../../domain/sessions/authenticate.ts'
import { endOthers, endOwn, signOut } from '../../domain/sessions/end.ts'
import { signInByPassword } from '../../domain/sessions/sign-in.ts'
import type { OwnAccount } from '../answer/answer-contract.ts'
import { describeAccount, describeSession } from '../answer/describe.ts'
import { writeFirstPair } from '../answer/pair.ts'
import { authenticateOwner, authenticateSession, readAccessToken } from '../request/access-token.ts'
import { readJson } from '../request/body.ts'
import { readTimedCaller } from '../request/caller.ts'
import { Credentials } from '../request/contract.ts'
import { clearPair, readAllAccessCookies } from '../request/cookies.ts'
import { readNamedClient } from '../request/named-client.ts'
import { factory } from '../factory.ts'
import { issuing } from '../guards/issuing.ts'
import { limitRate } from '../guards/rate-limit.ts'
import { refuseCrossOrigin } from '../guards/same-origin.ts'

export const sessionRoutes = factory
  .createApp()
  .basePath('/auth')
  .post('/session', issuing({ allow: ['POST', 'DELETE'] }), limitRate, async (c) => {
    const credentials = await readJson(c, Credentials)
    const caller = { ...(await readTimedCaller(c)), cookies: readAllAccessCookies(c) }
    const pair = await signInByPassword(c.env, credentials, caller)
    await writeFirstPair(c, pair)
    return c.json(describeAccount(pair.account))
  })
  .delete('/session', refuseCrossOrigin, async (c) => {
    // A sign-out takes any access token, expired or unknown ones too, and always deletes the cookies.
    await readNamedClient(c)
    await signOut(c.env, readAllAccessCookies(c))
    clearPair(c)
    return c.body(null, 204)
  })
  .get('/me', async (c) => {
    const { account } = await authenticate(c.env, readAccessToken(c))
    const own: OwnAccount = { ...describeAccount(account), confirmed: account.isConfirmed }
    return c.json(own)
  })
  .get('/sessions', async (c) => {
    const { account, session } = await authenticateOwner(c)
    const listed = await c.env.sessions.list(account.id, c.env.now(), c.env.settings)
    return c.json(listed.map((one) => describeSession(one, session.sid)))
  })
  .delete('/sessions', refuseCrossOrigin, async (c) => {
    await endOthers(c.env, await authenticateSession(c))
    return c.body(null, 204)
  })
  .delete('/sessions/:sid', refuseCrossOrigin, async (c) => {
    await endOwn(c.env, await authenticateSession(c), c.req.param('sid'))
    return c.body(null, 204)
  })
