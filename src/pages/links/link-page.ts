/** The pages behind the links of a mail: what would happen, a button that does it, and how it went. */

import { html } from 'hono/html'
import type * as z from 'zod/mini'

import { type LinkedNotice, type LinkPurpose, LINKS } from '../../domain/mails/links.ts'
import { PAGE_PATHS } from '../../domain/page-paths.ts'
import type { Words } from '../../words/en.ts'
import { describeNotice } from '../../words/details.ts'
import type { Refusal } from '../fields.ts'
import { type Html, type PageContext, renderPage } from '../layout.ts'
import { button, buttons, detailTable, hiddenFields, linkButton, paragraphs, wayOn } from '../parts.ts'

/** What the page of one link has beyond its words. `Offer` and `Choice` are those of its rule. */
export interface LinkPage<Offer, Choice> {
  /** Its button takes something away. */
  readonly isDangerous: boolean
  /** What its form asks for beyond the button. */
  readonly fields: (offer: Offer, context: PageContext, errors: Refusal['fields']) => Html
  /** Where its owner has to go on to then; without it, they go where all do. */
  readonly next?: Exclude<keyof Words['toPage'], 'forgotNotMe'>
  /** What its form sends. */
  readonly Form: z.ZodMiniType<{ readonly token: string; readonly choice: Choice }>
}

interface Asked<Offer> {
  readonly purpose: LinkPurpose
  readonly token: string
  readonly notice: LinkedNotice
  readonly offer: Offer
  /** Why what was typed before was not accepted, by the names of its fields. */
  readonly errors: Refusal['fields']
  /** The other answer, where the mail has one: a link to its page. */
  readonly other: { readonly purpose: LinkPurpose; readonly href: string } | null
}

/** Asks. Mail scanners open links and press nothing, so the button is what acts. */
export function renderAskPage<Offer>(
  { isDangerous, fields }: Pick<LinkPage<Offer, never>, 'isDangerous' | 'fields'>,
  { purpose, token, notice, offer, other, errors }: Asked<Offer>,
  context: PageContext,
): Html {
  const { words } = context
  const details = describeNotice(notice, words, notice.timeZone)
  const { question, consequence } = words.linkPages[purpose]
  const answer = button(words.links[purpose].button, isDangerous ? 'danger' : 'main')
  const otherAnswer = other === null ? [] : [linkButton(other.href, words.links[other.purpose].answer, 'other')]
  return renderPage(context, {
    title: question,
    content: html`${[
      html`<p>${consequence}</p>`,
      html`<h2>${words.details.happened}</h2>${detailTable(details, context)}`,
      html`<form method="post">${hiddenFields({ token })}${fields(offer, context, errors)}${buttons(answer, ...otherAnswer)}</form>`,
    ]}`,
  })
}

/** Says that it was done. */
export function renderDonePage(
  { next }: Pick<LinkPage<never, never>, 'next'>,
  purpose: LinkPurpose,
  context: PageContext,
): Html {
  const { words, pathOf } = context
  const { done, afterwards } = words.linkPages[purpose]
  const onwards = next === undefined ? wayOn(context) : linkButton(pathOf(PAGE_PATHS[next]), words.toPage[next])
  return renderPage(context, {
    title: done,
    content: html`${paragraphs(afterwards)}${buttons(onwards)}`,
  })
}

/** Why a link does nothing, in words that say what to do instead. */
export function renderFailedPage(
  reason: 'used' | 'not_valid' | 'trouble',
  purpose: LinkPurpose,
  context: PageContext,
): Html {
  const { failedLink, duration } = context.words
  const { used, notValid, trouble } = failedLink
  const { title, advice } = {
    used,
    not_valid: notValid(duration(LINKS[purpose].lifetimeSeconds)),
    trouble,
  }[reason]
  // Trouble passes, and the page is then loaded again.
  const onwards = reason === 'trouble' ? '' : buttons(wayOn(context, 'other'))
  return renderPage(context, { title, content: html`<p>${advice}</p>${onwards}` })
}
