/**
 * Verification of one token, access or refresh, by structure, signature and expiry: what any back end can do with
 * the public key, offered to those that would rather ask. No database: a revoked session shows at its next refresh,
 * or by introspection.
 */

import { TesseraError } from '../errors.ts'
import type { Services } from './ports.ts'
import { parseToken, readClaims, requireCurrent, type TokenType } from './tokens.ts'

const TYPE_BY_ALGORITHM: Readonly<Record<string, TokenType>> = { ES256: 'access', HS256: 'refresh' }

/** Throws `wrong_data_structure` or `token_not_valid`; returns when the token is good. */
export async function verifyToken({ tokens, now }: Pick<Services, 'tokens' | 'now'>, text: string): Promise<void> {
  const token = parseToken(text)
  // The header only names which of our own keys to try; the key then pins the algorithm.
  const type = typeof token.header['alg'] === 'string' ? TYPE_BY_ALGORITHM[token.header['alg']] : undefined
  if (type === undefined) throw new TesseraError('token_not_valid', { cause: 'algorithm' })
  await tokens.verifySignature(type, token)
  requireCurrent(readClaims(type, token), now())
}
