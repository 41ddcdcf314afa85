/** Who asks, and under which address: by the connection of the request, or as a back end names its client. */

import type { Context } from 'hono'

import type { Caller, TimedCaller } from '../../domain/caller.ts'
import type { AppEnv } from '../factory.ts'
import { mayIssue } from './bearer.ts'
import { readClient } from './client.ts'
import { readNamedClient, readNamedClientOrNull, requireNamedClient } from './named-client.ts'

/** Who asks. Throws as `readClient` and `readNamedClient` do. */
export async function readCaller(c: Context<AppEnv>): Promise<Caller> {
  return { client: (await readNamedClient(c)) ?? readClient(c), issuer: readIssuer(c) }
}

/** The same, where a bearer token may be an access token instead: see `readNamedClientOrNull`. */
export async function readOwner(c: Context<AppEnv>): Promise<Caller> {
  return { client: (await readNamedClientOrNull(c)) ?? readClient(c), issuer: readIssuer(c) }
}

/** As `readCaller`, where the time of the answer must not tell what was done. */
export async function readTimedCaller(c: Context<AppEnv>): Promise<TimedCaller> {
  return timed(c, await readCaller(c))
}

/** As `readOwner`, in the same way. */
export async function readTimedOwner(c: Context<AppEnv>): Promise<TimedCaller> {
  return timed(c, await readOwner(c))
}

function timed(c: Context<AppEnv>, caller: Caller): TimedCaller {
  return {
    ...caller,
    afterwards(work) {
      c.executionCtx.waitUntil(work)
    },
  }
}

/**
 * For whom a session is opened by its guid. Whoever has the service key is a server, and has to name its client: in a session of the
 * server's own place, the policy would block that client's first refresh. Throws as `readCaller` does.
 */
export async function readIssuedCaller(c: Context<AppEnv>): Promise<Caller> {
  if (c.env.settings.locationPolicy === 'off' || !(await mayIssue(c))) return readCaller(c)
  return { client: requireNamedClient(c), issuer: readIssuer(c) }
}

/**
 * The URL under which this deployment is reached: the issuer of its tokens (RFC 7519 section 4.1.1). Only
 * local development may do without `PUBLIC_URL`: its issuer is below the origin of the request.
 */
export function readIssuer(c: Context<AppEnv>): string {
  return `${ownOrigin(c)}${c.env.settings.basePath}`
}

/** The origin of this deployment. */
export function ownOrigin(c: Context<AppEnv>): string {
  return c.env.settings.publicUrl ?? new URL(c.req.url).origin
}
