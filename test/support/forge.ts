/** Tokens that Tessera would never sign, some of them with its own keys. */

import { deriveKeys } from '../../src/domain/keys.ts'
import { TEST_BINDINGS } from './bindings.ts'

export const testKeys = await deriveKeys(TEST_BINDINGS.AUTH_SECRET, [TEST_BINDINGS.AUTH_SECRET_PREVIOUS])

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
  const algorithm = key.algorithm.name === 'HMAC' ? 'HMAC' : { name: 'ECDSA', hash: 'SHA-256' }
  const signature = await crypto.subtle.sign(algorithm, key, new TextEncoder().encode(signed))
  return `${signed}.${encodePart(new Uint8Array(signature))}`
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
