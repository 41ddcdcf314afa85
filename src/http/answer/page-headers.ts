/**
 * Headers of every page, beside those of every answer: it loads nothing but its own style, stands in no frame, and is read by no other
 * origin.
 */

import { createMiddleware } from 'hono/factory'

const HEADERS = Object.entries({
  'Cross-Origin-Opener-Policy': 'same-origin',
  // Said by every page itself, since it opens none of them to `CORS_ORIGINS`: their buttons are for their owner to press.
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Origin-Agent-Cluster': '?1',
  'X-DNS-Prefetch-Control': 'off',
  'X-Download-Options': 'noopen',
  'X-Frame-Options': 'DENY',
  'X-Permitted-Cross-Domain-Policies': 'none',
  'X-XSS-Protection': '0',
})

/** Sets them, and `c.var.nonce`, which the page's own style carries. */
export const pageHeaders = createMiddleware<{ Variables: { nonce: string } }>(async (c, next) => {
  const nonce = createNonce()
  c.set('nonce', nonce)
  await next()
  setPageHeaders(c.res.headers, nonce)
})

/** 128 random bits, for one page. */
export function createNonce(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
}

/** Sets them on a page whose style carries this nonce: for a route that answers with a page only now and then. */
export function setPageHeaders(headers: Headers, nonce: string): void {
  for (const [name, value] of HEADERS) headers.set(name, value)
  headers.set(
    'Content-Security-Policy',
    `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  )
}
