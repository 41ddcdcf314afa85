/** What wrangler printed when it failed, as one line that says what to do. */

import { stripVTControlCharacters } from 'node:util'

const KNOWN: readonly (readonly [RegExp, string])[] = [
  [
    /not authenticated|not logged in|wrangler login|set a CLOUDFLARE_API_TOKEN/i,
    'you are not logged in to Cloudflare: run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN',
  ],
  [/code: (?:10000|7403|9109)\b/, 'the token lacks a right for this: Workers Scripts, D1 and Queues, each with Edit'],
  [/code: 10007\b|Worker "[^"]+" not found/, 'there is no such Worker yet: `npm run deploy` creates it'],
  [/Couldn't find (?:a|an) .*D1 DB/i, 'there is no such database yet: `npm run deploy` creates it'],
  [/Queue "[^"]+" does not exist/, 'there is no such queue: `npm run deploy` creates it'],
]

/** The line for an output; its own words where nobody knows better. */
export function explainWrangler(output: string): string {
  const known = KNOWN.find(([pattern]) => pattern.test(output))
  if (known !== undefined) return known[1]
  const text = stripVTControlCharacters(output).replace(/\s+/g, ' ').trim()
  const said = /\[ERROR\] (.*?)(?: \[code|$)/.exec(text)?.[1] ?? text
  return `wrangler failed: ${said.slice(0, 200)}`
}

/** Whether nobody is logged in, so that whatever else is asked of Cloudflare fails alike. */
export function isNotLoggedIn(output: string): boolean {
  return KNOWN[0]?.[0].test(output) ?? false
}
