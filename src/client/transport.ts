/** The two ways in which Tessera hands out pairs: as JSON, and in cookies that no script sees. */

import type { Pair } from './contract.ts'

/** A request to Tessera: its path, its method, and its body where it has one. */
export interface Call {
  readonly path: string
  readonly method: 'POST' | 'DELETE'
  readonly body?: object
}

export interface Transport {
  readonly inCookies: boolean
  readonly signIn: (primary_email: string, password: string) => Call
  readonly refresh: (pair: Pair) => Call
  readonly signOut: (pair: Pair) => Call
  /** The pair of an answer to the first two. */
  readonly read: (body: Partial<Pair>) => Pair
  /** The request with whatever shows who sends it. */
  readonly attach: (request: Request, pair: Pair) => Request
}

/** Infinity is no number of JSON, which pairs are kept in. */
export const NEVER = Number.MAX_SAFE_INTEGER

/** How much of its life an access token is used for: the rest is for the way to whoever verifies it. */
const USED_PART = 0.98

export const byJson: Transport = {
  inCookies: false,
  signIn: (primary_email, password) => ({ path: '/auth/token', method: 'POST', body: { primary_email, password } }),
  refresh: ({ refresh }) => ({ path: '/auth/token/refresh', method: 'POST', body: { refresh } }),
  signOut: ({ refresh }) => ({ path: '/auth/token/revoke', method: 'POST', body: { refresh } }),
  read({ access = '', refresh = '' }) {
    const { iat, exp, sub } = JSON.parse(atob(access.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''))
    // The clock of a device may be wrong, so only how long the token lives is taken from it.
    return { access, refresh, over: Date.now() + (exp - iat) * 1000 * USED_PART, sub }
  },
  attach(request, { access }) {
    const headers = new Headers(request.headers)
    headers.set('Authorization', `Bearer ${access}`)
    return new Request(request, { headers })
  },
}

/** Of browsers: the types of other runtimes do not know it. */
const WITH_COOKIES: object = { credentials: 'include' }

/** In the place of tokens there is a mark, another one after each renewal. */
export const byCookies: Transport = {
  inCookies: true,
  signIn: (primary_email, password) => ({ path: '/auth/session', method: 'POST', body: { primary_email, password } }),
  refresh: () => ({ path: '/refresh', method: 'POST' }),
  signOut: () => ({ path: '/auth/session', method: 'DELETE' }),
  read: () => ({ access: '', refresh: crypto.randomUUID(), over: NEVER }),
  attach: (request) => new Request(request, WITH_COOKIES),
}
