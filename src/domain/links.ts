/**
 * The links in a mail about a blocked refresh: *end all my sessions* and *that was me*.
 *
 * A link is signed, for one purpose, for 24 hours, and names only a row of the outbox. It works once by construction:
 * using it writes its moment into that row, and only a row without one can be used. Opening a link changes nothing,
 * since mail scanners open every link; a person then presses a button.
 */

import { TesseraError } from '../errors.ts'
import { isLoopback } from './loopback.ts'
import type { NoticeFacts, StoredNotice } from './notice.ts'
import { offerPlaces, type OfferedPlaces } from './offered-places.ts'
import type { Services, Settings } from './ports.ts'
import { LinkClaims, type LinkPurpose, parseToken, readClaims, requireCurrent } from './tokens.ts'

/** Where each link leads, below the origin of the deployment. */
export const LINK_PATHS = {
  end_sessions: '/links/end-sessions',
  allow_place: '/links/allow-place',
} as const satisfies Record<LinkPurpose, string>

const LINK_TTL_SECONDS = 86_400
const ALLOWED_PLACE_TTL_SECONDS = 90 * 86_400

/**
 * The URL of a link, below today's `PUBLIC_URL`: what a mail was stored with may be of another day, and of another host.
 * Throws where there is none, unless the mail is about this machine. The same notice gives the same URL, however often
 * its mail is rendered.
 */
export async function signLink(
  { tokens, settings }: { readonly tokens: Services['tokens']; readonly settings: Pick<Settings, 'publicUrl'> },
  purpose: LinkPurpose,
  { id, facts }: Pick<StoredNotice, 'id' | 'facts'>,
): Promise<string> {
  const origin = settings.publicUrl ?? facts.origin
  if (settings.publicUrl === undefined && !isLoopback(new URL(origin).hostname)) {
    throw new Error('PUBLIC_URL is missing, and a link must lead nowhere else')
  }
  const token = await tokens.signLink({
    token_type: 'link',
    purpose,
    nid: id,
    iat: facts.at,
    exp: facts.at + LINK_TTL_SECONDS,
  })
  return `${origin}${LINK_PATHS[purpose]}?token=${token}`
}

/** What a link is about, and what *that was me* would allow by the policy of today. */
export interface OpenedLink {
  readonly facts: NoticeFacts
  /** `null` where the link allows none. */
  readonly places: OfferedPlaces | null
}

/**
 * What a link is about, for the page that asks. Changes nothing. Throws `wrong_data_structure`, `token_not_valid`,
 * `token_used`, `unavailable`.
 */
export async function openLink(services: Services, purpose: LinkPurpose, text: string): Promise<OpenedLink> {
  const facts = await findUnused(services, purpose, await readLink(services, purpose, text))
  return { facts, places: purpose === 'allow_place' ? requireOffer(services, facts) : null }
}

/** Ends all sessions of the account that the mail went to, once. Throws as `openLink` does. */
export async function endSessionsByLink(services: Services, text: string): Promise<void> {
  const id = await readLink(services, 'end_sessions', text)
  if (!(await services.owners.endSessions(id, services.now()))) throw new TesseraError('token_used', { cause: 'link' })
}

/**
 * Allows the place of which the mail tells, and the former one where its owner asks for that too, once. Returns them in words.
 * Throws as `openLink` does.
 */
export async function allowPlaceByLink(
  services: Services,
  text: string,
  { isFormerToo }: { readonly isFormerToo: boolean },
): Promise<readonly string[]> {
  const id = await readLink(services, 'allow_place', text)
  const facts = await findUnused(services, 'allow_place', id)
  const { blocked, former } = requireOffer(services, facts)
  const places = isFormerToo && former !== null ? [blocked, former] : [blocked]
  const now = services.now()
  const allowed = await services.owners.allowPlaces(id, places, now, now + ALLOWED_PLACE_TTL_SECONDS)
  if (!allowed) throw new TesseraError('token_used', { cause: 'link' })
  return places.map(({ words }) => words)
}

/** A mail about what is nobody's place has no such link. */
function requireOffer({ settings }: Services, facts: NoticeFacts): OfferedPlaces {
  const offered = offerPlaces(settings.locationPolicy, facts)
  if (offered === null) throw new TesseraError('token_not_valid', { cause: 'place' })
  return offered
}

async function findUnused({ owners }: Services, purpose: LinkPurpose, id: string): Promise<NoticeFacts> {
  const found = await owners.findNotice(id)
  if (found === null || found.usedAt[purpose] !== null) throw new TesseraError('token_used', { cause: 'link' })
  return found.facts
}

async function readLink({ tokens, now }: Services, purpose: LinkPurpose, text: string): Promise<string> {
  const token = parseToken(text)
  await tokens.verifySignature('link', token)
  const claims = readClaims(LinkClaims, token)
  requireCurrent(claims, now())
  if (claims.purpose !== purpose) throw new TesseraError('token_not_valid', { cause: 'purpose' })
  return claims.nid
}
