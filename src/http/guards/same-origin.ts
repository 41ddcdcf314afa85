/** Whose page asks. Browsers say it themselves (Fetch Metadata), and no page can make them say otherwise. */

import type { Context } from 'hono'

import { TesseraError } from '../../errors.ts'
import { type AppEnv, factory } from '../factory.ts'

/**
 * Guards a route that changes something on behalf of a cookie. `SameSite` keeps the cookies of a foreign site's request away, unless
 * it is `None`; this also refuses what such a site asks for without them, and what a sibling host asks for with them.
 */
export const refuseCrossOrigin = factory.createMiddleware(async (c, next) => {
  requireTrustedOrigin(c)
  await next()
})

/** Guards the button of a page of ours, which no other page may press: not even one of `CORS_ORIGINS`. */
export const refuseOtherPages = factory.createMiddleware(async (c, next) => {
  requireSameOrigin(c)
  await next()
})

/**
 * Throws `forbidden` for a request that the page of another origin made, unless `CORS_ORIGINS` lists that origin. Beside a list, an
 * `Origin` speaks for browsers that send no `Sec-Fetch-Site`. A request with neither is let in: back ends and tools send none.
 */
export function requireTrustedOrigin(c: Context<AppEnv>): void {
  const { corsOrigins, publicUrl } = c.env.settings
  const origin = c.req.header('Origin')
  if (corsOrigins.size > 0 && origin !== undefined) {
    if (corsOrigins.has(origin)) return
    const isOwn = origin === publicUrl || origin === new URL(c.req.url).origin
    if (!isOwn && c.req.header('Sec-Fetch-Site') === undefined) refuse()
  }
  requireSameOrigin(c)
}

/**
 * Throws `forbidden` for a request that the page of another origin made. `none` is an address that a person typed. Every browser
 * of today sends the header; for older ones, `SameSite` alone stands in between.
 */
function requireSameOrigin(c: Context<AppEnv>): void {
  const site = c.req.header('Sec-Fetch-Site') ?? 'none'
  if (site !== 'same-origin' && site !== 'none') refuse()
}

function refuse(): never {
  throw new TesseraError('forbidden', { cause: 'cross-origin' })
}

/**
 * Whether a person was led here, by a link or a redirect: the answer becomes the page of a tab, and no other page can read it. A frame,
 * an image or a `fetch` is none.
 */
export function isNavigation(c: Context<AppEnv>): boolean {
  return c.req.header('Sec-Fetch-Mode') === 'navigate' && c.req.header('Sec-Fetch-Dest') === 'document'
}
