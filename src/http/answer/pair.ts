/** Pairs in cookies, where the session may be bound to its browser. What that takes stands in device.ts, and is loaded when it is met. */

import type { Context } from 'hono'

import type { Pair } from '../../domain/sessions/pair.ts'
import type { PresentedPair } from '../../domain/tokens/tokens.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'
import { ownOrigin } from '../request/caller.ts'
import { readPairCookies, writePair } from '../request/cookies.ts'

/** Hands out the pair of a sign-in, and offers its browser to bind the session, where that is wanted and this is https. */
export async function writeFirstPair(c: Context<AppEnv>, pair: Pair): Promise<void> {
  writePair(c, pair)
  if (c.env.settings.deviceBinding === 'off' || !ownOrigin(c).startsWith('https:')) return
  const { offerBinding } = await import('./device.ts')
  await offerBinding(c, pair)
}

/**
 * Both tokens of a request. Throws as `readPairCookies` does; and `device_proof_required` where the access token is missing because its session is
 * bound, or `unavailable` where nobody can tell.
 */
export async function readPairOrAsk(c: Context<AppEnv>): Promise<PresentedPair> {
  try {
    return readPairCookies(c)
  } catch (error) {
    if (error instanceof TesseraError && error.code === 'token_missing') {
      const { askDevice } = await import('./device.ts')
      await askDevice(c)
    }
    throw error
  }
}
