/**
 * The places that the owner of a blocked session may allow: where it was blocked, and where it had been. Each reaches as far as
 * today's policy says, and the mail and the page say how far that is.
 */

import type { NoticeFacts } from './notice.ts'
import { type Client, type LocationPolicy, placeKey, type PlaceReach, reachOf } from '../places/place.ts'

export interface OfferedPlace {
  /** As `placeKey` names it. */
  readonly key: string
  readonly country: string | null
  readonly city: string | null
  readonly provider: string | null
  readonly reach: PlaceReach
}

export interface OfferedPlaces {
  readonly blocked: OfferedPlace
  /** The former place of the session; `null` where the notice has none, or where it is the same one. */
  readonly former: OfferedPlace | null
}

/** The places that a mail offers under a policy. `null` for a refresh from a Worker, whose address nobody may allow. */
export function offerPlaces(
  policy: LocationPolicy,
  { client, usual }: NoticeFacts<'location_blocked'>,
): OfferedPlaces | null {
  const blocked = offer(policy, client)
  if (blocked === null) return null
  const former = usual === null ? null : offer(policy, usual)
  return { blocked, former: former?.key === blocked.key ? null : former }
}

function offer(policy: LocationPolicy, place: Omit<Client, 'userAgent'>): OfferedPlace | null {
  const { country, city, provider } = place
  const key = placeKey(policy, place)
  return key === null ? null : { key, country, city, provider, reach: reachOf(policy, place) }
}
