/** The access token of a protected route: a bearer token (RFC 6750 section 2.1), or a browser's cookie. */

import type { Context } from 'hono'

import type { OwnSession } from '../../domain/accounts/account.ts'
import { type Authenticated, authenticateInPlace } from '../../domain/sessions/authenticate.ts'
import { TesseraError } from '../../errors.ts'
import { readBearer } from './bearer.ts'
import { readClient } from './client.ts'
import { readAccessCookie } from './cookies.ts'
import { readNamedClientOrNull } from './named-client.ts'
import type { AppEnv } from '../factory.ts'

/** The token that a caller presents; the header goes before the cookie. Throws `not_authenticated` without either. */
export function readAccessToken(c: Context<AppEnv>): string {
  const token = readBearer(c) ?? readAccessCookie(c)
  if (token === null) throw new TesseraError('not_authenticated')
  return token
}

/**
 * Whose account a caller may govern: see `authenticateInPlace`. A back end that names its client has its own key as the bearer token, and
 * hands on that client's cookie. Throws as it does, `not_authenticated` and `client_not_valid`.
 */
export async function authenticateOwner(c: Context<AppEnv>): Promise<Authenticated> {
  const named = await readNamedClientOrNull(c)
  if (named === null) return authenticateInPlace(c.env, readAccessToken(c), readClient(c))
  const cookie = readAccessCookie(c)
  if (cookie === null) throw new TesseraError('not_authenticated')
  return authenticateInPlace(c.env, cookie, named)
}

/** Whose session asks, from the session's own place. Throws as `authenticateOwner` does. */
export async function authenticateSession(c: Context<AppEnv>): Promise<OwnSession> {
  const { account, session } = await authenticateOwner(c)
  return { account, sid: session.sid }
}
