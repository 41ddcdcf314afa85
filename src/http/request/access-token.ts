/** The access token of a protected route: a bearer token (RFC 6750 section 2.1), or a browser's cookie. */

import type { Context } from 'hono'

import { type Authenticated, authenticateInPlace } from '../../domain/sessions/authenticate.ts'
import { TesseraError } from '../../errors.ts'
import { readClient } from './client.ts'
import { readAccessCookie } from './cookies.ts'
import type { AppEnv } from '../factory.ts'

/** The token that a caller presents; the header goes before the cookie. Throws `not_authenticated` without either. */
export function readAccessToken(c: Context<AppEnv>): string {
  const token = readBearer(c) ?? readAccessCookie(c)
  if (token === null) throw new TesseraError('not_authenticated')
  return token
}

/** Whose account a caller may govern: see `authenticateInPlace`. Throws as it does, and `not_authenticated`. */
export function authenticateOwner(c: Context<AppEnv>): Promise<Authenticated> {
  return authenticateInPlace(c.env, readAccessToken(c), readClient(c))
}

/** What stands in `Authorization: Bearer`, or `null`. */
export function readBearer(c: Context<AppEnv>): string | null {
  return /^Bearer +(\S+) *$/i.exec(c.req.header('Authorization') ?? '')?.[1] ?? null
}
