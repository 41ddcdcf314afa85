/** The catalogue of errors: to which each problem's `type` leads, with an entry a code. */

import { html } from 'hono/html'

import { type Frame, type Html, renderPage } from './layout.ts'

/** An error as its entry shows it. What stands between backticks is code. */
export interface CatalogueEntry {
  readonly code: string
  readonly status: number
  readonly details: readonly string[]
  /** A sentence. */
  readonly happened: string
  readonly remedy: string
}

/** The catalogue as a page. Its links are relative to its own address. */
export function renderCatalogue(frame: Frame, entries: readonly CatalogueEntry[]): Html {
  const links = entries.map(({ code }) => html`<li><a href="#${code}">${code}</a></li>`)
  return renderPage(frame, {
    title: 'Errors',
    content: html`${[
      html`<p>Every error that this API answers, by its <code>code</code>. The <code>type</code> of a problem leads to its entry here. Decide by the code: texts are for people.</p>`,
      html`<p class="quiet"><a href="./">API reference</a> · <a href="errors.md">this page as Markdown</a></p>`,
      html`<ul>${links}</ul>`,
      ...entries.map(renderEntry),
    ]}`,
  })
}

function renderEntry({ code, status, details, happened, remedy }: CatalogueEntry): Html {
  return html`${[
    html`<h2 id="${code}"><code>${code}</code></h2>`,
    html`<p class="quiet">${status} · ${details.join(' / ')}</p>`,
    html`<p>${marked(happened)}</p>`,
    html`<p><strong>What to do.</strong> ${marked(remedy)}</p>`,
  ]}`
}

/** Text whose parts between backticks are code. */
function marked(text: string): readonly (Html | string)[] {
  return text.split('`').map((part, i) => (i % 2 === 0 ? part : html`<code>${part}</code>`))
}
