/** The page of *that was me, allow this place*. It says to the word what it allows: a place may be as wide as a country. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { PlaceChoice, PlaceOffer } from '../../domain/mails/allow-place.ts'
import { ALLOWED_PLACE_DAYS } from '../../domain/places/allowed-place.ts'
import { checkbox } from '../fields.ts'
import type { LinkPage } from './link-page.ts'
import { breakable, capitalized, hiddenFields } from '../parts.ts'

/** `policy` is the one under which the page said what would be allowed; `former` is a box, sent only when it is ticked. */
const Form = z.pipe(
  z.object({ token: z.string(), policy: z.optional(z.string()), former: z.optional(z.string()) }),
  z.transform(({ token, policy, former }) => ({ token, choice: { policy, isFormerToo: former !== undefined } })),
)

export const page: LinkPage<PlaceOffer, PlaceChoice> = {
  isDangerous: false,
  fields({ policy, blocked, former }, { words }) {
    const { extent, former: alsoFormer } = words.allowPlace
    const what = html`<h2>${extent(ALLOWED_PLACE_DAYS)}</h2><p>${breakable(`${capitalized(words.reach(blocked.reach))}.`)}</p>`
    const box = former === null ? '' : checkbox('former', breakable(alsoFormer(words.reach(former.reach))))
    return html`${what}${hiddenFields({ policy })}${box}`
  },
  Form,
}
