/**
 * Who may ask for a pair. Browsers send GET for links, images, prefetches and previews: a session that one of those opened or
 * rotated would have a pair that nobody reads.
 */

import type { Context } from 'hono'

import { TesseraError } from '../errors.ts'
import { readBearer } from './request/access-token.ts'
import { type AppEnv, factory } from './factory.ts'

/**
 * Guards a route that changes something on behalf of a cookie. `SameSite=Strict` keeps the cookies of a foreign site's
 * request away; this also refuses what such a site asks for without them, and what a sibling host asks for with them.
 */
export const refuseCrossOrigin = factory.createMiddleware(async (c, next) => {
  requireSameOrigin(c)
  await next()
})

/** Every guard that `issuing` made. */
const guards = new WeakSet<object>()

/**
 * Guards a route that hands out cookies: no HEAD, no request of another origin's page, no prefetch. Its GET answers errors as bare text, as
 * it was specified.
 */
export function issuing(...methods: readonly string[]) {
  const guard = factory.createMiddleware(async (c, next) => {
    c.set('errorsAsText', c.req.method === 'GET')
    // `Vary`, since two requests that differ in these headers alone may be answered differently.
    c.header('Vary', 'Sec-Fetch-Site, Sec-Purpose')
    // Hono runs the GET handler for HEAD.
    if (c.req.raw.method === 'HEAD') throw new TesseraError('method_not_allowed', { allow: methods })
    const purpose = c.req.header('Sec-Purpose') ?? c.req.header('Purpose') ?? ''
    requireSameOrigin(c)
    if (/\bprefetch\b/i.test(purpose)) throw new TesseraError('forbidden', { cause: 'prefetch' })
    await next()
  })
  guards.add(guard)
  return guard
}

/** Whether a handler is the guard of a route that hands out cookies. Such a route has no HEAD. */
export function isIssuing(handler: object): boolean {
  return guards.has(handler)
}

/**
 * Lets the callers through that `ISSUE_ACCESS` names. Throws `not_authenticated` where a service key is needed and
 * none was sent, `forbidden` for a wrong one and where issuing is off.
 */
export async function requireIssueAccess(c: Context<AppEnv>): Promise<void> {
  const { issueAccess } = c.env.settings
  if (issueAccess === 'open') return
  if (issueAccess === 'off') throw new TesseraError('forbidden', { cause: 'ISSUE_ACCESS is off' })
  await requireServiceKey(c)
}

/** Lets trusted back ends through: `Authorization: Bearer`, the service key (RFC 6750 section 2.1). */
export async function requireServiceKey(c: Context<AppEnv>): Promise<void> {
  const presented = readBearer(c)
  if (presented === null) throw new TesseraError('not_authenticated')
  if (!(await c.env.isServiceKey(presented))) throw new TesseraError('forbidden', { cause: 'service key' })
}

/** Throws `forbidden` for a page of another origin. `none` is an address that a person typed; clients that are no browsers lack the header. */
function requireSameOrigin(c: Context<AppEnv>): void {
  const site = c.req.header('Sec-Fetch-Site') ?? 'none'
  if (site !== 'same-origin' && site !== 'none') throw new TesseraError('forbidden', { cause: 'cross-origin' })
}
