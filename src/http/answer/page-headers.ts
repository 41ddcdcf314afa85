/**
 * Headers of every page, beside those of every answer: it loads nothing but its own style and the logo, stands in no frame, and is read
 * by no other origin.
 */

import { createMiddleware } from 'hono/factory'

import type { Settings } from '../../domain/settings.ts'

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

/** What the policy of a page depends on: a deployment that cannot start has none of it. */
type Shown = Pick<Settings, 'app' | 'returnOrigins' | 'signInUrl'>

/** Sets them, and `c.var.nonce`, which the page's own style carries. For pages whose forms are answered here. */
export const pageHeaders = pageHeadersWith(() => [])

/** The same, for pages whose forms may be answered by a redirect to where people go on to: Chromium takes that for an action of the form. */
export const leadingPageHeaders = pageHeadersWith(({ app, returnOrigins, signInUrl }) => [
  ...[app.url, signInUrl].flatMap((url) => (url !== undefined && URL.canParse(url) ? [new URL(url).origin] : [])),
  ...returnOrigins,
])

function pageHeadersWith(formOrigins: (settings: Shown) => readonly string[]) {
  return createMiddleware<{ Bindings: { readonly settings?: Shown }; Variables: { nonce: string } }>(
    async (c, next) => {
      const { settings } = c.env
      const nonce = createNonce()
      c.set('nonce', nonce)
      await next()
      setPageHeaders(c.res.headers, nonce, settings, settings === undefined ? [] : formOrigins(settings))
    },
  )
}

/** 128 random bits, for one page. */
export function createNonce(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
}

/** Sets them on a page whose style carries this nonce: for a route that answers with a page only now and then. */
export function setPageHeaders(
  headers: Headers,
  nonce: string,
  settings?: Shown,
  formOrigins: readonly string[] = [],
): void {
  for (const [name, value] of HEADERS) headers.set(name, value)
  const logoUrl = settings?.app.logoUrl
  const policy = [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    ...(logoUrl === undefined ? [] : [`img-src ${new URL(logoUrl).origin}`]),
    ['form-action', "'self'", ...new Set(formOrigins)].join(' '),
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  headers.set('Content-Security-Policy', policy.join('; '))
  // Pages have the language that was asked for; the one page that has none is of a deployment without settings.
  if (settings !== undefined) headers.append('Vary', 'Accept-Language')
}
