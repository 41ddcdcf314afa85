/** The pages behind the links of a mail: what would happen, a button that does it, and how it went. */

import { html } from 'hono/html'
import type * as z from 'zod/mini'

import { type LinkedNotice, type LinkPurpose, LINKS } from '../../domain/mails/links.ts'
import type { PageName } from '../../domain/page-paths.ts'
import { describeNotice } from '../../words/details.ts'
import type { Refusal } from '../fields.ts'
import { type Html, type PageContext, renderPage } from '../layout.ts'
import {
  button,
  buttons,
  detailTable,
  hiddenFields,
  linkButton,
  pageButton,
  paragraphs,
  tryAgain,
  wayOn,
} from '../parts.ts'

/** What the page of one link has beyond its words. `Offer` and `Choice` are those of its rule. */
export interface LinkPage<Offer, Choice> {
  /** Its button takes something away. */
  readonly isDangerous: boolean
  /** What its form asks for beyond the button. */
  readonly fields: (offer: Offer, context: PageContext, asked: { errors: Refusal['fields']; recipient: string }) => Html
  /** Where its owner has to go on to then; without it, they go where all do. */
  readonly next?: PageName
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
      html`<form method="post">${hiddenFields({ token })}${fields(offer, context, { errors, recipient: notice.recipient })}${buttons(answer, ...otherAnswer)}</form>`,
    ]}`,
  })
}

/** Says that it was done. */
export function renderDonePage(
  { next }: Pick<LinkPage<never, never>, 'next'>,
  purpose: LinkPurpose,
  context: PageContext,
): Html {
  const { done, afterwards } = context.words.linkPages[purpose]
  const onwards = next === undefined ? wayOn(context) : pageButton(context, next)
  return renderPage(context, {
    title: done,
    content: html`${paragraphs(afterwards)}${buttons(onwards)}`,
  })
}

/** The pages that do without a link what each link does: the likely one first. */
const INSTEAD = {
  end_sessions: ['sessions'],
  allow_place: ['sessions'],
  confirm: ['sign_in', 'resend'],
  reset_password: ['forgot'],
  confirm_email: ['email'],
  undo_email: ['forgot'],
} as const satisfies Readonly<Record<LinkPurpose, readonly PageName[]>>

/** Why a link does nothing, and what to do instead. */
export function renderFailedPage(reason: 'used' | 'not_valid', purpose: LinkPurpose, context: PageContext): Html {
  const { words } = context
  const { used, notValid, instead } = words.failedLink
  const { title, advice } = reason === 'used' ? used : notValid(words.duration(LINKS[purpose].lifetimeSeconds))
  const pages = INSTEAD[purpose].map((name, i) => pageButton(context, name, i === 0 ? 'main' : 'other'))
  return renderPage(context, {
    title,
    content: html`${paragraphs([advice, instead[purpose]])}${buttons(...pages, wayOn(context, 'other'))}`,
  })
}

/** That it did not work just now: the link is as good as before. `tooMany`: whoever asked has to wait. */
export function renderLinkTroublePage(why: 'tooMany' | 'trouble', context: PageContext): Html {
  const { accountPages, failedLink } = context.words
  const { title, advice } = failedLink.trouble
  const text = why === 'tooMany' ? accountPages.problems.tooMany : advice
  return renderPage(context, { title, content: html`<p>${text}</p>${buttons(tryAgain(context))}` })
}
