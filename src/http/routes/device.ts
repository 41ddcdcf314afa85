/**
 * Device Bound Session Credentials (W3C working draft of 2025-08-21): the registration of a key, and refreshes by proof. Loaded when it is met.
 *
 * - POST /auth/device
 * - POST /refresh/device
 *
 * A browser forgets a session at every refusal but 403 with a challenge, and goes on after a 5xx.
 */

import type { Context } from 'hono'

import { bindDevice, refreshByDevice } from '../../domain/sessions/device.ts'
import { keptChallenge } from '../../domain/tokens/dbsc.ts'
import { TesseraError } from '../../errors.ts'
import type { DeviceSession } from '../answer/answer-contract.ts'
import type { AppEnv } from '../factory.ts'
import { ownOrigin, readCaller } from '../request/caller.ts'
import {
  ACCESS,
  accessAttributes,
  ageOf,
  readAccessCookie,
  readAllRefreshCookies,
  setAccess,
  writePair,
} from '../request/cookies.ts'

/** `POST /auth/device`: binds the session of the access cookie, and says which requests wait for a fresh cookie. */
export async function registerDevice(c: Context<AppEnv>): Promise<Response> {
  const access = readAccessCookie(c)
  if (access === null) throw new TesseraError('not_authenticated')
  const { sid, exp } = await bindDevice(c.env, access, readString(c, 'Secure-Session-Response') ?? '')
  setAccess(c, access, ageOf(c, exp))
  return c.json(describeSession(c, sid))
}

/**
 * `POST /refresh/device`: the next pair for a proof, and the challenge for the one after it, which saves the first half of that. The answer says again
 * what the registration said, so that a browser learns of settings that were changed since.
 */
export async function refreshDevice(c: Context<AppEnv>): Promise<Response> {
  const request = {
    refresh: readAllRefreshCookies(c),
    proof: readString(c, 'Secure-Session-Response'),
    named: readString(c, 'Sec-Secure-Session-Id'),
  }
  const pair = await refreshByDevice(c.env, request, await readCaller(c))
  writePair(c, pair)
  const { session } = pair
  const { sid, jti, binding } = session
  if (binding !== null) {
    const life = { now: c.env.now(), expiresAt: pair.expiresAt }
    const challenge = await keptChallenge(c.env.tokens, { sid, jti, key: binding.key }, life)
    c.header('Secure-Session-Challenge', `"${challenge}";id="${sid}"`)
  }
  return c.json(describeSession(c, sid))
}

/** What a browser has to know of a bound session: which requests wait for a fresh cookie, and where it gets one. */
function describeSession(c: Context<AppEnv>, sid: string): DeviceSession {
  const { basePath } = c.env.settings
  const own = [`${basePath}/refresh/device`, `${basePath}/auth/device`]
  return {
    session_identifier: sid,
    refresh_url: `${basePath}/refresh/device`,
    scope: {
      origin: ownOrigin(c),
      // Other hosts of the site have to be named in a file of its topmost one, and a browser that does not find it takes no session at all.
      include_site: false,
      scope_specification: own.map((path) => ({ type: 'exclude', domain: '*', path })),
    },
    allowed_refresh_initiators: initiatorsOf(c),
    credentials: [{ type: 'cookie', name: ACCESS.name, attributes: attributesOf(c) }],
  }
}

/**
 * The hosts whose pages may have a cookie refreshed by what they ask, or lead to; without them, only Tessera's own. Under `lax` a browser would
 * refresh for a link of another site as well, without the refresh cookie, which is Strict, and take the 401 for the end of its session.
 */
function initiatorsOf(c: Context<AppEnv>): string[] {
  const { corsOrigins, returnOrigins, cookieSameSite } = c.env.settings
  const hosts = [...corsOrigins, ...returnOrigins].map((origin) => new URL(origin).hostname)
  const site = siteOf(new URL(ownOrigin(c)).hostname)
  return [...new Set(hosts)].filter((host) => cookieSameSite !== 'lax' || siteOf(host) === site)
}

/** The last two labels of a host: its site, but for hosts below a public suffix of two labels, where it is wider. */
function siteOf(host: string): string {
  return host.split('.').slice(-2).join('.')
}

/** The attributes of the cookie whose end makes a browser prove its key, as that browser has it. It registers over https alone. */
function attributesOf(c: Context<AppEnv>): string {
  const { path, sameSite, ...place } = accessAttributes(c)
  const domain = place.domain === undefined ? '' : `; Domain=${place.domain}`
  return `Path=${path}${domain}; Secure; HttpOnly; SameSite=${sameSite}`
}

/** A header that is one string (RFC 9651 section 3.3.3), also where a browser leaves out its quotes; `null` where there is none. */
function readString(c: Context<AppEnv>, name: string): string | null {
  return /^\s*"?([^";\s]*)/.exec(c.req.header(name) ?? '')?.[1] || null
}
