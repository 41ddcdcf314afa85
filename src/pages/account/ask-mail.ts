/** The pages that ask for a mail: to sign up, to get that mail again, and to choose a new password. */

import { html } from 'hono/html'

import { type PageName, PAGE_PATHS } from '../../domain/page-paths.ts'
import type { Refusal } from '../fields.ts'
import { type Html, type PageContext, renderPage } from '../layout.ts'
import { buttons, pageButton, paragraphs } from '../parts.ts'
import { emailField, newPasswordField } from './fields.ts'
import { renderForm, type Typed } from './forms.ts'

interface MailPage {
  readonly hasPassword: boolean
  /** Where else somebody may want to go: from the form, and from the page that says that the mail is on its way. */
  readonly others: readonly PageName[]
  readonly next: readonly PageName[]
}

const PAGES = {
  register: { hasPassword: true, others: ['sign_in', 'resend'], next: ['sign_in', 'resend'] },
  resend: { hasPassword: false, others: ['sign_in', 'register'], next: ['sign_in'] },
  forgot: { hasPassword: false, others: ['sign_in'], next: ['sign_in'] },
} as const satisfies Readonly<Partial<Record<PageName, MailPage>>>

export type MailPageName = keyof typeof PAGES

/** The form. */
export function renderAskMail(context: PageContext, name: MailPageName, refusal: Refusal, typed: Typed = {}): Html {
  const { words, pathOf } = context
  const { hasPassword, others } = PAGES[name]
  return renderForm(context, {
    title: words.pages[name],
    lead: words.accountPages.lead[name],
    fields: [
      emailField(context, typed['primary_email']),
      ...(hasPassword ? [newPasswordField(context, 'password')] : []),
    ],
    submit: words.accountPages.submit[name],
    others: others.map((other) => ({ href: pathOf(PAGE_PATHS[other]), label: words.pages[other] })),
    refusal,
  })
}

/** The page afterwards: it says the same whether or not there is a mail. */
export function renderMailAsked(context: PageContext, name: MailPageName): Html {
  const { title, texts } = context.words.accountPages.sent[name]
  const links = PAGES[name].next.map((page, i) => pageButton(context, page, i === 0 ? 'main' : 'other'))
  return renderPage(context, { title, content: html`${paragraphs(texts)}${buttons(...links)}` })
}
