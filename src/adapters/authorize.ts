/** Who sends a request, by the access token that is in it: what the adapters of all frameworks have in common. */

import {
  type AccessTokenClaims,
  createVerifier,
  type RefusalCause,
  type VerifierOptions,
} from '../verifier/verifier.ts'

export interface AuthorizerOptions extends Omit<VerifierOptions, 'now'> {
  /** Takes the access cookie, too, where a request has no bearer token. */
  readonly cookies?: boolean | undefined
  /** Called with why a token was refused. Left out, the log says once what looks like a setting that is wrong. */
  readonly onRefused?: ((cause: RefusalCause) => void) | undefined
  /** Origins whose pages may change something by that cookie, beside the application's own: `['https://www.example.com']`. */
  readonly origins?: readonly string[] | undefined
}

/** What an adapter reads of a request. */
export interface Asked {
  readonly method: string
  /** The host that its sender asked, as in the `Host` header. */
  readonly host: string | null | undefined
  /** The value of a header, by its name in lower case. */
  readonly header: (name: string) => string | null | undefined
}

/** As Tessera itself would answer. */
export interface Refused {
  readonly ok: false
  readonly status: 401 | 403 | 503
  readonly code: 'token_not_valid' | 'not_authenticated' | 'forbidden' | 'unavailable'
  readonly detail: string
}

export interface Authorized {
  readonly ok: true
  readonly claims: AccessTokenClaims
  /** The text of the token, to pass it on to another service. */
  readonly token: string
}

export type Authorize = (asked: Asked) => Promise<Authorized | Refused>

/**
 * One for the whole program: it keeps the keys. Throws a `TypeError` for an issuer that no token can have. Of each refusal the program's log says why, where it asks for
 * that: a caller is told less.
 */
export function createAuthorizer({
  cookies = false,
  origins = [],
  onRefused = createHint(),
  ...options
}: AuthorizerOptions): Authorize {
  // Frameworks load a program to build it, where the settings of its run are not known yet: so no issuer is no mistake yet.
  if (options.issuer?.endsWith('/')) throw new TypeError('issuer: without a slash at its end, as in the tokens')
  const { verify } = createVerifier(options)

  return async (asked) => {
    const bearer = /^Bearer +(\S+)$/i.exec(asked.header('authorization') ?? '')?.[1]
    const token = bearer ?? (cookies ? readAccessCookie(asked.header('cookie')) : null)
    if (token === null) return refuse(401, 'not_authenticated', 'Authentication credentials were not provided')
    if (bearer === undefined && isOfForeignPage(asked, origins)) return refuse(403, 'forbidden', 'Forbidden')
    const verified = await verify(token)
    if (verified.ok) return { ok: true, claims: verified.claims, token }
    onRefused(verified.cause)
    if (verified.status === 503) return refuse(503, 'unavailable', 'Service unavailable')
    // For an API, a text that is no token is a credential that is not valid.
    return refuse(401, 'token_not_valid', 'Not valid token')
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
  const title = { 401: 'Unauthorized', 403: 'Forbidden', 503: 'Service Unavailable' }[status]
  const headers = new Headers({ 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' })
  if (status === 401) headers.set('WWW-Authenticate', 'Bearer')
  if (status === 503) headers.set('Retry-After', '5')
  return new Response(JSON.stringify({ type: `${issuer}/docs/errors#${code}`, title, status, detail, code }), {
    status,
    headers,
  })
}

/** What is behind refusals that are rarely the fault of a token. */
const HINTS: Readonly<Partial<Record<RefusalCause, string>>> = {
  issuer: 'its iss is not the issuer that is set here, to the letter',
  audience: 'its aud is not the audience that is set here; with none set, it must have none',
  keys: 'the keys cannot be had from the issuer',
}

/** Each of them once, since anybody can send any token. */
function createHint(): (cause: RefusalCause) => void {
  const said = new Set<RefusalCause>()
  return (cause) => {
    const hint = HINTS[cause]
    if (hint === undefined || said.has(cause)) return
    said.add(cause)
    console.warn(`tessera: a token was refused: ${hint}`)
  }
}

function refuse(status: Refused['status'], code: Refused['code'], detail: string): Refused {
  return { ok: false, status, code, detail }
}

/** Whether somebody else's page asks for a change, which a browser would send the cookie along with under `SameSite=None`, or from a sibling host. */
function isOfForeignPage({ method, host, header }: Asked, origins: readonly string[]): boolean {
  if (/^(GET|HEAD|OPTIONS)$/i.test(method)) return false
  const site = header('sec-fetch-site') ?? null
  // No page can set this header. It holds behind a proxy that ends TLS as well.
  if (site === 'same-origin' || site === 'none') return false
  const origin = header('origin') ?? null
  if (origin === null) return site !== null
  // Older browsers say the origin alone. Its host is compared as it stands, since either may be anything.
  const isOwn = site === null && origin.replace(/^https?:\/\//, '') === host
  return !isOwn && !origins.includes(origin)
}
