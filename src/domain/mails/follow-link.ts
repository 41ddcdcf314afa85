/** What a person does who follows the link of a mail. Opening one changes nothing; its button acts, once. */

import { TesseraError } from '../../errors.ts'
import type { Services } from '../services.ts'
import type { LinkPurpose } from '../tokens/claims.ts'
import { readToken } from '../tokens/tokens.ts'
import type { NoticeFacts } from './notice.ts'
import { offerPlaces, type OfferedPlaces } from './offered-places.ts'

const ALLOWED_PLACE_TTL_SECONDS = 90 * 86_400

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
  if (!(await services.links.endSessions(id, services.now()))) throw new TesseraError('token_used', { cause: 'link' })
}

/** What the owner chose on the page of *that was me*. */
interface Choice {
  /** The policy under which the page named the places; `undefined` where it does not say. */
  readonly policy: string | undefined
  readonly isFormerToo: boolean
}

/**
 * Allows the place of which the mail tells, and the former one where its owner asks for that too, once. Returns them in words.
 * Throws as `openLink` does, and `token_not_valid` where the places reach further by now, or less far, than the page said.
 */
export async function allowPlaceByLink(
  services: Services,
  text: string,
  { policy, isFormerToo }: Choice,
): Promise<readonly string[]> {
  const id = await readLink(services, 'allow_place', text)
  const facts = await findUnused(services, 'allow_place', id)
  const { blocked, former } = requireOffer(services, facts, policy)
  const places = isFormerToo && former !== null ? [blocked, former] : [blocked]
  const now = services.now()
  const allowed = await services.links.allowPlaces(id, places, now, now + ALLOWED_PLACE_TTL_SECONDS)
  if (!allowed) throw new TesseraError('token_used', { cause: 'link' })
  return places.map(({ words }) => words)
}

/** A mail about what is nobody's place has no such link, and a page of another policy offered other places. */
function requireOffer(
  { settings: { locationPolicy } }: Services,
  facts: NoticeFacts,
  policy: string = locationPolicy,
): OfferedPlaces {
  const offered = offerPlaces(locationPolicy, facts)
  if (offered === null || policy !== locationPolicy) throw new TesseraError('token_not_valid', { cause: 'place' })
  return offered
}

async function findUnused({ links }: Services, purpose: LinkPurpose, id: string): Promise<NoticeFacts> {
  const found = await links.findNotice(id)
  if (found === null || found.usedAt[purpose] !== null) throw new TesseraError('token_used', { cause: 'link' })
  return found.facts
}

async function readLink({ tokens, now }: Services, purpose: LinkPurpose, text: string): Promise<string> {
  const claims = await readToken(tokens, 'link', text, now())
  if (claims.purpose !== purpose) throw new TesseraError('token_not_valid', { cause: 'purpose' })
  return claims.nid
}
