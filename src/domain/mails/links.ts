/**
 * The links in a mail about a blocked refresh: *end all my sessions* and *that was me*.
 *
 * A link is signed, for one purpose, for 24 hours, and names only a row of the outbox. It works once by construction:
 * using it writes its moment into that row, and only a row without one can be used. Opening a link changes nothing,
 * since mail scanners open every link; a person then presses a button.
 */

import { isLoopback } from '../loopback.ts'
import type { NoticeFacts, StoredNotice } from './notice.ts'
import type { LinkPurpose } from '../tokens/claims.ts'
import type { Tokens } from '../tokens/tokens.ts'

/** Where each link leads, below the origin of the deployment. */
export const LINK_PATHS = {
  end_sessions: '/links/end-sessions',
  allow_place: '/links/allow-place',
} as const satisfies Record<LinkPurpose, string>

/** What the links of mails read and do. */
export interface LinkStore {
  /** The facts of a mail, and when each of its links was used. */
  readonly findNotice: (
    id: string,
  ) => Promise<{ readonly facts: NoticeFacts; readonly usedAt: Readonly<Record<LinkPurpose, number | null>> } | null>
  /** Ends every session of the account that a mail went to, once a mail. `false`: it was done before. */
  readonly endSessions: (noticeId: string, now: number) => Promise<boolean>
  /** Allows places for the account that a mail went to, once a mail. `false`: it was done before. */
  readonly allowPlaces: (
    noticeId: string,
    places: readonly {
      readonly key: string
      readonly country: string | null
      readonly city: string | null
      readonly provider: string | null
    }[],
    now: number,
    expiresAt: number,
  ) => Promise<boolean>
}

const LINK_TTL_SECONDS = 86_400

/**
 * The URL of a link, below today's `PUBLIC_URL`: what a mail was stored with may be of another day, and of another host.
 * Throws where there is none, unless the mail is about this machine. The same notice gives the same URL, however often
 * its mail is rendered.
 */
export async function signLink(
  { tokens, settings }: { readonly tokens: Tokens; readonly settings: { readonly publicUrl: string | undefined } },
  purpose: LinkPurpose,
  { id, facts }: Pick<StoredNotice, 'id' | 'facts'>,
): Promise<string> {
  const origin = settings.publicUrl ?? facts.origin
  if (settings.publicUrl === undefined && !isLoopback(new URL(origin).hostname)) {
    throw new Error('PUBLIC_URL is missing, and a link must lead nowhere else')
  }
  const token = await tokens.sign({
    token_type: 'link',
    purpose,
    nid: id,
    iat: facts.at,
    exp: facts.at + LINK_TTL_SECONDS,
  })
  return `${origin}${LINK_PATHS[purpose]}?token=${token}`
}
