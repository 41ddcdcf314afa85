/** The parts of pages: paragraphs, buttons, the way on, details of what happened, lists with a button in each row. */

import { html } from 'hono/html'

import type { Language } from '../domain/language.ts'
import { type PageName, PAGE_PATHS } from '../domain/page-paths.ts'
import { breakableParts } from '../domain/places/names.ts'
import type { Detail } from '../words/details.ts'
import type { Html, PageContext } from './layout.ts'

/** `main`: what most people come for. `other`: the other answer. `danger`: it takes something away. */
export type ButtonKind = 'main' | 'other' | 'danger'

/** A button that sends the form around it. `describedBy`: the id of what tells it from others that say the same. */
export function button(label: string, kind: ButtonKind = 'main', describedBy?: string): Html {
  const described = describedBy === undefined ? '' : html` aria-describedby="${describedBy}"`
  return html`<button type="submit"${classOf(kind)}${described}>${label}</button>`
}

/** One button of several of which one is chosen, which is said as well as shown. Its label is in a language of its own. */
export function choice(label: string, { language, isChosen }: { language: Language; isChosen: boolean }): Html {
  const chosen = isChosen ? html` aria-current="true"` : ''
  return html`<button type="submit" class="other" lang="${language}"${chosen}>${label}</button>`
}

/** A link that looks like a button. */
export function linkButton(href: string, label: string, kind: Exclude<ButtonKind, 'danger'> = 'main'): Html {
  return html`<a class="button${kind === 'other' ? ' other' : ''}" href="${href}">${label}</a>`
}

/** Buttons beside each other, or below each other where there is no room: the likely answer first. */
export function buttons(...all: readonly Html[]): Html {
  return html`<div class="buttons">${all}</div>`
}

/** A form that only has a button, for an answer beside the one of another form. `action` is a path; without it the page itself. */
export function buttonForm(
  { action, hidden = {} }: { readonly action?: string; readonly hidden?: Readonly<Record<string, string>> },
  submit: Html,
): Html {
  const target = action === undefined ? '' : html` action="${action}"`
  return html`<form method="post"${target}>${hiddenFields(hidden)}${submit}</form>`
}

export function hiddenFields(values: Readonly<Record<string, string>>): Html {
  return html`${Object.entries(values).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}"/>`)}`
}

export function paragraphs(texts: readonly string[]): Html {
  return html`${texts.map((text) => html`<p>${text}</p>`)}`
}

/** Where people go on to: `APP_URL`, else their account here. */
export function wayOn({ brand, words, pathOf }: PageContext, kind: 'main' | 'other' = 'main'): Html {
  if (brand.url !== undefined) return linkButton(brand.url, words.wayOn.app(brand.name), kind)
  return linkButton(pathOf(PAGE_PATHS.account), words.wayOn.account, kind)
}

/** A button that leads to a page, and says what is done there where its name does not. */
export function pageButton({ words, pathOf }: PageContext, name: PageName, kind: 'main' | 'other' = 'main'): Html {
  const labels: Readonly<Partial<Record<PageName, string>>> = words.toPage
  return linkButton(pathOf(PAGE_PATHS[name]), labels[name] ?? words.pages[name], kind)
}

/** Loads the page itself once more; what was sent to it is not sent again. */
export function tryAgain({ words }: PageContext): Html {
  return linkButton('', words.tryAgain)
}

/** What somebody has to know before the rest. `bad`: something went wrong. It is read out at once. */
export function notice(content: Html, kind: 'good' | 'bad' = 'good'): Html {
  return kind === 'bad'
    ? html`<div class="notice bad" role="alert">${content}</div>`
    : html`<div class="notice" role="status">${content}</div>`
}

/** The details of a notice as a table: from the first on of which it is known what was before, in two columns. */
export function detailTable(details: readonly Detail[], { words }: PageContext): Html {
  const { before, now } = words.details
  const first = details.findIndex((detail) => detail.before !== null)
  const head = html`<tr><td></td><th scope="col">${before}</th><th scope="col">${now}</th></tr>`
  const body = details.map((detail, i) => {
    const name = html`<th scope="row">${detail.name}</th>`
    if (first === -1) return html`<tr>${name}<td>${breakable(detail.now)}</td></tr>`
    if (detail.before === null) return html`<tr>${name}<td colspan="2">${breakable(detail.now)}</td></tr>`
    return html`${i === first ? head : ''}<tr>${name}<td>${breakable(detail.before)}</td><td>${breakable(detail.now)}</td></tr>`
  })
  return html`<table><tbody>${body}</tbody></table>`
}

/** A list with what can be done beside each of its entries. */
export function rows(entries: readonly { readonly content: Html; readonly action?: Html }[]): Html {
  return html`<ul class="rows">${entries.map(({ content, action }) => html`<li><div>${content}</div>${action ?? ''}</li>`)}</ul>`
}

/** A value as HTML. An IPv6 address breaks after its colons, not inside a group. */
export function breakable(value: string): Html {
  return html`${breakableParts(value).map((part, i) => (i === 0 ? part : html`<wbr/>${part}`))}`
}

/** A phrase as the beginning of a sentence. */
export function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}

/** A text in which what stands between backquotes is code. */
export function withCode(text: string): Html {
  return html`${text.split('`').map((part, i) => (i % 2 === 0 ? part : html`<code>${part}</code>`))}`
}

function classOf(kind: ButtonKind): Html | '' {
  return kind === 'main' ? '' : html` class="${kind}"`
}
