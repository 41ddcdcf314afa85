/**
 * Tokens (RFC 7519): how they are signed, and how a presented one is read.
 *
 * The order of the steps is part of the contract: form, signature, claims, expiry. The claims of a token are not read before its
 * signature was verified. hono/jwt signs, and does not verify: its `verify` decodes a token twice, checks times before the
 * signature, and puts token text into its errors.
 */

// The module behind `hono/jwt`, which hands it out in one object with verification and its errors.
import { sign } from 'hono/utils/jwt/jwt'

import { TesseraError } from '../../errors.ts'
import { type AccessClaims, CLAIMS, type ClaimsOf, type RefreshClaims, type TokenType } from './claims.ts'
import { signCompact, verifyCompact } from './compact-jws.ts'
import type { KeyRing, Keys } from './keys.ts'
import { hasTypOf, type ParsedToken, parseOrNull } from './token-form.ts'
import type { AccessTokenTyp } from './token-key.ts'

/** The clock of another edge location may be ahead by this much. It counts for `iat` alone: `exp` and `nbf` are exact. */
const CLOCK_SKEW_SECONDS = 60

/** How long verifiers keep a key that was taken away. For a new one they need not wait: they fetch when they meet its `kid`. */
export const JWKS_SECONDS = 300

/** Signs and verifies with the keys of this deployment. */
export interface Tokens {
  readonly jwks: Keys['jwks']
  /** The same refresh or link claims give the same token byte for byte: HMAC has no randomness. */
  readonly sign: (claims: ClaimsOf<TokenType>) => Promise<string>
  /** Throws `token_not_valid` unless the signature, the algorithm, the `kid` and the signed type are those of `type`. */
  readonly verifySignature: (type: TokenType, token: ParsedToken) => Promise<void>
}

/** What a browser presents: both tokens of a pair, to the letter. */
export interface PresentedPair {
  readonly access: string
  readonly refresh: string
}

/** Signing and verifying over these keys. */
export function createTokens(keys: Keys, accessTokenTyp: AccessTokenTyp = 'JWT'): Tokens {
  return {
    jwks: keys.jwks,
    sign: (claims) => {
      const { signing } = keys[claims.token_type]
      // hono/jwt writes no other type than `JWT`.
      return claims.token_type === 'access' && accessTokenTyp !== 'JWT'
        ? signCompact(accessTokenTyp, claims, signing)
        : sign({ ...claims }, signing)
    },
    verifySignature: (type, token) => verifySignature(type, keys[type], token),
  }
}

/**
 * The claims of a good token of this type, at `now` (seconds since 1970). Throws `wrong_data_structure` for what has not
 * the form of a token or other claims, `token_not_valid` for a signature, a type or a time that does not hold.
 */
export async function readToken<Type extends TokenType>(
  tokens: Tokens,
  type: Type,
  text: string,
  now: number,
): Promise<ClaimsOf<Type>> {
  const claims = await readUntimed(tokens, type, parseToken(text))
  requireCurrent(claims, now)
  return claims
}

/** What a good pair says: its refresh token, and whether the access token beside it is still in its time. */
export interface ReadPair {
  readonly refresh: RefreshClaims
  readonly isAccessCurrent: boolean
}

/**
 * Reads a pair. Each step is taken for both tokens before the next one. The access token may have
 * expired: that is the normal reason for a refresh. Throws as `readToken` does, and `token_pair_not_valid`.
 */
export async function readPair(tokens: Tokens, { access, refresh }: PresentedPair, now: number): Promise<ReadPair> {
  const parsed = { access: parseToken(access), refresh: parseToken(refresh) }
  await Promise.all([
    tokens.verifySignature('access', parsed.access),
    tokens.verifySignature('refresh', parsed.refresh),
  ])
  const beside = readClaims('access', parsed.access)
  const claims = readClaims('refresh', parsed.refresh)
  requireCurrent(claims, now)
  const { sid, guid } = claims
  if (beside.jti !== claims.jti) throw new TesseraError('token_pair_not_valid', { cause: 'pair', sid, guid })
  if (beside.id !== claims.id || beside.guid !== guid) {
    throw new TesseraError('token_not_valid', { cause: 'foreign', sid, guid })
  }
  return { refresh: claims, isAccessCurrent: isCurrent(beside, now) }
}

