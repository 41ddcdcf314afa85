/** The mail about a refresh from another place. */

import { describeLifetime } from '../../domain/mails/links.ts'
import type { NoticeFacts } from '../../domain/mails/notice.ts'
import { offerPlaces } from '../../domain/mails/offered-places.ts'
import { ALLOWED_PLACE_DAYS } from '../../domain/places/allowed-place.ts'
import type { LocationPolicy } from '../../domain/places/place.ts'
import type { Wording } from './layout.ts'

export function locationBlocked(facts: NoticeFacts<'location_blocked'>, policy: LocationPolicy): Wording {
  const places = offerPlaces(policy, facts)
  // The links of one mail live equally long: a test of the messages holds it.
  const lifetime = describeLifetime('end_sessions')
  return {
    subject: 'We blocked a sign-in from another place',
    headline: 'Somebody used your session from another place',
    explanation:
      'Your session was presented from a network that it was not opened from. We ended that session, so it cannot be used any more, from there or from anywhere else.',
    advice:
      places === null
        ? `If this was you, sign in again. It came from a Worker, as anybody can run one, so the place cannot be allowed. If it was not you, end all your sessions and change your password: the link also takes back the places that you allowed. It works once, for ${lifetime}.`
        : `If this was you, sign in again. The second link below lets you allow ${places.blocked.words}${places.former === null ? '' : ` (and, if you tick it there, ${places.former.words})`}, for ${ALLOWED_PLACE_DAYS} days. If it was not you, end all your sessions and change your password: the first link also takes back the places that you allowed. The links work once, for ${lifetime}.`,
    links: places === null ? ['end_sessions'] : ['end_sessions', 'allow_place'],
  }
}
