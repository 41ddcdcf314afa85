/**
 * What all mails look like. Every value is escaped by `html`, and no value reaches a header: subjects are fixed.
 *
 * Mail programs know little CSS, so styles are inline and there is one column. The plain text says all that the HTML says.
 */

import { html } from 'hono/html'

import { describeNotice } from '../../domain/mails/details.ts'
import { type LinkPurpose, LINKS } from '../../domain/mails/links.ts'
import type { NoticeFacts } from '../../domain/mails/notice.ts'

/** A mail as a person reads it. */
export interface MailContent {
  readonly subject: string
  readonly text: string
  readonly html: string
}

/** What one kind of mail says. */
export interface Wording {
  readonly subject: string
  readonly headline: string
  readonly explanation: string
  readonly advice: string
  readonly links: readonly LinkPurpose[]
}

/** Lays a mail out, as text and as HTML. `urlOf` signs a link. */
export async function layOut(
  { subject, headline, explanation, advice, links: purposes }: Wording,
  facts: NoticeFacts,
  urlOf: (purpose: LinkPurpose) => Promise<string>,
): Promise<MailContent> {
  const details = describeNotice(facts)
  const links = await Promise.all(
    purposes.map(async (purpose) => ({ label: LINKS[purpose].label, url: await urlOf(purpose) })),
  )
  const text = [
    headline,
    explanation,
    details.map(([name, value]) => `${name}: ${value}`).join('\n'),
    advice,
    ...links.map(({ label, url }) => `${label}:\n${url}`),
  ]
  const rows = details.map(
    ([name, value]) =>
      html`<tr>
        <th align="left" style="padding:4px 16px 4px 0;font-weight:normal;color:#57606a">${name}</th>
        <td style="padding:4px 0">${value}</td>
      </tr>`,
  )
  const buttons = links.map(
    ({ label, url }) =>
      html`<p>
        <a
          href="${url}"
          style="display:inline-block;padding:8px 16px;border:1px solid #1f2328;border-radius:6px;color:#1f2328"
          >${label}</a
        >
      </p>`,
  )
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>${subject}</title>
      </head>
      <body style="margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1f2328;background:#fff">
        <div style="max-width:560px;margin:0 auto">
          <h1 style="font-size:20px">${headline}</h1>
          <p>${explanation}</p>
          <table style="border-collapse:collapse;margin:16px 0">
            ${rows}
          </table>
          <p>${advice}</p>
          ${buttons}
        </div>
      </body>
    </html>`
  return { subject, text: `${text.join('\n\n')}\n`, html: String(await page) }
}
