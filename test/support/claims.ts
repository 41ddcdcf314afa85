/** The claims of one pair, as the rules sign them, and parts of tokens to be wrong in. */

import type { AccessClaims, RefreshClaims, TokenType } from '../../src/domain/tokens/claims.ts'
import type { Keys } from '../../src/domain/tokens/keys.ts'
import type { ParsedToken } from '../../src/domain/tokens/token-form.ts'
import { createTokens, parseToken, readClaims } from '../../src/domain/tokens/tokens.ts'
import { TEST_BINDINGS } from './bindings.ts'
import { ISSUER, NOW } from './fakes.ts'
import { testKeys } from './forge.ts'
import { GUID } from './accounts.ts'

export const SECRET = TEST_BINDINGS.AUTH_SECRET

export const PREVIOUS = TEST_BINDINGS.AUTH_SECRET_PREVIOUS

export const tokens = createTokens(testKeys)

const shared = {
  iss: ISSUER,
  sub: GUID,
  id: 7,
  guid: GUID,
  sid: 'session',
  jti: 'first',
  iat: NOW,
}

export const accessClaims: AccessClaims = { ...shared, exp: NOW + 300, group: 'user', token_type: 'access' }

export const refreshClaims: RefreshClaims = { ...shared, exp: NOW + 864_000, ip: '203.0.113.7', token_type: 'refresh' }

export function without(claims: object, name: string): object {
  return Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name))
}

export async function check(type: TokenType, token: string, keys: Keys = testKeys): Promise<void> {
  await createTokens(keys).verifySignature(type, parseToken(token))
}

export function tokenOf(payload: object): ParsedToken {
  return { text: '', header: {}, payload: { ...payload } }
}

export async function roundTrip(type: TokenType, token: string): Promise<unknown> {
  const parsed = parseToken(token)
  await tokens.verifySignature(type, parsed)
  return readClaims(type, parsed)
}
