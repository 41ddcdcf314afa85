/**
 * The links in mails.
 *
 * A link is signed, for one purpose, for a while, and names only a row of the outbox. It works once by construction: its
 * use is a row of its own, and only a link without one can be used. Opening a link changes nothing, since mail scanners
 * open every link; a person then presses a button.
 */

import { isLoopback } from '../loopback.ts'
import type { Settings } from '../settings.ts'
import type { OfferedPlace } from './offered-places.ts'
import type { Notice, StoredNotice } from './notice.ts'
import type { MailRef, OutboxRow } from './outbox.ts'
import type { Tokens } from '../tokens/tokens.ts'

interface Link {
  /** Where it leads, below the address of the deployment. */
  readonly path: `/links/${string}`
  /** Shorter than the purge keeps what was used (`db/purge.ts`), or the link would work again. */
  readonly lifetimeSeconds: number
  /** The link of the same mail whose use makes this one void. */
  readonly voidedBy: string | null
  /** The state that its use changes: a link is good while that is as it was when the mail became due. */
  readonly binds: LinkState | null
}

/**
 * - `registration`: nobody has confirmed it
 * - `credentials`: neither the password nor the address of the account has changed since
 * - `address change`: it was not taken back, and neither was an earlier one
 */
export type LinkState = 'registration' | 'credentials' | 'address change'

/**
 * Every link. A new one is an entry here, the rule of what it does, and its page: `http/routes/mails.ts` asks for both.
 * A mail carries those that its wording names.
 */
export const LINKS = {
  end_sessions: {
    path: '/links/end-sessions',
    lifetimeSeconds: 86_400,
    voidedBy: null,
    binds: null,
  },
  allow_place: {
    path: '/links/allow-place',
    lifetimeSeconds: 86_400,
    // Whoever ends all sessions does not know the place, so that it must not be allowed afterwards.
    voidedBy: 'end_sessions',
    binds: null,
  },
  confirm: {
    path: '/links/confirm',
    lifetimeSeconds: 86_400,
    voidedBy: null,
    binds: 'registration',
  },
  reset_password: {
    path: '/links/reset-password',
    lifetimeSeconds: 3600,
    voidedBy: null,
    binds: 'credentials',
  },
  confirm_email: {
    path: '/links/confirm-email',
    lifetimeSeconds: 86_400,
    voidedBy: null,
    binds: 'credentials',
  },
  undo_email: {
    path: '/links/undo-email',
    lifetimeSeconds: 604_800,
    voidedBy: null,
    binds: 'address change',
  },
} as const satisfies Readonly<Record<string, Link>>

export type LinkPurpose = keyof typeof LINKS

/** A link as it was read: one purpose of one mail. */
export interface MailLink extends MailRef {
  readonly purpose: LinkPurpose
}

/** The notice of a link, whose mail it is, and the time zone of its reader. */
export type LinkedNotice = Notice &
  Pick<StoredNotice, 'id' | 'account' | 'recipient' | 'timeZone'> &
  Pick<OutboxRow, 'guid'>

/** What the links of mails read and do. What is done is done once a link: `false` or `null` says that it was used before, or is void. */
export interface LinkStore {
  /** What a link is about, and whose. `null`: there is no such mail, or the link was used, or is void. */
  readonly findUnused: (link: MailLink) => Promise<LinkedNotice | null>
  /** The guid of the account that a mail went to, which may be gone by now. `null`: it is about no account. For the log. */
  readonly findOwner: (link: MailLink) => Promise<string | null>
  /** Ends every session of the account that a mail went to, which it names, and takes back what it allowed. */
  readonly endSessions: (link: MailLink, now: number) => Promise<Pick<OutboxRow, 'guid'> | null>
  /** Allows places for the account that a mail went to. */
  readonly allowPlaces: (
    link: MailLink,
    places: readonly Omit<OfferedPlace, 'reach'>[],
    now: number,
    expiresAt: number,
  ) => Promise<boolean>
}

/** What an address of this deployment depends on. */
type OwnSettings = Pick<Settings, 'publicUrl' | 'basePath'>

/**
 * The address below which the pages of this deployment are: today's `PUBLIC_URL` and `BASE_PATH`, since those of a stored notice may be earlier
 * ones. Throws where `PUBLIC_URL` is not set, unless the notice is about this machine.
 */
export function ownAddress(settings: OwnSettings, facts: Pick<Notice['facts'], 'origin'>): string {
  const { origin, hostname } = new URL(settings.publicUrl ?? facts.origin)
  if (settings.publicUrl === undefined && !isLoopback(hostname)) {
    throw new Error('PUBLIC_URL is missing, and a link must lead nowhere else')
  }
  return `${origin}${settings.basePath}`
}

/** The URL of a link. The same notice gives the same URL, however often its mail is rendered. Throws as `ownAddress` does. */
export async function signLink(
  { tokens, settings }: { readonly tokens: Tokens; readonly settings: OwnSettings },
  purpose: LinkPurpose,
  { id, account, facts }: Pick<StoredNotice, 'id' | 'account' | 'facts'>,
): Promise<string> {
  const address = ownAddress(settings, facts)
  const { path, lifetimeSeconds } = LINKS[purpose]
  const token = await tokens.sign({
    token_type: 'link',
    purpose,
    nid: id,
    account,
    iat: facts.at,
    exp: facts.at + lifetimeSeconds,
  })
  return `${address}${path}?token=${token}`
}
