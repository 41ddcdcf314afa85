/**
 * The rate limiting bindings. Each location of Cloudflare counts by itself, and roughly: they brake a flood. Without one, or where one fails or
 * is silent, requests go through, since what is decided about them does not hang on it.
 */

import { describeError } from './domain/describe-error.ts'
import { inTime } from './domain/in-time.ts'
import type { RateLimits } from './domain/places/rate-limits.ts'
import type { Log } from './log.ts'

/** A counter of the same machine answers at once. */
const LIMIT_MILLISECONDS = 250

/** The limits of these bindings. Deployments of one Cloudflare account may share them: each counts under its own `publicUrl`. */
export function createRateLimits(
  { RATE_BY_ADDRESS, RATE_BY_ACCOUNT }: Partial<Pick<Env, 'RATE_BY_ADDRESS' | 'RATE_BY_ACCOUNT'>>,
  publicUrl: string | undefined,
  log: Log,
): RateLimits {
  const own = publicUrl ?? ''
  return {
    byAddress: limitOf(`${own} address`, RATE_BY_ADDRESS, log),
    byAccount: limitOf(`${own} account`, RATE_BY_ACCOUNT, log),
  }
}

function limitOf(prefix: string, binding: RateLimit | undefined, log: Log) {
  return async (key: string) => {
    if (binding === undefined) return true
    try {
      const { success } = await inTime(binding.limit({ key: `${prefix} ${key}` }), LIMIT_MILLISECONDS)
      return success
    } catch (error) {
      log({ event: 'rate_not_limited', error: describeError(error) })
      return true
    }
  }
}
