/** What a person is told whose page of an account cannot be shown, or whose form was not taken. */

import { html } from 'hono/html'

import { type Html, type PageContext, renderPage } from '../layout.ts'
import { buttons, tryAgain, wayOn } from '../parts.ts'

/** `closed`: a page that `REGISTRATION` closes. */
export type Trouble = 'trouble' | 'refused' | 'notFound' | 'closed'

export function renderTrouble(context: PageContext, what: Trouble): Html {
  const { title, text } = context.words.accountPages[what]
  const onwards = what === 'trouble' ? tryAgain(context) : wayOn(context, 'other')
  return renderPage(context, { title, content: html`<p>${text}</p>${buttons(onwards)}` })
}
