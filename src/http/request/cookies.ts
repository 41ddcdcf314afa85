/**
 * The pair in cookies (RFC 6265). Both cookies live as long as the refresh token, since a refresh needs the access token
 * too, expired or not.
 */

import type { Context } from 'hono'
import { setCookie } from 'hono/cookie'

import { isLoopback } from '../../domain/loopback.ts'
import type { Pair } from '../../domain/sessions/pair.ts'
import type { PresentedPair } from '../../domain/tokens/tokens.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'

const ACCESS = { name: 'access_token', path: '/' }
const REFRESH = { name: 'refresh_token', path: '/refresh' }

/** Both tokens of a request. Throws `token_missing`, or `wrong_data_structure` where one was sent twice. */
export function readPairCookies(c: Context<AppEnv>): PresentedPair {
  const header = c.req.header('Cookie') ?? ''
  const access = readOnly(header, ACCESS.name)
  if (access === null) throw new TesseraError('token_missing', { detail: 'Access token is missing' })
  const refresh = readOnly(header, REFRESH.name)
  if (refresh === null) throw new TesseraError('token_missing', { detail: 'Refresh token is missing' })
  return { access, refresh }
}

/** The access token alone, or `null`. Throws `wrong_data_structure` where it was sent twice. */
export function readAccessCookie(c: Context<AppEnv>): string | null {
  return readOnly(c.req.header('Cookie') ?? '', ACCESS.name)
}

/** Every access token that was sent, also one that another host of the domain planted: a sign-out ends the sessions of all. */
export function readAllAccessCookies(c: Context<AppEnv>): readonly string[] {
  return cookieValues(c.req.header('Cookie') ?? '', ACCESS.name)
}

/** Hands a pair out. */
export function writePair(c: Context<AppEnv>, pair: Pair): void {
  const attributes = { ...attributesFor(c), maxAge: Math.max(0, pair.expiresAt - c.env.now()) }
  setCookie(c, ACCESS.name, pair.access, { ...attributes, path: ACCESS.path })
  setCookie(c, REFRESH.name, pair.refresh, { ...attributes, path: REFRESH.path })
}

/** Deletes both cookies. */
export function clearPair(c: Context<AppEnv>): void {
  const attributes = { ...attributesFor(c), maxAge: 0 }
  setCookie(c, ACCESS.name, '', { ...attributes, path: ACCESS.path })
  setCookie(c, REFRESH.name, '', { ...attributes, path: REFRESH.path })
}

/** `Secure` is left out for plain http on this machine alone: several cookie jars would drop such cookies. */
function attributesFor(c: Context<AppEnv>) {
  const { url } = c.req
  const secure = !(url.startsWith('http:') && isLoopback(new URL(url).hostname))
  return { httpOnly: true, secure, sameSite: 'Strict' } as const
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
