/** The two ways in which Tessera hands out pairs: as JSON, and in cookies that no script sees. */

import type { Pair } from './contract.ts'

/** A request to Tessera: its path, its method, which is POST unless it says otherwise, and its body where it has one. */
export interface Call {
  readonly path: string
  readonly method?: 'POST' | 'DELETE'
  readonly body?: object
}

/** What an answer to a sign-in or a refresh says, as far as this needs it. */
export interface Body {
  readonly access?: string
  readonly refresh?: string
  readonly guid?: string
  readonly token_type?: string
}

export interface Transport {
  readonly inCookies: boolean
  /** Where e-mail and password go. */
  readonly signInPath: string
  readonly refresh: (pair: Pair) => Call
  /** Of nobody, it ends what is in the cookies. */
  readonly signOut: (pair: Pair | null) => Call
  /** The pair of an answer to a sign-in or a refresh. */
  readonly read: (body: Body) => Pair
  /** The request with whatever shows who sends it. */
  readonly attach: (request: Request, pair: Pair) => Request
}

/** Infinity is no number of JSON, which pairs are kept in. */
export const NEVER = Number.MAX_SAFE_INTEGER

/** How much of its life an access token is used for: the rest is for the way to whoever verifies it. */
const USED_PART = 0.98

export const byJson: Transport = {
  inCookies: false,
  signInPath: '/auth/token',
  refresh: ({ refresh }) => ({ path: '/auth/token/refresh', body: { refresh } }),
  signOut: (pair) => ({ path: '/auth/token/revoke', body: { refresh: pair?.refresh } }),
  read({ access = '', refresh = '' }) {
    const { iat, exp, sub } = JSON.parse(atob(access.split('.')[1]?.replaceAll('-', '+').replaceAll('_', '/') ?? ''))
    // The clock of a device may be wrong, so only how long the token lives is taken from it.
    return { access, refresh, over: Date.now() + (exp - iat) * 1000 * USED_PART, sub }
  },
  attach(request, { access }) {
    request.headers.set('Authorization', `Bearer ${access}`)
    return request
  },
}

/** Of browsers: the types of other runtimes do not know it. */
const WITH_COOKIES: object = { credentials: 'include' }

/** In the place of tokens there is a mark, another one after each renewal. */
export const byCookies: Transport = {
  inCookies: true,
  signInPath: '/auth/session',
  refresh: () => ({ path: '/refresh' }),
  signOut: () => ({ path: '/auth/session', method: 'DELETE' }),
  read: ({ guid }) => ({ access: '', refresh: crypto.randomUUID(), over: NEVER, sub: guid }),
  attach: (request) => new Request(request, WITH_COOKIES),
}
