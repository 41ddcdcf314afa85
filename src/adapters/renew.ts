/**
 * Pages that a server renders: it reads the access cookie, and never writes one. Where its token is over, the browser is sent to Tessera, which renews the
 * pair and sends it back. What the adapters of such frameworks have in common.
 */

import type { AccessTokenClaims } from '../verifier/verifier.ts'
import { type Asked, type AuthorizerOptions, createAuthorizer, type Refused } from './authorize.ts'

export interface RenewOptions extends Omit<AuthorizerOptions, 'cookies'> {
  /** The address of this application as browsers know it: `https://www.example.com`. What a proxy before it says is not believed. */
  readonly app: string
}

/** Somebody is signed in; or the browser has to go elsewhere first; or the request cannot be answered with a page. */
export type Visit = { readonly user: AccessTokenClaims } | { readonly location: string } | { readonly refused: Refused }

export interface Navigation extends Omit<Asked, 'host'> {
  /** The address that was asked, of which path and query count. */
  readonly url: string
  /** Whether a browser goes to that page, also where the framework asks for its data alone. Left out: what `Sec-Fetch-Mode` says. */
  readonly isNavigation?: boolean
}

/** One for the whole program: it keeps the keys. */
export function createVisits({ app, ...options }: RenewOptions): (asked: Navigation) => Promise<Visit> {
  const authorize = createAuthorizer({ ...options, cookies: true })

  return async (asked) => {
    const { pathname, search } = new URL(asked.url)
    // Frameworks load a program to build it, where the settings of its run are not known yet.
    const { origin, host } = new URL(app)
    const outcome = await authorize({ ...asked, host })
    if (outcome.ok) return { user: outcome.claims }
    // Trouble with the keys says nothing about the token.
    if (outcome.status === 503) return { refused: outcome }
    const isNavigation = asked.isNavigation ?? isOfNavigation(asked)
    // What was posted would be lost on the way, and a script cannot follow to another origin.
    if (!isNavigation || asked.method !== 'GET') return { refused: outcome }
    return { location: `${options.issuer}/refresh?to=${encodeURIComponent(origin + pathname + search)}` }
  }
}

/** Browsers say so, but for older ones, and for all on plain http: they ask for HTML. */
function isOfNavigation({ header }: Navigation): boolean {
  const mode = header('sec-fetch-mode') ?? null
  return mode === null ? /\btext\/html\b/.test(header('accept') ?? '') : mode === 'navigate'
}
