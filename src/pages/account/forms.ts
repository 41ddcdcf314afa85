/** Pages with one form each: what every one of them looks like, from a heading to the way elsewhere. */

import { html } from 'hono/html'

import { errorSummary, type Field, field, ownerField, type Refusal } from '../fields.ts'
import { type Html, type PageContext, renderPage } from '../layout.ts'
import { button, type ButtonKind, buttons, hiddenFields, notice, paragraphs } from '../parts.ts'

/** What somebody typed before. */
export type Typed = Readonly<Record<string, string>>

export interface FormPage {
  readonly title: string
  /** What happened just now, such as a sign-out. */
  readonly news?: string | undefined
  readonly lead?: readonly string[]
  /** Whose password is asked for, where no field asks for that. */
  readonly owner?: string | null
  readonly fields: readonly Omit<Field, 'error'>[]
  readonly hidden?: Readonly<Record<string, string>>
  readonly submit: string
  readonly kind?: ButtonKind
  /** The other answers, as links. */
  readonly others?: readonly { readonly href: string; readonly label: string }[]
  readonly refusal: Refusal
}

/** A page with a form, and what was refused of it before. */
export function renderForm(context: PageContext, page: FormPage): Html {
  const { title, news, lead = [], hidden = {}, owner = null, submit, kind = 'main', others = [], refusal } = page
  const fields = page.fields.map((one): Field => {
    const error = refusal.fields[one.name]
    return error === undefined ? one : { ...one, error }
  })
  const links = others.map(({ href, label }) => html`<li><a href="${href}">${label}</a></li>`)
  return renderPage(context, {
    title,
    content: html`${[
      news === undefined ? '' : notice(html`<p>${news}</p>`),
      refusal.form === null ? '' : notice(html`<p>${refusal.form}</p>`, 'bad'),
      errorSummary(context, fields),
      paragraphs(lead),
      html`<form method="post">${hiddenFields(hidden)}${ownerField(owner)}${fields.map(field)}${buttons(button(submit, kind))}</form>`,
      links.length === 0 ? '' : html`<ul class="links">${links}</ul>`,
    ]}`,
  })
}
