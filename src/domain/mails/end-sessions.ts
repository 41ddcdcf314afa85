/** The link *end all my sessions*. */

import type { Services } from '../services.ts'
import type { LinkRule } from './follow-link.ts'

/** Ends all sessions of the account that the mail went to, in one round trip, since nothing of the mail has to be read before. */
export const endSessions: LinkRule<null, null, 'ended'> = {
  offer: () => null,
  follow: async ({ links, now }: Pick<Services, 'links' | 'now'>, link) =>
    (await links.endSessions(link, now())) ? { outcome: 'ended', mail: null } : null,
}
