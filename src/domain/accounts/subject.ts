/**
 * The names under which is counted what was tried for an e-mail address. An address that nobody has is counted like every other, so the
 * table of attempts would list whatever strangers typed: it has keyed hashes in their place, which only this deployment can make.
 */

import { toBase64url } from '../tokens/base64url.ts'

/** Of an HMAC-SHA-256: enough that no two addresses share a subject. */
const SUBJECT_BYTES = 16

/** The subject of an address as `normalizeEmail` made it: 128 bits of its HMAC-SHA-256, in base64url. */
export async function subjectOf(key: CryptoKey, email: string): Promise<string> {
  const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(email))
  return toBase64url(new Uint8Array(mac, 0, SUBJECT_BYTES))
}
