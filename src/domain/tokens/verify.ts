/**
 * Verification of one token, access or refresh, by structure, signature and expiry: what any back end can do with
 * the public key, offered to those that would rather ask. No database: a session that has ended shows at its next refresh,
 * or by introspection.
 */

import { TesseraError } from '../../errors.ts'
import type { Services } from '../services.ts'
import { AccessClaims, parseToken, readClaims, RefreshClaims, requireCurrent } from './tokens.ts'

/** How many sessions one request may end by the cookies that it carries. */
const MAX_SIDS = 4

/** Throws `wrong_data_structure` or `token_not_valid`; returns when the token is good. */
export async function verifyToken({ tokens, now }: Pick<Services, 'tokens' | 'now'>, text: string): Promise<void> {
  requireCurrent(await readEither({ tokens }, text), now())
}

/** The claims of a token of either type, whatever its expiry. Throws `wrong_data_structure` or `token_not_valid`. */
async function readEither({ tokens }: Pick<Services, 'tokens'>, text: string): Promise<AccessClaims | RefreshClaims> {
  const token = parseToken(text)
  // The header only says which of our own keys to try; the key then pins the algorithm.
  const type = token.header['alg'] === 'HS256' ? 'refresh' : 'access'
  await tokens.verifySignature(type, token)
  return readClaims(type === 'refresh' ? RefreshClaims : AccessClaims, token)
}

/** As `readEither`; `null` for every token that is not ours, where saying why would be an answer in itself. */
export async function readEitherOrNull(
  services: Pick<Services, 'tokens'>,
  text: string,
): Promise<AccessClaims | RefreshClaims | null> {
  try {
    return await readEither(services, text)
  } catch (error) {
    if (error instanceof TesseraError) return null
    throw error
  }
}

/**
 * The sessions of the tokens among these cookies that are ours, whatever their expiry: each once, and a few at most, since
 * sites of the same domain may plant any number of them.
 */
export async function readSids(
  services: Pick<Services, 'tokens'>,
  cookies: readonly string[],
): Promise<readonly string[]> {
  const claims = await Promise.all([...new Set(cookies)].map((text) => readEitherOrNull(services, text)))
  const sids = new Set(claims.flatMap((one) => (one === null ? [] : [one.sid])))
  return [...sids].slice(0, MAX_SIDS)
}
