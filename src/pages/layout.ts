/** The frame of every page: whose it is, what it says, the way on. No script, and nothing from elsewhere but the logo. */

import { html, raw } from 'hono/html'

import type { Language } from '../domain/language.ts'
import type { Brand } from '../domain/settings.ts'
import type { Words } from '../words/en.ts'
import { styleSheet } from './style.ts'

/** A piece of a page: text in which every value was escaped. */
export type Html = ReturnType<typeof html>

/** What stands around the content of a page. */
export interface Frame {
  readonly language: Language
  readonly brand: Brand
  /** That of its Content-Security-Policy, which lets in no other style. */
  readonly nonce: string
}

/** What a page for people is made with: its frame, the words of its language, and where it leads on to. */
export interface PageContext extends Frame {
  readonly words: Words
  /** In characters, of new passwords. */
  readonly passwordMinLength: number
  /** The path, with `BASE_PATH` before it, of a page of this deployment. */
  readonly pathOf: (path: string) => string
}

interface Content {
  /** The heading, and the name of the tab together with that of the application. */
  readonly title: string
  readonly content: Html
  /** Joins the head. */
  readonly meta?: Html
}

/** A page whole. */
export function renderPage({ language, brand, nonce }: Frame, { title, content, meta }: Content): Html {
  const head = [
    html`<meta charset="utf-8"/>`,
    html`<meta name="viewport" content="width=device-width, initial-scale=1"/>`,
    html`<meta name="robots" content="noindex"/>`,
    meta ?? '',
    html`<title>${title} · ${brand.name}</title>`,
    html`<style nonce="${nonce}">${raw(styleSheet(brand.color))}</style>`,
  ]
  const main = html`<main><h1>${title}</h1>${content}</main>`
  const body = html`<header>${header(brand)}</header>${main}`
  return html`<!doctype html><html lang="${language}"><head>${head}</head><body>${body}</body></html>`
}

/** The name alone is read out: beside it, the logo would say the same again. */
function header({ name, url, logoUrl }: Brand): Html {
  const logo = logoUrl === undefined ? '' : html`<img src="${logoUrl}" alt=""/>`
  const content = html`${logo}<span>${name}</span>`
  return url === undefined ? html`<div>${content}</div>` : html`<a href="${url}">${content}</a>`
}
