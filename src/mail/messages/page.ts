/**
 * A mail as HTML. Mail programs know little CSS: styles are inline, widths are of tables, and the sheet in the head only has what the
 * dark scheme changes. Every value is escaped by `html`.
 */

import { html, raw } from 'hono/html'

import { DARK_BACKGROUND, lightened } from '../../domain/color.ts'
import { breakableParts } from '../../domain/places/names.ts'
import type { Brand } from '../../domain/settings.ts'
import type { Detail } from '../../words/details.ts'
import type { Words } from '../../words/en.ts'
import { aboutLinks, type Button, type Layout, subjectOf } from './layout.ts'

type Html = ReturnType<typeof html>

/** A table that is one for mail programs alone. */
const LAYOUT = raw('role="presentation" cellpadding="0" cellspacing="0"')

const TEXT = '#1f2328'
const QUIET = '#57606a'
const LINE = '#d0d7de'
const FIELD = '#6e7781'

/** For programs that know of a dark scheme. Others turn the colours around by themselves, which these survive. */
function darkSheet(color: string): string {
  const action = lightened(color)
  return `@media (prefers-color-scheme:dark){
.back{background:${DARK_BACKGROUND}!important}
.text,.text a{color:#e6edf3!important}
.quiet{color:#9da7b1!important}
.line{border-color:#30363d!important}
.main{background:${action}!important;border-color:${action}!important}
.main a{color:${DARK_BACKGROUND}!important}
.other{border-color:#848d97!important}
.other a{color:#e6edf3!important}
}`
}

const COLUMN = `padding:24px 16px;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;color:${TEXT};text-align:left;overflow-wrap:anywhere;word-break:break-word`
const SMALL = `margin:20px 0 0;color:${QUIET};font-size:14px;overflow-wrap:anywhere`
const TABLE = `font-size:15px;table-layout:fixed;border-collapse:collapse;margin:0 0 20px;border-top:1px solid ${LINE};border-bottom:1px solid ${LINE};text-align:left`
const CELL = 'padding:5px 8px 5px 0;vertical-align:top;overflow-wrap:anywhere;word-break:break-word'
const NAME = `padding:5px 8px 5px 0;vertical-align:top;font-weight:normal;color:${QUIET}`
const LOGO = 'height:32px;width:auto;max-width:200px;margin:0 10px 0 0;border:0;vertical-align:middle'

/** The HTML part. */
export async function layOutPage(layout: Layout): Promise<string> {
  const { language, words, brand, recipient, wording, details, buttons } = layout
  const { links, footer } = aboutLinks(layout)
  const content = [
    header(brand),
    html`<h1 style="margin:24px 0 4px;font-size:22px;line-height:1.3">${wording.headline}</h1>`,
    html`<p class="quiet" style="${SMALL};margin:0 0 20px">${words.mail.aboutAccount}: ${recipient}</p>`,
    wording.happened.map(paragraph),
    table(details, words),
    wording.advice.map(paragraph),
    buttons.map((button) => buttonTable(button, brand.color)),
    links === '' ? '' : html`<p class="quiet" style="${SMALL}">${links}</p>`,
    html`<p class="quiet line" style="${SMALL};padding:16px 0 0;border-top:1px solid ${LINE}">${footer}</p>`,
  ]
  const head = [
    html`<meta charset="utf-8" /><meta name="viewport" content="width=device-width, initial-scale=1" />`,
    html`<meta name="color-scheme" content="light dark" />`,
    html`<meta name="supported-color-schemes" content="light dark" />`,
    html`<title>${subjectOf(layout)}</title>`,
    html`<style>
      ${raw(`:root{color-scheme:light dark}${darkSheet(brand.color)}`)}
    </style>`,
  ]
  const row = html`<tr>
    <td class="text" style="${COLUMN}">${content}</td>
  </tr>`
  const column = html`<table ${LAYOUT} width="100%" style="max-width:560px;margin:0 auto;table-layout:fixed">
    ${row}
  </table>`
  const body = html`<body class="back" style="margin:0;padding:0;background:#ffffff">
    ${column}
  </body>`
  const page = html`<!doctype html>
    <html lang="${language}">
      <head>
        ${head}</head
      >${body}
    </html>`
  // No value has a line break, so these are the ones of this file.
  return String(await page).replaceAll(/\s*\n\s*/g, ' ')
}

function header({ name, logoUrl }: Brand): Html {
  const logo = logoUrl === undefined ? '' : html`<img src="${logoUrl}" alt="" height="32" style="${LOGO}" />`
  return html`<div style="font-weight:600">${logo}<span style="vertical-align:middle">${name}</span></div>`
}

function paragraph(text: string): Html {
  return html`<p style="margin:0 0 16px">${text}</p>`
}

/** The details: from the first on of which it is known what was before, in two columns. */
function table(details: readonly Detail[], words: Words): Html {
  const first = details.findIndex(({ before }) => before !== null)
  const head = html`<tr>
    <td></td>
    ${[words.details.before, words.details.now].map(columnName)}
  </tr>`
  const rows = details.map(({ name, before, now }, i) => {
    if (first === -1)
      return html`<tr>
        ${rowName(name)}${cell(now)}
      </tr>`
    if (before === null)
      return html`<tr>
        ${rowName(name)}${cell(now, html` colspan="2"`)}
      </tr>`
    return html`${i === first ? head : ''}
      <tr>
        ${rowName(name)}${cell(before)}${cell(now)}
      </tr>`
  })
  return html`<table width="100%" cellpadding="0" cellspacing="0" class="line" style="${TABLE}">
    ${rows}
  </table>`
}

function columnName(text: string): Html {
  return html`<th scope="col" align="left" class="quiet" style="${NAME}">${text}</th>`
}

function rowName(text: string): Html {
  return html`<th scope="row" align="left" width="92" class="quiet" style="${NAME}">${text}</th>`
}

function cell(text: string, span: Html | '' = ''): Html {
  const parts = breakableParts(text).map((part, i) => (i === 0 ? part : html`<wbr />${part}`))
  return html`<td${span} style="${CELL}">${parts}</td>`
}

/** The likely answer is filled, the other one has a border. Some programs draw the background of a cell alone. */
function buttonTable({ label, url, isLikely }: Button, color: string): Html {
  const [kind, back, border, text, weight] = isLikely
    ? ['main', color, color, '#ffffff', '600']
    : ['other', 'transparent', FIELD, TEXT, 'normal']
  const look = `display:inline-block;padding:11px 20px;color:${text};font-weight:${weight};text-decoration:none`
  const link = html`<a href="${url}" style="${look}">${label}</a>`
  const frame = `border:1px solid ${border};border-radius:8px;background:${back}`
  const row = html`<tr>
    <td class="${kind}" style="${frame}">${link}</td>
  </tr>`
  return html`<table ${LAYOUT} style="margin:0 0 12px">
    ${row}
  </table>`
}
