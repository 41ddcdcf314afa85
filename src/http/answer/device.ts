/**
 * Device Bound Session Credentials (W3C working draft of 2025-08-21), as browsers meet them: an offer with the cookies of a sign-in, the
 * registration of a key, and refreshes by proof. Loaded when it is met. Header values are strings of RFC 9651, in quotes.
 */

import type { Context } from 'hono'

import { bindDevice, refreshByDevice, requireDevice } from '../../domain/sessions/device.ts'
import type { Pair } from '../../domain/sessions/pair.ts'
import { refreshChallenge, registrationChallenge } from '../../domain/tokens/dbsc.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'
import { ownOrigin, readCaller } from '../request/caller.ts'
import {
  ACCESS,
  accessAttributes,
  ageOf,
  readAccessCookie,
  readRefreshCookie,
  setAccess,
  writePair,
} from '../request/cookies.ts'

/** Offers the browser of a sign-in to bind its session. One that knows nothing of it sees nothing. */
export async function offerBinding(c: Context<AppEnv>, { session }: Pair): Promise<void> {
  const { settings, tokens, now } = c.env
  const challenge = await registrationChallenge(tokens, session.sid, now())
  c.header('Secure-Session-Registration', `(ES256);path="${settings.basePath}/auth/device";challenge="${challenge}"`)
}

/** `POST /auth/device`: binds the session of the access cookie, and says which requests wait for a fresh cookie. */
export async function registerDevice(c: Context<AppEnv>): Promise<Response> {
  const access = readAccessCookie(c)
  if (access === null) throw new TesseraError('not_authenticated')
  const { sid, exp } = await bindDevice(c.env, access, readString(c, 'Secure-Session-Response') ?? '')
  setAccess(c, access, ageOf(c, exp))
  const { basePath, corsOrigins } = c.env.settings
  const own = [`${basePath}/refresh/device`, `${basePath}/auth/device`]
  return c.json({
    session_identifier: sid,
    refresh_url: `${basePath}/refresh/device`,
    scope: {
      origin: ownOrigin(c),
      // Other hosts of the site have to be named in a file of its topmost one, and a browser that does not find it takes no session at all.
      include_site: false,
      scope_specification: own.map((path) => ({ type: 'exclude', domain: '*', path })),
    },
    // Without them, only what its own pages ask waits for a fresh cookie.
    allowed_refresh_initiators: [...corsOrigins].map((origin) => new URL(origin).hostname),
    credentials: [{ type: 'cookie', name: ACCESS.name, attributes: attributesOf(c) }],
  })
}

/** `POST /refresh/device`: the next pair for a proof, and the challenge for the one after it, which saves the first half of that. */
export async function refreshDevice(c: Context<AppEnv>): Promise<Response> {
  const request = {
    refresh: readRefreshCookie(c),
    proof: readString(c, 'Secure-Session-Response'),
    named: readString(c, 'Sec-Secure-Session-Id'),
  }
  const pair = await refreshByDevice(c.env, request, await readCaller(c))
  writePair(c, pair)
  const { session } = pair
  const { sid, jti, binding } = session
  if (binding !== null) {
    const life = { now: c.env.now(), expiresAt: pair.expiresAt }
    const challenge = await refreshChallenge(c.env.tokens, { sid, jti, key: binding.key }, life)
    c.header('Secure-Session-Challenge', `"${challenge}";id="${sid}"`)
  }
  return c.body(null, 200)
}

/**
 * Answers a refresh without an access cookie: a browser whose session is bound has none when it has expired, and is asked for a proof. Throws
 * `device_proof_required` and `unavailable` alone: everything else is for the caller to say.
 */
export async function askDevice(c: Context<AppEnv>): Promise<void> {
  try {
    await requireDevice(c.env, readRefreshCookie(c))
  } catch (error) {
    if (!(error instanceof TesseraError) || ['device_proof_required', 'unavailable'].includes(error.code)) throw error
  }
}

/** The attributes of the cookie whose end makes a browser prove its key, as that browser has it. It registers over https alone. */
function attributesOf(c: Context<AppEnv>): string {
  const { path, sameSite, ...place } = accessAttributes(c)
  const domain = place.domain === undefined ? '' : `; Domain=${place.domain}`
  return `Path=${path}${domain}; Secure; HttpOnly; SameSite=${sameSite}`
}

/** A header that is one string, or `null`. */
function readString(c: Context<AppEnv>, name: string): string | null {
  return c.req.header(name)?.replace(/^"(.*)"$/s, '$1') ?? null
}
