/**
 * Verification of one token, access or refresh, by structure, signature and expiry: what any back end can do with
 * the public key, offered to those that would rather ask. No database: a revoked session shows at its next refresh,
 * or by introspection.
 */

import type { Services } from './ports.ts'
import { AccessClaims, parseToken, readClaims, RefreshClaims, requireCurrent } from './tokens.ts'

/** Throws `wrong_data_structure` or `token_not_valid`; returns when the token is good. */
export async function verifyToken({ tokens, now }: Pick<Services, 'tokens' | 'now'>, text: string): Promise<void> {
  const token = parseToken(text)
  // The header only says which of our own keys to try; the key then pins the algorithm.
  const type = token.header['alg'] === 'HS256' ? 'refresh' : 'access'
  await tokens.verifySignature(type, token)
  requireCurrent(readClaims(type === 'refresh' ? RefreshClaims : AccessClaims, token), now())
}
