/**
 * The cookie transport, for browsers: a token never appears in a body.
 *
 * - GET, POST /refresh   the next pair for the pair in the cookies; `GET /refresh?to=…` stands in return.ts
 * - GET /{guid}          opens a session for a user and hands out its first pair
 */

import { refreshPair } from '../../domain/sessions/refresh.ts'
import { signInByGuid } from '../../domain/sessions/sign-in.ts'
import { Guid } from '../../domain/tokens/claims.ts'
import { TesseraError } from '../../errors.ts'
import { readCaller } from '../request/client.ts'
import { readAllAccessCookies, readPairCookies, writePair } from '../request/cookies.ts'
import { factory } from '../factory.ts'
import { issuing } from '../guards/issuing.ts'
import { requireIssueAccess } from '../guards/service-key.ts'
import { asksToReturn, refreshAndReturn } from './return.ts'

// `/refresh` stays above `/:guid`: Hono runs the first route that matches.
export const pairRoutes = factory
  .createApp()
  .on(
    ['GET', 'POST'],
    '/refresh',
    issuing({ allow: ['GET', 'POST'], textOn: 'GET', byLink: asksToReturn }),
    refreshAndReturn,
    async (c) => {
      const pair = await refreshPair(c.env, readPairCookies(c), readCaller(c))
      writePair(c, pair)
      return c.body(null, 200)
    },
  )
  .get('/:guid', issuing({ allow: ['GET'], textOn: 'GET' }), async (c) => {
    const guid = Guid.safeParse(c.req.param('guid'))
    if (!guid.success) throw new TesseraError('wrong_data_structure', { cause: 'guid' })
    await requireIssueAccess(c)
    const pair = await signInByGuid(c.env, guid.data, { ...readCaller(c), cookies: readAllAccessCookies(c) })
    writePair(c, pair)
    return c.body(null, 200)
  })
