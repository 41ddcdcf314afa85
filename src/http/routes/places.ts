/**
 * The places that an owner allowed beside those of their sessions.
 *
 * - GET /auth/places            lists them
 * - DELETE /auth/places/{id}    takes one back
 */

import { TesseraError } from '../../errors.ts'
import { describeAllowedPlace } from '../answer/describe.ts'
import { factory } from '../factory.ts'
import { refuseCrossOrigin } from '../guards/same-origin.ts'
import { authenticateOwner } from '../request/access-token.ts'

export const placeRoutes = factory
  .createApp()
  .basePath('/auth')
  .get('/places', async (c) => {
    const { account } = await authenticateOwner(c)
    return c.json((await c.env.places.list(account.id, c.env.now())).map(describeAllowedPlace))
  })
  .delete('/places/:id{[0-9]{1,15}}', refuseCrossOrigin, async (c) => {
    const { account } = await authenticateOwner(c)
    if (!(await c.env.places.remove(account.id, Number(c.req.param('id'))))) throw new TesseraError('not_found')
    return c.body(null, 204)
  })
