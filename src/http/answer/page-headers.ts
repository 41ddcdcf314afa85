/** Headers of every page, beside those of every answer: it loads nothing but its own style, and stands in no frame. */

import { createMiddleware } from 'hono/factory'

const HEADERS = Object.entries({
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Origin-Agent-Cluster': '?1',
  'X-DNS-Prefetch-Control': 'off',
  'X-Download-Options': 'noopen',
  'X-Frame-Options': 'DENY',
  'X-Permitted-Cross-Domain-Policies': 'none',
  'X-XSS-Protection': '0',
})

/** Sets them, and `c.var.nonce`: 128 random bits, which the page's own style carries. */
export const pageHeaders = createMiddleware<{ Variables: { nonce: string } }>(async (c, next) => {
  const nonce = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
  c.set('nonce', nonce)
  await next()
  for (const [name, value] of HEADERS) c.res.headers.set(name, value)
  c.res.headers.set(
    'Content-Security-Policy',
    `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  )
})
