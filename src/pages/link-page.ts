/** The pages behind the links of a mail: what would happen, a button that does it, and how it went. */

import { html, raw } from 'hono/html'
import type * as z from 'zod/mini'

import { describeLifetime, type LinkPurpose, LINKS } from '../domain/mails/links.ts'
import type { FieldErrors } from '../errors.ts'
import { type Html, renderPage } from './layout.ts'

interface Question<Offer> {
  readonly question: string
  readonly consequence: string
  /** Its button takes something away. */
  readonly isDangerous: boolean
  /** What its form asks for beyond the button. */
  readonly fields: (offer: Offer, errors: FieldErrors) => Html
}

interface Answer<Outcome> {
  readonly done: string
  readonly afterwards: (outcome: Outcome) => Html
}

/** What the page of one link says. `Offer`, `Choice` and `Outcome` are those of its rule. */
export interface LinkPage<Offer, Choice, Outcome> extends Question<Offer>, Answer<Outcome> {
  /** What its form sends. */
  readonly Form: z.ZodMiniType<{ readonly token: string; readonly choice: Choice }>
}

interface Asked<Offer> {
  readonly purpose: LinkPurpose
  readonly token: string
  readonly details: readonly (readonly [name: string, value: string])[]
  readonly offer: Offer
  /** What was typed before, and not accepted. */
  readonly errors: FieldErrors
}

/** Asks. Mail scanners open links and press nothing, so the button is what acts. */
export function renderAskPage<Offer>(
  { question, consequence, isDangerous, fields }: Question<Offer>,
  { purpose, token, details, offer, errors }: Asked<Offer>,
  nonce: string,
): Html {
  const rows = details.map(([name, value]) => html`<dt>${name}</dt><dd>${breakable(value)}</dd>`)
  const hidden = html`<input type="hidden" name="token" value="${token}"/>`
  const button = html`<button type="submit"${isDangerous ? raw(' class="danger"') : ''}>${LINKS[purpose].label}</button>`
  return renderPage(
    question,
    html`${[
      html`<p>${consequence}</p>`,
      html`<h2>What happened</h2><dl>${rows}</dl>`,
      html`<form method="post">${hidden}${fields(offer, errors)}${button}</form>`,
    ]}`,
    nonce,
  )
}

/** Says that it was done. */
export function renderDonePage<Outcome>({ done, afterwards }: Answer<Outcome>, outcome: Outcome, nonce: string): Html {
  return renderPage(done, html`${afterwards(outcome)}<p class="quiet">You can close this page.</p>`, nonce)
}

/** Why a link does nothing, in words that say what to do instead. */
export function renderFailedPage(reason: 'used' | 'not_valid' | 'trouble', purpose: LinkPurpose, nonce: string): Html {
  const [title, advice] = {
    used: [
      'This link was used already',
      'Each link of a mail works once, none after all sessions were ended by it, and mails are forgotten after thirty days. To see where you are signed in, sign in and look at your sessions.',
    ] as const,
    not_valid: [
      'This link does not work',
      `It may be older than ${describeLifetime(purpose)}, or it was not copied whole. Open it from the mail itself; if it is too old, sign in and look at your sessions there.`,
    ] as const,
    trouble: [
      'This did not work just now',
      'The trouble is on our side. It may have been done all the same: please try again in a minute.',
    ] as const,
  }[reason]
  return renderPage(title, html`<p>${advice}</p>`, nonce)
}

/** A value as HTML. An IPv6 address breaks after its colons, not inside a group. */
export function breakable(value: string): Html {
  const parts = value.split(':').length < 3 ? [value] : value.split(/(?<=:)/)
  return html`${parts.map((part, i) => (i === 0 ? part : html`<wbr/>${part}`))}`
}
