/** What a person is told whose page of an account cannot be shown, or whose form was not taken. */

import { html } from 'hono/html'

import { type Html, type PageContext, renderPage } from '../layout.ts'
import { buttons, wayOn } from '../parts.ts'

export function renderTrouble(context: PageContext, what: 'trouble' | 'refused' | 'notFound'): Html {
  const { title, text } = context.words.accountPages[what]
  // Trouble passes, and the page is then loaded again.
  const onwards = what === 'trouble' ? '' : buttons(wayOn(context, 'other'))
  return renderPage(context, { title, content: html`<p>${text}</p>${onwards}` })
}
