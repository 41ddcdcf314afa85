/** The link *that was me, allow this place*. */

import { TesseraError } from '../../errors.ts'
import type { Services } from '../services.ts'
import type { Settings } from '../settings.ts'
import { findUnused, type LinkRule } from './follow-link.ts'
import type { LinkedNotice } from './links.ts'
import { ALLOWED_PLACE_DAYS } from '../places/allowed-place.ts'
import { offerPlaces, type OfferedPlaces } from './offered-places.ts'

/** What the link would allow, and the policy that says how far that reaches. */
export interface PlaceOffer extends OfferedPlaces {
  readonly policy: Settings['locationPolicy']
}

/** What the owner chose on the page. */
export interface PlaceChoice {
  /** The policy under which the page named the places; `undefined` where it does not say. */
  readonly policy?: string | undefined
  readonly isFormerToo: boolean
}

/**
 * Allows the place of which the mail tells, and the former one where its owner asks for that too. Where the places reach further by now,
 * or less far, than the page said, it allows none.
 */
export const allowPlace: LinkRule<PlaceOffer, PlaceChoice> = {
  offer: ({ settings }, notice) => requireOffer(settings, notice),
  async follow(services: Pick<Services, 'settings' | 'links' | 'now'>, link, { policy, isFormerToo }) {
    const { blocked, former } = requireOffer(services.settings, await findUnused(services, link), policy)
    const places = isFormerToo && former !== null ? [blocked, former] : [blocked]
    const now = services.now()
    return services.links.allowPlaces(link, places, now, now + ALLOWED_PLACE_DAYS * 86_400)
  },
}

/** The places that a press allows. A page that was opened under another policy named other ones, and then none is allowed. */
function requireOffer(
  { locationPolicy: policy }: Pick<Settings, 'locationPolicy'>,
  { kind, facts, guid }: LinkedNotice,
  seen: string = policy,
): PlaceOffer {
  const offered = kind === 'location_blocked' ? offerPlaces(policy, facts) : null
  if (offered === null || seen !== policy)
    throw new TesseraError('token_not_valid', { cause: 'place', guid: guid ?? undefined })
  return { policy, ...offered }
}
