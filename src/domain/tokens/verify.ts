/**
 * Verification of one token, access or refresh, by structure, signature and expiry: what any back end can do with
 * the public key, offered to those that would rather ask. No database: a session that has ended shows at its next refresh,
 * or by introspection.
 */

import type { Services } from '../services.ts'
import { readEither, requireCurrent } from './tokens.ts'

/** Throws `wrong_data_structure` or `token_not_valid`; returns when the token is good. */
export async function verifyToken({ tokens, now }: Pick<Services, 'tokens' | 'now'>, text: string): Promise<void> {
  requireCurrent(await readEither(tokens, text), now())
}
