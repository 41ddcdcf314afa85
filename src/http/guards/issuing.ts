/**
 * Routes that hand out a pair in cookies. Browsers send GET for links, images, prefetches and previews: a session that one of
 * those opened or rotated would have a pair that nobody reads.
 */

import type { Context } from 'hono'

import { TesseraError } from '../../errors.ts'
import { type AppEnv, factory } from '../factory.ts'
import { isNavigation, requireTrustedOrigin } from './same-origin.ts'

/** Every guard that `issuing` made. */
const guards = new WeakSet<object>()

interface Issuing {
  /** The methods that the path has: HEAD, which Hono would answer by GET, is refused with them. */
  readonly allow: readonly string[]
  /** The method whose errors are bare text, as they were specified, unless `Accept` asks for JSON. */
  readonly textOn?: 'GET'
  /** Whether a link of another site may lead to a request like this one. No link may, where it is left out. */
  readonly byLink?: (c: Context<AppEnv>) => boolean
}

/** Guards a route that hands out cookies: no HEAD, no request of a foreign origin's page, no prefetch. */
export function issuing({ allow, textOn, byLink }: Issuing) {
  const guard = factory.createMiddleware(async (c, next) => {
    c.set('errorsAsText', c.req.method === textOn)
    const mayBeLedTo = byLink?.(c) === true
    // `Vary`, since two requests that differ in these headers alone may be answered differently.
    c.header('Vary', `Sec-Fetch-Site, Sec-Purpose${mayBeLedTo ? ', Sec-Fetch-Mode, Sec-Fetch-Dest' : ''}`)
    if (c.req.raw.method === 'HEAD') throw new TesseraError('method_not_allowed', { allow })
    if (!(mayBeLedTo && isNavigation(c))) requireTrustedOrigin(c)
    const purpose = c.req.header('Sec-Purpose') ?? c.req.header('Purpose') ?? ''
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
