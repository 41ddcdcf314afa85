/**
 * How often a client may ask for what costs a password's hash or a mail, and for one account. It is a brake on floods, not what keeps a
 * password from being guessed: that is counted in `accounts/attempts.ts`.
 */

import { TesseraError } from '../../errors.ts'
import type { Cause } from '../../log.ts'
import { networkOf } from './address.ts'
import type { Client } from './place.ts'

/** Whether one more request of this key is within a limit. Never throws, and waits only briefly: where nobody answers, it is. */
export interface RateLimits {
  readonly byAddress: (key: string) => Promise<boolean>
  readonly byAccount: (key: string) => Promise<boolean>
}

interface Limited {
  readonly rates: RateLimits
}

/** The period that both count in. */
export const RATE_SECONDS = 60

/** One line of a subscriber. */
const LINE_BITS = { v4: 32, v6: 64 }

/** Throws `too_many_requests` where a client's address asks too often, IPv6 by its /64. */
export async function limitByAddress({ rates }: Limited, { address }: Client): Promise<void> {
  if (!(await rates.byAddress(networkOf(address, LINE_BITS)))) throw tooMany('rate of an address')
}

/** Throws `too_many_requests` where a client asks for an account too often. The key must not tell whether there is that account. */
export async function limitByAccount({ rates }: Limited, key: string): Promise<void> {
  if (!(await rates.byAccount(key))) throw tooMany('rate of an account')
}

function tooMany(cause: Cause): TesseraError {
  return new TesseraError('too_many_requests', { cause, retryAfterSeconds: RATE_SECONDS })
}
