/**
 * The places that an owner allowed beside those of their sessions.
 *
 * - GET /auth/places            lists them
 * - DELETE /auth/places/{id}    takes one back
 */

import type { AllowedPlace } from '../../domain/places/allowed-place.ts'
import { TesseraError } from '../../errors.ts'
import { factory } from '../factory.ts'
import { refuseCrossOrigin } from '../issuing.ts'
import { authenticateOwner } from '../request/access-token.ts'

export const placeRoutes = factory
  .createApp()
  .basePath('/auth')
  .get('/places', async (c) => {
    const { account } = await authenticateOwner(c)
    return c.json((await c.env.places.list(account.id, c.env.now())).map(describePlace))
  })
  .delete('/places/:id{[0-9]{1,15}}', refuseCrossOrigin, async (c) => {
    const { account } = await authenticateOwner(c)
    if (!(await c.env.places.remove(account.id, Number(c.req.param('id'))))) throw new TesseraError('not_found')
    return c.body(null, 204)
  })

/** Times in seconds since 1970, as in the tokens. */
function describePlace({ id, place, city, country, provider, createdAt, expiresAt }: AllowedPlace) {
  return { id, place, city, country, network: provider, created_at: createdAt, expires_at: expiresAt }
}
