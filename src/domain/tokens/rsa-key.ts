/**
 * An RSA key for access tokens, for gateways that know no other. It does not derive from the secret: the search for its
 * primes would take seconds of every cold start.
 */

import { toBytes } from './base64url.ts'
import { type AccessKey, type PublicJwk, thumbprint } from './token-key.ts'

/** The DER of an RSA private key in PKCS#8. */
export type Pkcs8 = Uint8Array<ArrayBuffer>

/** RFC 7518 section 3.3 asks for 2048 bits. A signature of 4096 takes 4 ms of CPU, of which a request may take 10 on the free plan. */
const MIN_BITS = 2048
const MAX_BITS = 4096

export const NOT_PKCS8 = 'must be an RSA private key in PKCS#8, as PEM (BEGIN PRIVATE KEY) or its base64 alone'
export const WRONG_SIZE = `must be a key of ${MIN_BITS} to ${MAX_BITS} bits`

/**
 * The start of such a key as hexadecimal digits (RFC 5208 section 5, RFC 8017 appendix A.1.2): the length of the whole, version 0,
 * `rsaEncryption`, version 0, and the length of the modulus, which starts with a byte of zero where its first bit is set.
 */
const START =
  /^3082(?<whole>.{4})020100300d06092a864886f70d01010105000482.{4}3082.{4}020100(?:0282(?<modulus>.{4})00|02)/

/** The DER of a key that is PEM or its base64, or why it cannot be used. Line breaks may be written as `\n`. */
export function readPkcs8(text: string): Pkcs8 | typeof NOT_PKCS8 | typeof WRONG_SIZE {
  const lines = text.replaceAll(String.raw`\n`, '\n').trim()
  const body = /^-----BEGIN PRIVATE KEY-----\s([^-]+)-----END PRIVATE KEY-----$/.exec(lines)?.[1] ?? lines
  const der = fromBase64(body.replace(/\s/g, ''))
  const start = START.exec(toHex(der.subarray(0, 64)))?.groups
  // A key whose last lines got lost is shorter than it says.
  if (start === undefined || parseInt(start['whole'] ?? '', 16) !== der.length - 4) return NOT_PKCS8
  const bits = (parseInt(start['modulus'] ?? '0', 16) - 1) * 8
  return bits >= MIN_BITS && bits <= MAX_BITS ? der : WRONG_SIZE
}

/** The key of this DER. Rejects where its numbers do not belong together. */
export async function importRsaKey(pkcs8: Pkcs8): Promise<AccessKey> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const exportable = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign'])
  const { n, e } = await exportPublic(exportable)
  const kid = await thumbprint({ e, kty: 'RSA', n })
  const jwk: PublicJwk = { kty: 'RSA', n, e, alg: 'RS256', use: 'sig', kid }
  const [privateKey, publicKey] = await Promise.all([
    crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    crypto.subtle.importKey('jwk', { kty: jwk.kty, n, e }, algorithm, false, ['verify']),
  ])
  return { signing: Object.assign(privateKey, { alg: 'RS256', kid } as const), verifying: publicKey, jwk }
}

async function exportPublic(key: CryptoKey): Promise<{ readonly n: string; readonly e: string }> {
  const jwk = await crypto.subtle.exportKey('jwk', key)
  if (!('n' in jwk) || typeof jwk.n !== 'string' || typeof jwk.e !== 'string') throw new TypeError('not an RSA key')
  return { n: jwk.n, e: jwk.e }
}

/** No bytes where it is no base64. */
function fromBase64(text: string): Pkcs8 {
  try {
    return toBytes(atob(text))
  } catch {
    return new Uint8Array()
  }
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
