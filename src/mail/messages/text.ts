/** A mail as plain text. It says all that its HTML says. */

import { aboutLinks, type Layout } from './layout.ts'

/** The text part. */
export function layOutText(layout: Layout): string {
  const { words, brand, recipient, wording, details, buttons } = layout
  const { links, footer } = aboutLinks(layout)
  const lines = details.map(({ name, now, before }) => {
    const formerly = before === null ? '' : ` (${words.details.before.toLowerCase()}: ${before})`
    return `${name}: ${now}${formerly}`
  })
  const paragraphs = [
    brand.name,
    wording.headline,
    `${words.mail.aboutAccount}: ${recipient}`,
    ...wording.happened,
    lines.join('\n'),
    ...wording.advice,
    ...buttons.map(({ label, url }) => `${label}:\n${url}`),
    links,
    footer,
  ]
  return `${paragraphs.filter((paragraph) => paragraph !== '').join('\n\n')}\n`
}
