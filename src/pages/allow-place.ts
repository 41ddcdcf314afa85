/** The page of *that was me, allow this place*. It says to the word what it allows: a place may be as wide as a country. */

import { html } from 'hono/html'
import * as z from 'zod/mini'

import type { PlaceChoice, PlaceOffer } from '../domain/mails/allow-place.ts'
import { ALLOWED_PLACE_DAYS } from '../domain/places/allowed-place.ts'
import { breakable, type LinkPage } from './link-page.ts'

/** `policy` is the one under which the page said what would be allowed; `former` is a box, sent only when it is ticked. */
const Form = z.pipe(
  z.object({ token: z.string(), policy: z.optional(z.string()), former: z.optional(z.string()) }),
  z.transform(({ token, policy, former }) => ({ token, choice: { policy, isFormerToo: former !== undefined } })),
)

export const page: LinkPage<PlaceOffer, PlaceChoice, readonly string[]> = {
  question: 'Was that you?',
  consequence: `If you recognize this, you can allow the place: for ${ALLOWED_PLACE_DAYS} days your sessions may move there and back. If you do not, leave this page and end all your sessions by the other link of the mail.`,
  isDangerous: false,
  fields({ policy, blocked, former }) {
    const extent = html`<h2>What you would allow, for ${ALLOWED_PLACE_DAYS} days</h2><p>${breakable(sentence(blocked.words))}</p>`
    const seen = html`<input type="hidden" name="policy" value="${policy}"/>`
    return html`${extent}${seen}${former === null ? '' : checkbox(former.words)}`
  },
  Form,
  done: 'This place is allowed',
  afterwards(places) {
    const allowed = places.map((words) => `from ${words}`).join(', and ')
    const extent = html`<p>For ${ALLOWED_PLACE_DAYS} days, your sessions may be used ${breakable(allowed)}.</p>`
    return html`${extent}<p>The session that was blocked has ended all the same: sign in again.</p>`
  },
}

function checkbox(former: string) {
  const box = html`<input type="checkbox" name="former" value="yes"/>`
  return html`<label>${box}<span>Also where this session had been: ${breakable(former)}</span></label>`
}

function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}
