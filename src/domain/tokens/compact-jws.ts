/**
 * The parts of a compact JWS (RFC 7515 section 3.1): the values of the first two, and whether the third is their signature.
 * Nearly every request comes through here, so a part is decoded once, and no key is imported.
 */

import { fromBase64url, toBase64url, toBytes } from './base64url.ts'
import type { SigningKey, TokenAlgorithm, VerifyingKey } from './token-key.ts'

const ALGORITHMS: Readonly<Record<TokenAlgorithm, { readonly name: string; readonly hash?: string }>> = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
  HS256: { name: 'HMAC' },
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A token of this type (RFC 7515 section 4.1.9) over this payload. Where the type is `JWT`, hono/jwt gives the same. */
export async function signCompact(typ: string, payload: object, key: SigningKey): Promise<string> {
  const signed = `${encodeJson({ alg: key.alg, typ, kid: key.kid })}.${encodeJson(payload)}`
  const signature = await crypto.subtle.sign(ALGORITHMS[key.alg], key, encoder.encode(signed))
  return `${signed}.${toBase64url(new Uint8Array(signature))}`
}

/** Whether the last part of a token is the signature of the others by this key, in its one canonical spelling. */
export async function verifyCompact({ alg, key }: VerifyingKey, token: string): Promise<boolean> {
  const end = token.lastIndexOf('.')
  const signature = token.slice(end + 1)
  if (!isCanonical(signature)) return false
  return crypto.subtle.verify(
    ALGORITHMS[alg],
    key,
    toBytes(fromBase64url(signature)),
    encoder.encode(token.slice(0, end)),
  )
}

/** The value that a part holds, or `null` where it is not base64url without padding, UTF-8 and JSON. */
export function decodeJson(part: string): unknown {
  if (!/^[\w-]+$/.test(part)) return null
  try {
    const binary = fromBase64url(part)
    // The usual part is ASCII, which needs no decoding as UTF-8.
    return JSON.parse(isAscii(binary) ? binary : decoder.decode(toBytes(binary)))
  } catch {
    return null
  }
}

/**
 * Whether the spare bits of the last character are zero. Decoders drop those bits, so that several texts would carry one
 * signature; only the canonical one is accepted (RFC 4648 section 3.5).
 */
function isCanonical(signature: string): boolean {
  return /^(?:.{4})*(?:.[AQgw]|..[AEIMQUYcgkosw048])?$/.test(signature)
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text)
}

function encodeJson(value: object): string {
  return toBase64url(encoder.encode(JSON.stringify(value)))
}
