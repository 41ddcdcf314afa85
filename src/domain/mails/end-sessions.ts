/** The link *end all my sessions*. */

import type { Services } from '../services.ts'
import type { LinkRule } from './follow-link.ts'

/** Ends all sessions of the account that the mail went to, in one round trip, since nothing of the mail has to be read before. */
export const endSessions: LinkRule<null, null> = {
  offer: () => null,
  async follow({ links, now, log }: Pick<Services, 'links' | 'now' | 'log'>, link) {
    const ended = await links.endSessions(link, now())
    if (ended === null) return false
    if (ended.guid !== null) log({ event: 'sessions_ended', guid: ended.guid, reason: 'link' })
    return true
  },
}
