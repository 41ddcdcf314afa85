/** Access tokens as they will be in a while: five minutes would be long to wait. */

import type { AccessClaims } from '../../src/domain/tokens/claims.ts'
import { deriveKeys } from '../../src/domain/tokens/keys.ts'
import { createTokens } from '../../src/domain/tokens/tokens.ts'
import { TEST_BINDINGS } from './bindings.ts'

const tokens = createTokens(await deriveKeys(TEST_BINDINGS.AUTH_SECRET, []))

/** The same access token, but over. */
export async function expired(access: string): Promise<string> {
  const claims = JSON.parse(Buffer.from(access.split('.')[1] ?? '', 'base64url').toString()) as AccessClaims
  return tokens.sign({ ...claims, exp: claims.iat - 1 })
}