/** The claims of an access or a refresh token, whatever its times. Throws `wrong_data_structure` or `token_not_valid`. */
export async function readEither(tokens: Tokens, text: string): Promise<AccessClaims | RefreshClaims> {
  const token = parseToken(text)
  // The header only says which of our own keys to try; the key then pins the algorithm.
  return readUntimed(tokens, token.header['alg'] === 'HS256' ? 'refresh' : 'access', token)
}

/** As `readEither`; `null` for every token that is not ours, where saying why would be an answer in itself. */
export async function readEitherOrNull(tokens: Tokens, text: string): Promise<AccessClaims | RefreshClaims | null> {
  try {
    return await readEither(tokens, text)
  } catch (error) {
    if (error instanceof TesseraError) return null
    throw error
  }
}

/** Throws `token_not_valid` when a verified token is out of its time. */
export function requireCurrent(claims: TokenTimes & Partial<SessionNames>, now: number): void {
  if (isCurrent(claims, now)) return
  const { sid, guid } = claims
  throw new TesseraError('token_not_valid', { cause: 'out of its time', sid, guid })
}

/** Whose session a token is of, where it is of one. */
type SessionNames = Pick<AccessClaims, 'sid' | 'guid'>

interface TokenTimes {
  readonly iat: number
  readonly exp: number
  readonly nbf?: number
}

/** Whether a verified token is in its time, which ends *at* `exp` and begins at `nbf` (RFC 7519 section 4.1.4 and 4.1.5). */
export function isCurrent({ iat, exp, nbf = 0 }: TokenTimes, now: number): boolean {
  return exp > now && nbf <= now && iat <= now + CLOCK_SKEW_SECONDS
}

/** A token of the right form, of which nothing is verified. Throws `wrong_data_structure` for anything else. */
export function parseToken(text: string): ParsedToken {
  const token = parseOrNull(text)
  if (token === null) throw new TesseraError('wrong_data_structure', { cause: 'form' })
  return token
}

async function readUntimed<Type extends TokenType>(
  tokens: Tokens,
  type: Type,
  token: ParsedToken,
): Promise<ClaimsOf<Type>> {
  await tokens.verifySignature(type, token)
  return readClaims(type, token)
}

/** The claims of a token whose signature was verified. Throws `wrong_data_structure` when they are of another shape. */
export function readClaims<Type extends TokenType>(type: Type, token: ParsedToken): ClaimsOf<Type> {
  const claims = CLAIMS[type].safeParse(token.payload)
  if (!claims.success) throw new TesseraError('wrong_data_structure', { cause: 'claims' })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a schema that was looked up by `Type` gives what `Type` says
  return claims.data as ClaimsOf<Type>
}

async function verifySignature(type: TokenType, keys: KeyRing, token: ParsedToken): Promise<void> {
  const { text, header, payload } = token
  // The key decides the algorithm, never the header (RFC 8725 section 3.1); `jku`, `jwk` and `x5u` are not read at all.
  const key = typeof header['kid'] === 'string' ? keys.verifying.get(header['kid']) : undefined
  if (key === undefined) throw new TesseraError('token_not_valid', { cause: 'kid' })
  // We know no extension that another could make critical (RFC 7515 section 4.1.11).
  if (header['alg'] !== key.alg || !hasTypOf(type, header['typ']) || 'crit' in header) {
    throw new TesseraError('token_not_valid', { cause: 'header' })
  }
  if (!(await verifyCompact(key, text))) throw new TesseraError('token_not_valid', { cause: 'signature' })
  const signedType = payload['token_type']
  if (typeof signedType === 'string' && signedType !== type)
    throw new TesseraError('token_not_valid', { cause: 'type' })
}
