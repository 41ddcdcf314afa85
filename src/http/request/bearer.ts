/** The bearer token of a request (RFC 6750 section 2.1): an access token, or the service key of a back end. */

import type { Context } from 'hono'

import type { ServiceKey, ServiceScope } from '../../domain/operators/service-key.ts'
import type { AppEnv } from '../factory.ts'

/** What stands in `Authorization: Bearer`, or `null`. */
export function readBearer(c: Context<AppEnv>): string | null {
  return /^Bearer +(\S+) *$/i.exec(c.req.header('Authorization') ?? '')?.[1] ?? null
}

/** The service key of a request, where it may do this; else `null`. */
export async function readServiceKey(c: Context<AppEnv>, scope: ServiceScope): Promise<ServiceKey | null> {
  const presented = readBearer(c)
  const key = presented === null ? null : await c.env.findServiceKey(presented)
  return key?.may.has(scope) === true ? key : null
}

/** Whether the caller may name its client, and open sessions for others. */
export async function mayIssue(c: Context<AppEnv>): Promise<boolean> {
  return (await readServiceKey(c, 'issue')) !== null
}
