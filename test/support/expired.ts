/** Access tokens as they will be in a while, since five minutes would be long to wait, and as another Tessera would sign them. */

import type { AccessClaims } from '../../src/domain/tokens/claims.ts'
import { deriveKeys } from '../../src/domain/tokens/keys.ts'
import { createTokens } from '../../src/domain/tokens/tokens.ts'
import { TEST_BINDINGS } from './bindings.ts'

const tokens = createTokens(await deriveKeys(TEST_BINDINGS.AUTH_SECRET, []))

/** The same access token, but over. */
export async function expired(access: string): Promise<string> {
  const claims = read(access)
  return tokens.sign({ ...claims, exp: claims.iat - 1 })
}

/** The same access token, but of another issuer that has the same keys. */
export async function ofAnotherIssuer(access: string): Promise<string> {
  return tokens.sign({ ...read(access), iss: 'https://other.example.com' })
}

function read(access: string): AccessClaims {
  return JSON.parse(Buffer.from(access.split('.')[1] ?? '', 'base64url').toString()) as AccessClaims
}
