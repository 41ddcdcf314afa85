/** The link *end all my sessions*. */

import type { Services } from '../services.ts'
import type { LinkRule } from './follow-link.ts'

/** Ends all sessions of the account that the mail went to, in one round trip, since nothing of the mail has to be read before. */
export const endSessions: LinkRule<null, null> = {
  offer: () => null,
  follow: ({ links, now }: Pick<Services, 'links' | 'now'>, link) => links.endSessions(link, now()),
}
