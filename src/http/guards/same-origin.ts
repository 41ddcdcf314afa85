/** Whose page asks. Browsers say it themselves (Fetch Metadata), and no page can make them say otherwise. */

import type { Context } from 'hono'

import { TesseraError } from '../../errors.ts'
import { type AppEnv, factory } from '../factory.ts'

/**
 * Guards a route that changes something on behalf of a cookie. `SameSite=Strict` keeps the cookies of a foreign site's
 * request away; this also refuses what such a site asks for without them, and what a sibling host asks for with them.
 */
export const refuseCrossOrigin = factory.createMiddleware(async (c, next) => {
  requireSameOrigin(c)
  await next()
})

/**
 * Throws `forbidden` for a request that the page of another origin made. `none` is an address that a person typed. Every browser
 * of today sends the header; for older ones, `SameSite` alone stands in between.
 */
export function requireSameOrigin(c: Context<AppEnv>): void {
  const site = c.req.header('Sec-Fetch-Site') ?? 'none'
  if (site !== 'same-origin' && site !== 'none') throw new TesseraError('forbidden', { cause: 'cross-origin' })
}

/**
 * Whether a person was led here, by a link or a redirect: the answer becomes the page of a tab, and no other page can read it. A frame,
 * an image or a `fetch` is none.
 */
export function isNavigation(c: Context<AppEnv>): boolean {
  return c.req.header('Sec-Fetch-Mode') === 'navigate' && c.req.header('Sec-Fetch-Dest') === 'document'
}
