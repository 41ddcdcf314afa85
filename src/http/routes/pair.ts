/**
 * The cookie transport, for browsers: a token never appears in a body.
 *
 * - GET, POST /refresh          the next pair for the pair in the cookies; `GET /refresh?to=…` stands in return.ts
 * - POST /auth/device           binds the session of a browser to a key of its device
 * - POST /refresh/device        the next pair of a bound session, by proof of that key
 * - POST /auth/tickets          a URL that opens a session in the browser that follows it; for back ends
 * - GET /{guid}?ticket=…        opens the session of a ticket
 * - GET /{guid}                 opens a session for a user and hands out its first pair
 */

import type { Context } from 'hono'

import { refreshPair } from '../../domain/sessions/refresh.ts'
import { requireIssuing, signInByGuid } from '../../domain/sessions/sign-in.ts'
import { Guid } from '../../domain/tokens/claims.ts'
import { TesseraError } from '../../errors.ts'
import { readJson } from '../request/body.ts'
import { readPairOrAsk, writeFirstPair } from '../answer/pair.ts'
import { readCaller, readIssuedCaller, readIssuer } from '../request/caller.ts'
import { TicketOrder } from '../request/contract.ts'
import { readAllAccessCookies, writePair } from '../request/cookies.ts'
import { readNamedClient } from '../request/named-client.ts'
import { requireReturnAddress } from '../request/returns.ts'
import { type AppEnv, factory } from '../factory.ts'
import { issuing } from '../guards/issuing.ts'
import { requireIssueAccess, requireServiceKey } from '../guards/service-key.ts'

/** Most browsers come without a ticket. */
function tickets() {
  return import('../../domain/sessions/ticket.ts')
}

/** Few browsers bind their sessions. */
function device() {
  return import('./device.ts')
}

/** Whether a refresh asks to be sent on. `POST` never does. */
function asksToReturn(c: Context<AppEnv>): boolean {
  return c.req.method === 'GET' && c.req.query('to') !== undefined
}

// `/refresh` stays above `/:guid`: Hono runs the first route that matches.
export const pairRoutes = factory
  .createApp()
  .on(
    ['GET', 'POST'],
    '/refresh',
    issuing({ allow: ['GET', 'POST'], textOn: 'GET', byLink: asksToReturn }),
    async (c) => {
      if (asksToReturn(c)) {
        const { refreshAndReturn } = await import('./return.ts')
        return refreshAndReturn(c)
      }
      const pair = await refreshPair(c.env, await readPairOrAsk(c), await readCaller(c))
      if (pair !== null) writePair(c, pair)
      return c.body(null, 200)
    },
  )
  .post('/refresh/device', issuing({ allow: ['POST'] }), async (c) => (await device()).refreshDevice(c))
  .post('/auth/device', issuing({ allow: ['POST'] }), async (c) => (await device()).registerDevice(c))
  .post('/auth/tickets', async (c) => {
    requireIssuing(c.env)
    await requireServiceKey(c, 'issue')
    const { guid, to } = await readJson(c, TicketOrder)
    if (to !== undefined) requireReturnAddress(c, to)
    const { signTicket, TICKET_SECONDS } = await tickets()
    const ticket = await signTicket(c.env, { guid, to, client: await readNamedClient(c) })
    return c.json({ url: `${readIssuer(c)}/${guid}?ticket=${ticket}`, expires_in: TICKET_SECONDS })
  })
  // The ticket is what a page of another site was given: its link may lead here, as it may with nothing else.
  .get(
    '/:guid',
    issuing({ allow: ['GET'], textOn: 'GET', byLink: (c) => c.req.query('ticket') !== undefined }),
    async (c) => {
      const guid = Guid.safeParse(c.req.param('guid'))
      if (!guid.success) throw new TesseraError('wrong_data_structure', { cause: 'guid' })
      const presented = c.req.query('ticket')
      if (presented === undefined) {
        await requireIssueAccess(c)
        const caller = { ...(await readIssuedCaller(c)), cookies: readAllAccessCookies(c) }
        await writeFirstPair(c, await signInByGuid(c.env, guid.data, caller))
        return c.body(null, 200)
      }
      requireIssuing(c.env)
      const { readTicket, signInByTicket } = await tickets()
      const ticket = await readTicket(c.env, guid.data, presented)
      // Where it leads was allowed when it was signed, and may not be any more.
      const to = ticket.to === undefined ? null : requireReturnAddress(c, ticket.to)
      const caller = { ...(await readCaller(c)), cookies: readAllAccessCookies(c) }
      await writeFirstPair(c, await signInByTicket(c.env, ticket, caller))
      return to === null ? c.body(null, 200) : c.redirect(to, 303)
    },
  )
