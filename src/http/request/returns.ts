/**
 * Where a browser goes on to, as far as a caller may say that; and how often it came back for the same address within seconds, in a
 * cookie of its own (RFC 6265): an application that does not see its access token would send it back for ever. Whoever forges the
 * cookie only changes what their own browser is shown.
 */

import type { Context } from 'hono'
import { setCookie } from 'hono/cookie'

import { readReturnAddress } from '../../domain/return-address.ts'
import { TesseraError } from '../../errors.ts'
import type { AppEnv } from '../factory.ts'
import { ownOrigin } from './caller.ts'
import { cookieValues, refreshAttributes } from './cookies.ts'

/** An application that sends a browser back with a token as young as this one has not seen it. */
export const RETURN_SECONDS = 10

const NAME = 'refresh_returns'
/** One digit is more than any limit. */
const MAX_COUNT = 9

/** The address that a text names. Throws `wrong_data_structure` for what `readReturnAddress` does not take. */
export function requireReturnAddress(c: Context<AppEnv>, text: string): string {
  const { returnOrigins } = c.env.settings
  const address = readReturnAddress(text, { origin: ownOrigin(c), returnOrigins })
  if (address === null) throw new TesseraError('wrong_data_structure', { cause: 'return address' })
  return address
}

/** How many returns to this address were counted, at most `RETURN_SECONDS` ago. 0 for a cookie that is none of ours. */
export function readReturns(c: Context<AppEnv>, to: string): number {
  const counts = cookieValues(c.req.header('Cookie') ?? '', NAME)
    .map((value) => /^(\d)\.([\da-f]{8})$/.exec(value))
    .map((match) => (match?.[2] === tagOf(to) ? Number(match[1]) : 0))
  return Math.max(0, ...counts)
}

/** Notes the number of returns to this address. It replaces that of another address: tabs that are restored together make no loop. */
export function writeReturns(c: Context<AppEnv>, to: string, count: number): void {
  setCookie(c, NAME, `${Math.min(count, MAX_COUNT)}.${tagOf(to)}`, {
    ...refreshAttributes(c),
    // An application of another site sends its browsers back by a navigation, which takes Lax cookies along.
    sameSite: 'Lax',
    maxAge: RETURN_SECONDS,
  })
}

/** 32 bits that tell one address from another (FNV-1a). They guard nothing. */
function tagOf(to: string): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(to)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
