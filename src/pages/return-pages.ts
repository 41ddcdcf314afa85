/** What a browser is shown that asked to be sent on and cannot be, or not at once. None of these pages has a script. */

import { html } from 'hono/html'

import { type Html, type PageContext, renderPage } from './layout.ts'
import { buttons, linkButton, withCode } from './parts.ts'

/** Goes on by itself after so many seconds, and by a button where a browser does not do that. */
export function renderWaitPage(
  { seconds, href }: { readonly seconds: number; readonly href: string },
  context: PageContext,
): Html {
  const { title, text, button, otherwise } = context.words.returning.wait
  return renderPage(context, {
    title,
    content: html`<p>${text}</p>${buttons(linkButton(href, button))}<p class="quiet">${otherwise}</p>`,
    meta: html`<meta http-equiv="refresh" content="${seconds};url=${href}"/>`,
  })
}

/** The trouble is ours. */
export function renderTroublePage(href: string, context: PageContext): Html {
  const { title, text } = context.words.returning.trouble
  return renderPage(context, {
    title,
    content: html`<p>${text}</p>${buttons(linkButton(href, context.words.tryAgain))}`,
  })
}

/** An application sends a browser back at once, again and again: what whoever runs it has to check. */
export function renderLoopPage(
  to: string,
  { own, other }: { readonly own: string; readonly other: string },
  context: PageContext,
): Html {
  const { words } = context
  const { circles, loop } = words.returning
  return renderPage(context, {
    title: circles,
    content: html`${[
      html`<p>${loop.text}</p>${buttons(linkButton(to, words.tryAgain))}`,
      html`<h2>${words.details.happened}</h2>`,
      html`<dl><dt>${loop.own}</dt><dd>${own}</dd><dt>${loop.other}</dt><dd>${other}</dd></dl>`,
      checks(loop.checks(own), context),
    ]}`,
  })
}

/** Where people sign in, an application asks whether they are signed in, and sends them back. */
export function renderSignInLoopPage(context: PageContext): Html {
  const { circles, signInLoop } = context.words.returning
  return renderPage(context, {
    title: circles,
    content: html`<p>${signInLoop.text}</p>${checks(signInLoop.checks, context)}`,
  })
}

function checks(texts: readonly string[], { words }: PageContext): Html {
  return html`<h2>${words.returning.check}</h2><ul>${texts.map((text) => html`<li>${withCode(text)}</li>`)}</ul>`
}
