/**
 * What sign-ins and refreshes say to browsers that bind their sessions (Device Bound Session Credentials, W3C working draft of 2025-08-21): an
 * offer, and a challenge. Loaded when it is met. Header values are strings of RFC 9651, in quotes.
 */

import type { Context } from 'hono'

import { requireDevice } from '../../domain/sessions/device.ts'
import type { Pair } from '../../domain/sessions/pair.ts'
import { registrationChallenge } from '../../domain/tokens/dbsc.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'
import { readRefreshCookie } from '../request/cookies.ts'

/** Offers the browser of a sign-in to bind its session. One that knows nothing of it sees nothing. */
export async function offerBinding(c: Context<AppEnv>, { session }: Pair): Promise<void> {
  const { settings, tokens, now } = c.env
  const challenge = await registrationChallenge(tokens, session.sid, now())
  c.header('Secure-Session-Registration', `(ES256);path="${settings.basePath}/auth/device";challenge="${challenge}"`)
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
