/** Who sends a request, by the access token that is in it: what the adapters of all frameworks have in common. */

import { type AccessTokenClaims, createVerifier, type VerifierOptions } from '../verifier/verifier.ts'

export interface AuthorizerOptions extends Omit<VerifierOptions, 'now'> {
  /** Takes the access cookie, too, where a request has no bearer token. */
  readonly cookies?: boolean | undefined
  /** Origins whose pages may change something by that cookie, beside the application's own: `['https://www.example.com']`. */
  readonly origins?: readonly string[] | undefined
}

/** What an adapter reads of a request. */
export interface Asked {
  readonly method: string
  /** The address that its sender used, of which the origin counts. */
  readonly url: string
  /** The value of a header, by its name in lower case. */
  readonly header: (name: string) => string | null | undefined
}

/** As Tessera itself would answer. */
export interface Refused {
  readonly ok: false
  readonly status: 400 | 401 | 403 | 503
  readonly code: 'wrong_data_structure' | 'token_not_valid' | 'not_authenticated' | 'forbidden' | 'unavailable'
  readonly detail: string
}

export interface Authorized {
  readonly ok: true
  readonly claims: AccessTokenClaims
  /** The text of the token, to pass it on to another service. */
  readonly token: string
}

export type Authorize = (asked: Asked) => Promise<Authorized | Refused>

/** One for the whole program: it keeps the keys. */
export function createAuthorizer({ cookies = false, origins = [], ...options }: AuthorizerOptions): Authorize {
  const { verify } = createVerifier(options)

  return async (asked) => {
    const bearer = /^Bearer +(\S+)$/i.exec(asked.header('authorization') ?? '')?.[1]
    const token = bearer ?? (cookies ? readAccessCookie(asked.header('cookie')) : null)
    if (token === null) return refuse(401, 'not_authenticated', 'Authentication credentials were not provided')
    if (bearer === undefined && isOfForeignPage(asked, origins)) return refuse(403, 'forbidden', 'Forbidden')
    const verified = await verify(token)
    if (verified.ok) return { ok: true, claims: verified.claims, token }
    // For an API, a text that is no token is a credential that is not valid.
    const { status, code, detail } = verified
    return status === 400 ? refuse(401, 'token_not_valid', 'Not valid token') : refuse(status, code, detail)
  }
}

/** The value of the access cookie, or `null`; also where there are two, since another host of the domain may have planted one. */
export function readAccessCookie(header: string | null | undefined): string | null {
  const values = (header ?? '').split(';').flatMap((cookie) => {
    const [name = '', ...value] = cookie.trim().split('=')
    return name === 'access_token' ? [value.join('=')] : []
  })
  return values.length === 1 ? (values[0] ?? null) : null
}

/** A refusal as problem details (RFC 9457), with the headers that its status asks for. What to do about it stands at the issuer. */
export function answerRefusal({ status, code, detail }: Refused, issuer: string): Response {
  const title = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 503: 'Service Unavailable' }[status]
  const headers = new Headers({ 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' })
  if (status === 401) headers.set('WWW-Authenticate', 'Bearer')
  if (status === 503) headers.set('Retry-After', '5')
  return new Response(JSON.stringify({ type: `${issuer}/docs/errors#${code}`, title, status, detail, code }), {
    status,
    headers,
  })
}

function refuse(status: Refused['status'], code: Refused['code'], detail: string): Refused {
  return { ok: false, status, code, detail }
}

/** Whether somebody else's page asks for a change, which a browser would send the cookie along with under `SameSite=None`, or from a sibling host. */
function isOfForeignPage({ method, url, header }: Asked, origins: readonly string[]): boolean {
  if (/^(GET|HEAD|OPTIONS)$/i.test(method)) return false
  const origin = header('origin')
  if (origin !== null && origin !== undefined) return origin !== new URL(url).origin && !origins.includes(origin)
  const site = header('sec-fetch-site') ?? 'none'
  return site !== 'same-origin' && site !== 'none'
}
