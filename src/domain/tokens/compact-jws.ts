/**
 * The parts of a compact JWS (RFC 7515 section 3.1): the values of the first two, and whether the third is their signature.
 * Nearly every request comes through here, so a part is decoded once, and no key is imported.
 */

import type { TokenAlgorithm } from './keys.ts'

const ALGORITHMS = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  HS256: { name: 'HMAC' },
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Whether the last part of a token is the signature of the others, in its one canonical spelling. */
export async function verifyCompact(alg: TokenAlgorithm, key: CryptoKey, token: string): Promise<boolean> {
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
  if (signature.length % 4 === 2) return /[AQgw]$/.test(signature)
  if (signature.length % 4 === 3) return /[AEIMQUYcgkosw048]$/.test(signature)
  return signature.length % 4 === 0
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text)
}

/** One character a byte. Throws for a length that base64 does not have. */
function fromBase64url(text: string): string {
  return atob(text.replaceAll('-', '+').replaceAll('_', '/'))
}

function toBytes(binary: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i)
  return bytes
}
