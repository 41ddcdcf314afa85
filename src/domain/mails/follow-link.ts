/** What following the link of a mail does. Opening it changes nothing; the button of its page acts, once. */

import { TesseraError } from '../../errors.ts'
import type { TimedCaller } from '../caller.ts'
import type { Services } from '../services.ts'
import { readToken } from '../tokens/tokens.ts'
import type { LinkedNotice, LinkPurpose, MailLink } from './links.ts'
import type { Notice } from './notice.ts'
import { offerPlaces } from './offered-places.ts'

/** What one link does. `Offer` is what its page offers beyond the button, and `Choice` what its form sends back. */
export interface LinkRule<Offer, Choice> {
  /** Changes nothing. Throws `token_not_valid` for a notice about which this link can do nothing. */
  readonly offer: (services: Services, notice: LinkedNotice) => Offer
  /** Does it, once. `false`: the link was used before, or is void. Throws as `offer` does. */
  readonly follow: (services: Services, link: MailLink, choice: Choice, askCaller: AskCaller) => Promise<boolean>
}

/** Reads who follows a link, for rules that tell it. Throws for a request that does not say. */
export type AskCaller = () => Promise<TimedCaller>

/**
 * What a link is about and what it offers, for the page that asks. Changes nothing. Throws `wrong_data_structure`,
 * `token_not_valid`, `token_used`, `unavailable`.
 */
export async function openLink<Offer>(
  services: Services,
  purpose: LinkPurpose,
  { offer }: Pick<LinkRule<Offer, never>, 'offer'>,
  text: string,
): Promise<{ readonly notice: LinkedNotice; readonly offer: Offer }> {
  const notice = await findUnused(services, await readLink(services, purpose, text))
  return { notice, offer: offer(services, notice) }
}

/** Whether a text is a link for this purpose, used or not. Throws `wrong_data_structure`, `token_not_valid`. */
export async function checkLink(
  services: Pick<Services, 'tokens' | 'links' | 'now'>,
  purpose: LinkPurpose,
  text: string,
): Promise<void> {
  await readLink(services, purpose, text)
}

/** The purpose of the link that is the other answer to the same notice, where there is one. */
export function otherAnswer(
  { settings }: Pick<Services, 'settings'>,
  purpose: LinkPurpose,
  { kind, facts }: Notice,
): LinkPurpose | null {
  if (kind !== 'location_blocked') return null
  if (purpose === 'allow_place') return 'end_sessions'
  return purpose === 'end_sessions' && offerPlaces(settings.locationPolicy, facts) !== null ? 'allow_place' : null
}

/** Does what a link is for, and uses it up. Throws as `openLink` does. */
export async function followLink<Choice>(
  services: Services,
  purpose: LinkPurpose,
  { follow }: Pick<LinkRule<unknown, Choice>, 'follow'>,
  text: string,
  choice: Choice,
  askCaller: AskCaller,
): Promise<void> {
  const link = await readLink(services, purpose, text)
  if (!(await follow(services, link, choice, askCaller))) throw await refusal(services, link, 'token_used', 'link')
}

/** The notice of a link that may still be used. Throws `token_used`. */
export async function findUnused(services: Pick<Services, 'links'>, link: MailLink): Promise<LinkedNotice> {
  const notice = await services.links.findUnused(link)
  if (notice === null) throw await refusal(services, link, 'token_used', 'link')
  return notice
}

async function readLink(
  services: Pick<Services, 'tokens' | 'links' | 'now'>,
  purpose: LinkPurpose,
  text: string,
): Promise<MailLink> {
  const claims = await readToken(services.tokens, 'link', text, services.now())
  const link = { purpose, id: claims.nid, account: claims.account ?? null }
  if (claims.purpose !== purpose) throw await refusal(services, link, 'token_not_valid', 'purpose')
  return link
}

/** The error that refuses a link of ours. The log names its account, which costs a round trip that a good link does not; it may fail. */
async function refusal(
  { links }: Pick<Services, 'links'>,
  link: MailLink,
  code: 'token_used' | 'token_not_valid',
  cause: 'link' | 'purpose',
): Promise<TesseraError> {
  const guid = await links.findOwner(link).catch(() => null)
  return new TesseraError(code, { cause, guid: guid ?? undefined })
}
