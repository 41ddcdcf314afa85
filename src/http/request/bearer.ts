/** The bearer token of a request (RFC 6750 section 2.1): an access token, or the service key of a back end. */

import type { Context } from 'hono'

import type { AppEnv } from '../factory.ts'

/** What stands in `Authorization: Bearer`, or `null`. */
export function readBearer(c: Context<AppEnv>): string | null {
  return /^Bearer +(\S+) *$/i.exec(c.req.header('Authorization') ?? '')?.[1] ?? null
}

/** Whether it is the service key. */
export async function hasServiceKey(c: Context<AppEnv>): Promise<boolean> {
  const key = readBearer(c)
  return key !== null && c.env.isServiceKey(key)
}
