/**
 * The pair in cookies (RFC 6265). Both cookies live as long as the refresh token, since a refresh needs the access token
 * too, expired or not. That of a session which is bound to its browser ends with its token instead: by its end the browser sees that it has to
 * prove its key, and a copy of it is worth nothing from then on.
 */

import type { Context } from 'hono'
import { setCookie } from 'hono/cookie'

import { isLoopback } from '../../domain/loopback.ts'
import type { Pair } from '../../domain/sessions/pair.ts'
import type { PresentedPair } from '../../domain/tokens/tokens.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'

export const ACCESS = { name: 'access_token', path: '/' }
/** Its path is below `BASE_PATH`. That of the access token is not: an application on the same host reads it. */
const REFRESH = { name: 'refresh_token', path: '/refresh' }

/** Both tokens of a request. Throws `token_missing`, or `wrong_data_structure` where one was sent twice. */
export function readPairCookies(c: Context<AppEnv>): PresentedPair {
  const access = readAccessCookie(c)
  if (access === null) throw new TesseraError('token_missing', { detail: 'Access token is missing' })
  return { access, refresh: readRefreshCookie(c) }
}

/** The refresh token alone. Throws as `readPairCookies` does. */
export function readRefreshCookie(c: Context<AppEnv>): string {
  const refresh = readOnly(c.req.header('Cookie') ?? '', REFRESH.name)
  if (refresh === null) throw new TesseraError('token_missing', { detail: 'Refresh token is missing' })
  return refresh
}

/**
 * The access token alone, or `null`. Throws `wrong_data_structure` where it was sent twice; under `COOKIE_DOMAIN` that answer
 * deletes those of its earlier values, so that the next try is good.
 */
export function readAccessCookie(c: Context<AppEnv>): string | null {
  try {
    return readOnly(c.req.header('Cookie') ?? '', ACCESS.name)
  } catch (error) {
    clearTwins(c)
    throw error
  }
}

/** Every access token that was sent, also one that another host of the domain planted: a sign-out ends the sessions of all. */
export function readAllAccessCookies(c: Context<AppEnv>): readonly string[] {
  return cookieValues(c.req.header('Cookie') ?? '', ACCESS.name)
}

/** Every refresh token that was sent, also one that another host of the site planted. */
export function readAllRefreshCookies(c: Context<AppEnv>): readonly string[] {
  return cookieValues(c.req.header('Cookie') ?? '', REFRESH.name)
}

/** Hands a pair out. */
export function writePair(c: Context<AppEnv>, pair: Pair): void {
  const { expiresAt, accessExpiresAt, session } = pair
  const isBound = session.binding?.by === 'dbsc'
  setPair(c, pair, { access: ageOf(c, isBound ? accessExpiresAt : expiresAt), refresh: ageOf(c, expiresAt) })
}

/** How many seconds a cookie lives that ends then. */
export function ageOf({ env }: Context<AppEnv>, expiresAt: number): number {
  return Math.max(0, expiresAt - env.now())
}

/** Deletes both cookies: a browser does that only by the `Domain` and `Path` under which it has them. */
export function clearPair(c: Context<AppEnv>): void {
  setPair(c, { access: '', refresh: '' }, { access: 0, refresh: 0 })
}

function setPair(
  c: Context<AppEnv>,
  { access, refresh }: Pick<Pair, 'access' | 'refresh'>,
  ages: Readonly<Record<'access' | 'refresh', number>>,
): void {
  setAccess(c, access, ages.access)
  setCookie(c, REFRESH.name, refresh, { ...refreshAttributes(c), maxAge: ages.refresh, sameSite: refreshSameSite(c) })
}

/** Sets the access cookie alone. */
export function setAccess(c: Context<AppEnv>, access: string, maxAge: number): void {
  // They go first: a cookie jar that cannot tell two of one path apart then keeps the last, which is the right one.
  clearTwins(c)
  setCookie(c, ACCESS.name, access, { ...accessAttributes(c), maxAge })
}

/** The attributes of the access cookie, but for its age. */
export function accessAttributes(c: Context<AppEnv>) {
  const { cookieDomain: domain } = c.env.settings
  return { ...attributesFor(c), path: ACCESS.path, ...(domain !== undefined && { domain }) }
}

/**
 * Deletes the access cookies that an earlier `COOKIE_DOMAIN` may have left, or none: beside the one of today they would be a
 * cookie that was sent twice, which is refused.
 */
function clearTwins(c: Context<AppEnv>): void {
  const { cookieDomain, publicUrl } = c.env.settings
  if (cookieDomain === undefined || publicUrl === undefined) return
  const attributes = { ...attributesFor(c), path: ACCESS.path, maxAge: 0 }
  setCookie(c, ACCESS.name, '', attributes)
  for (const domain of domainsOf(new URL(publicUrl).hostname)) {
    if (domain !== cookieDomain) setCookie(c, ACCESS.name, '', { ...attributes, domain })
  }
}

/** A host and its parents, without the last label, for which no browser takes a cookie. */
function domainsOf(host: string): readonly string[] {
  const labels = host.split('.')
  return labels.slice(0, -1).map((_, i) => labels.slice(i).join('.'))
}

const SAME_SITE = { strict: 'Strict', lax: 'Lax', none: 'None' } as const

/**
 * `Secure` is left out for plain http on this machine alone, since several cookie jars would drop such cookies. With `SameSite=None`
 * it stays: browsers drop that one without it, and take both from this machine.
 */
function attributesFor(c: Context<AppEnv>) {
  const { url } = c.req
  const { cookieSameSite } = c.env.settings
  const secure = cookieSameSite === 'none' || !(url.startsWith('http:') && isLoopback(new URL(url).hostname))
  return { httpOnly: true, secure, sameSite: SAME_SITE[cookieSameSite] } as const
}

/** The attributes of a cookie that no other host gets, and only a refresh. */
export function refreshAttributes(c: Context<AppEnv>) {
  return { ...attributesFor(c), path: `${c.env.settings.basePath}${REFRESH.path}` }
}

/** Under `lax` the refresh token stays Strict: a link shows pages, for which the access token is enough, and refreshes nothing. */
function refreshSameSite({ env: { settings } }: Context<AppEnv>) {
  return settings.cookieSameSite === 'none' ? SAME_SITE.none : SAME_SITE.strict
}

/** All values that a `Cookie` header has under a name, in its order. An empty one counts as none. */
export function cookieValues(header: string, name: string): readonly string[] {
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1).trim())
    .map((value) => (value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value))
    .filter((value) => value !== '')
}

/** The one value under a name. Throws where there are two: another host of the domain set one of them, and nobody knows which. */
function readOnly(header: string, name: string): string | null {
  const [value, ...others] = cookieValues(header, name)
  if (others.length > 0) throw new TesseraError('wrong_data_structure', { cause: 'cookie sent twice' })
  return value ?? null
}
