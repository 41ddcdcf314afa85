/**
 * One key: what signs, what verifies, and what of it is public. A key has one algorithm, and verification asks the key for it,
 * never the token (RFC 8725 section 3.1).
 */

import { toBase64url } from './base64url.ts'

/** Access tokens can be signed with these; verifiers need the public key alone. */
export const ACCESS_ALGORITHMS = ['ES256', 'RS256'] as const
export type AccessAlgorithm = (typeof ACCESS_ALGORITHMS)[number]

/** The `typ` of access tokens: that of any JWT, or that of RFC 9068 section 2.1, which no other token has. */
export const ACCESS_TOKEN_TYPES = ['JWT', 'at+jwt'] as const
export type AccessTokenTyp = (typeof ACCESS_TOKEN_TYPES)[number]

/** RFC 7518 section 3.1. */
export type TokenAlgorithm = AccessAlgorithm | 'HS256'

/** `alg` and `kid` on the key object itself make hono/jwt put them into the header of what it signs. */
export type SigningKey = CryptoKey & { readonly alg: TokenAlgorithm; readonly kid: string }

export interface VerifyingKey {
  readonly alg: TokenAlgorithm
  readonly key: CryptoKey
}

export interface TokenKey {
  readonly signing: SigningKey
  readonly verifying: CryptoKey
}

export interface AccessKey extends TokenKey {
  readonly jwk: PublicJwk
}

/** RFC 7517, for a public key of P-256 or RSA. */
export type PublicJwk = (
  | { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string; readonly alg: 'ES256' }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string; readonly alg: 'RS256' }
) & { readonly use: 'sig'; readonly kid: string }

/** RFC 7638: SHA-256 over the required members, which the caller gives in alphabetical order. */
export async function thumbprint(members: object): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(members))
  return toBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}
