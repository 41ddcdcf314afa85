/** Routes that cost a password's hash or a mail, and that anybody may ask. */

import { limitByAddress } from '../../domain/places/rate-limits.ts'
import { factory } from '../factory.ts'
import { readOwner } from '../request/caller.ts'

/**
 * Guards a route from a client that asks too often. A client that a back end names counts by its own address; whoever names none is the client,
 * also with the service key: a key alone does not say how many people stand behind it. A wrong key is refused by the route.
 */
export const limitRate = factory.createMiddleware(async (c, next) => {
  await limitByAddress(c.env, (await readOwner(c)).client)
  await next()
})
