/** Tokens that Tessera would never sign, some of them with its own keys. */

import { deriveKeys, type Keys } from '../../src/domain/tokens/keys.ts'
import { TEST_BINDINGS } from './bindings.ts'

export const testKeys = await deriveKeys(TEST_BINDINGS.AUTH_SECRET, [TEST_BINDINGS.AUTH_SECRET_PREVIOUS])

/** Keys of another deployment: as good as ours, and none of ours. */
export const strangerKeys = await deriveKeys('Str4ng3rVvV8LUJ8FIYywIcLxutmFOw4l3MFW9WXg99Kac=', [])

/** The current public key of access tokens, where it is one of P-256. */
export function ecJwk({ jwks: { keys } }: Keys) {
  const [jwk] = keys
  if (jwk?.kty !== 'EC') throw new Error('not an EC key')
  return jwk
}

/** Base64url without padding, of bytes or of the JSON of anything else. */
export function encodePart(part: unknown): string {
  const bytes = part instanceof Uint8Array ? part : new TextEncoder().encode(JSON.stringify(part))
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** Any header over any payload, under any key: a good signature says nothing about what it covers. */
export async function forge(header: unknown, payload: unknown, key: CryptoKey): Promise<string> {
  const signed = `${encodePart(header)}.${encodePart(payload)}`
  const { name } = key.algorithm
  const algorithm = name === 'ECDSA' ? { name, hash: 'SHA-256' } : { name, saltLength: 32 }
  const signature = await crypto.subtle.sign(algorithm, key, new TextEncoder().encode(signed))
  return `${signed}.${encodePart(new Uint8Array(signature))}`
}

/** The order n of P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3). */
const ORDER = 0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff_bce6_faad_a717_9e84_f3b9_cac2_fc63_2551n

/** An ES256 token with the other signature that is as good: (r, n − s), which needs no key. */
export function twinOf(token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const bytes = Uint8Array.from(atob(signature.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
  const s = bytes.slice(32).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  bytes.set(
    bytes.slice(32).map((_, i) => Number(BigInt.asUintN(8, (ORDER - s) >> BigInt(8 * (31 - i))))),
    32,
  )
  return `${header}.${payload}.${encodePart(bytes)}`
}

/** An HMAC key out of text that is no secret, as in the confusion of a public key with one (RFC 8725 section 2.1). */
export function hmacKey(text: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', new TextEncoder().encode(text), { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
  ])
}

/** The decoded header and payload of a token. */
export function decodeToken(token: string): { header: Record<string, unknown>; payload: Record<string, unknown> } {
  const [header, payload] = token
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(atob(part.replaceAll('-', '+').replaceAll('_', '/'))) as Record<string, unknown>)
  if (!header || !payload) throw new Error('not a token')
  return { header, payload }
}

export function claimsOf(token: string): Record<string, unknown> {
  return decodeToken(token).payload
}

/** RFC 9562, version 4: what a `sid` and a `jti` are. */
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** A token whose signature is another deployment's, over these very claims. */
export function forgedCopy(token: string): Promise<string> {
  const { header, payload } = decodeToken(token)
  const ring = header['alg'] === 'HS256' ? strangerKeys.refresh : strangerKeys.access
  return forge({ ...header, kid: ring.signing.kid }, payload, ring.signing)
}
