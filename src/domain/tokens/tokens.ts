/**
 * The two tokens of a pair (RFC 7519): how they are signed, and in which order a presented one is judged.
 *
 * Form, signature, claims: nothing that is not signed decides anything but the first two. Expiry comes after them and is
 * its own step, since a pair check needs the expired access token. hono/jwt signs. It does not verify: it decodes a
 * token twice over, checks times before the signature, and puts token text into its errors.
 */

import { sign } from 'hono/jwt'
import * as z from 'zod/mini'

import { TesseraError } from '../../errors.ts'
import { canonicalAddress } from '../places/address.ts'
import { decodeJson, verifyCompact } from './compact-jws.ts'
import type { KeyRing, Keys } from './keys.ts'

/** Any 8-4-4-4-12 hex, in lower case: the issuers of these guids do not all keep to RFC 9562. */
export const Guid = z.guid().check(z.toLowerCase())

const Seconds = z.int().check(z.minimum(0))
const Id = z.string().check(z.minLength(1), z.maxLength(64))

const SharedClaims = z.object({
  iss: z.string(),
  sub: Guid,
  /** The account's integer key; `user_id` in JSON answers. */
  id: z.int().check(z.positive()),
  guid: Guid,
  sid: Id,
  jti: Id,
  iat: Seconds,
  exp: Seconds,
})

/** What an access token says. */
export const AccessClaims = z.extend(SharedClaims, {
  token_type: z.literal('access'),
  group: z.string(),
  aud: z.exactOptional(z.string()),
})

/** What a link in a mail says: which mail it is from, and the one thing that it may be used for. */
export const LinkClaims = z.object({
  token_type: z.literal('link'),
  purpose: z.enum(['end_sessions', 'allow_place']),
  /** The id of the mail's row in the outbox. */
  nid: Id,
  iat: Seconds,
  exp: Seconds,
})

/** What a refresh token says. */
export const RefreshClaims = z.extend(SharedClaims, {
  token_type: z.literal('refresh'),
  /** The canonical address of the client that the token was issued to. */
  ip: z.string().check(z.refine((text) => canonicalAddress(text) === text)),
})

export type AccessClaims = z.output<typeof AccessClaims>
export type RefreshClaims = z.output<typeof RefreshClaims>
export type LinkClaims = z.output<typeof LinkClaims>
export type LinkPurpose = LinkClaims['purpose']
export type TokenType = 'access' | 'refresh' | 'link'

/** Ours have some 700 characters; more is not worth decoding. */
const MAX_TOKEN_LENGTH = 4096
/** Another edge location's clock may be ahead of ours by this much. Only `iat` is tolerant: `exp` is a promise. */
const CLOCK_SKEW_SECONDS = 60

/** A token of the right form, of which nothing is verified. */
export interface ParsedToken {
  readonly text: string
  readonly header: Readonly<Record<string, unknown>>
  readonly payload: Readonly<Record<string, unknown>>
}

export interface Tokens {
  readonly jwks: Keys['jwks']
  readonly signAccess: (claims: AccessClaims) => Promise<string>
  /** The same claims give the same token byte for byte: HMAC has no randomness. */
  readonly signRefresh: (claims: RefreshClaims) => Promise<string>
  readonly signLink: (claims: LinkClaims) => Promise<string>
  /** Throws `token_not_valid` unless the signature, the algorithm, the `kid` and the signed type are those of `type`. */
  readonly verifySignature: (type: TokenType, token: ParsedToken) => Promise<void>
}

/** A codec over the keys of this deployment. */
export function createTokens(keys: Keys): Tokens {
  return {
    jwks: keys.jwks,
    signAccess: (claims) => sign({ ...claims }, keys.access.signing),
    signRefresh: (claims) => sign({ ...claims }, keys.refresh.signing),
    signLink: (claims) => sign({ ...claims }, keys.link.signing),
    verifySignature: (type, token) => verifySignature(type, keys[type], token),
  }
}

/**
 * Three base64url parts of which the first two hold JSON objects (RFC 7515 section 7.1). The third is judged by
 * verification alone, even when empty. Throws `wrong_data_structure`.
 */
export function parseToken(text: string): ParsedToken {
  const headerEnd = text.indexOf('.')
  const payloadEnd = text.indexOf('.', headerEnd + 1)
  const signature = text.slice(payloadEnd + 1)
  const hasForm = text.length <= MAX_TOKEN_LENGTH && headerEnd > 0 && payloadEnd > 0 && /^[\w-]*$/.test(signature)
  const header = hasForm ? decodeJson(text.slice(0, headerEnd)) : null
  const payload = hasForm ? decodeJson(text.slice(headerEnd + 1, payloadEnd)) : null
  if (!isObject(header) || !isObject(payload)) throw new TesseraError('wrong_data_structure', { cause: 'form' })
  return { text, header, payload }
}

/** The claims of a token whose signature was verified. Throws `wrong_data_structure` when they are of another shape. */
export function readClaims<Schema extends z.ZodMiniType>(schema: Schema, token: ParsedToken): z.output<Schema> {
  const claims = schema.safeParse(token.payload)
  if (!claims.success) throw new TesseraError('wrong_data_structure', { cause: 'claims' })
  return claims.data
}

/** Throws `token_not_valid` when a verified token is out of its time. */
export function requireCurrent(claims: { readonly iat: number; readonly exp: number }, now: number): void {
  if (!isCurrent(claims, now)) throw new TesseraError('token_not_valid', { cause: 'out of its time' })
}

/** Whether a verified token is in its time, which ends *at* `exp` (RFC 7519 section 4.1.4). */
export function isCurrent({ iat, exp }: { readonly iat: number; readonly exp: number }, now: number): boolean {
  return exp > now && iat <= now + CLOCK_SKEW_SECONDS
}

async function verifySignature(type: TokenType, keys: KeyRing, token: ParsedToken): Promise<void> {
  const { text, header, payload } = token
  // The key decides the algorithm, never the header (RFC 8725 section 3.1); `jku`, `jwk` and `x5u` are not read at all.
  const key = typeof header['kid'] === 'string' ? keys.verifying.get(header['kid']) : undefined
  if (key === undefined) throw new TesseraError('token_not_valid', { cause: 'kid' })
  // We know no extension that another could make critical (RFC 7515 section 4.1.11).
  if (header['alg'] !== keys.alg || !isJwt(header['typ']) || 'crit' in header) {
    throw new TesseraError('token_not_valid', { cause: 'header' })
  }
  if (!(await verifyCompact(keys.alg, key, text))) throw new TesseraError('token_not_valid', { cause: 'signature' })
  const signedType = payload['token_type']
  if (typeof signedType === 'string' && signedType !== type)
    throw new TesseraError('token_not_valid', { cause: 'type' })
}

/** RFC 7519 section 5.1: other kinds of token have other names. */
function isJwt(typ: unknown): boolean {
  return typ === 'JWT' || typ === undefined || (typeof typ === 'string' && /^(?:application\/)?jwt$/i.test(typ))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
