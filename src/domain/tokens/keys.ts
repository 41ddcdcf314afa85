/**
 * All keys. HKDF gives each purpose a key of its own out of one secret, so that a deployment pastes one random string and no
 * key can ever stand in for another; RSA keys alone come beside it. Derived and imported once per isolate.
 */

import { toBase64url } from './base64url.ts'
import {
  type AccessAlgorithm,
  type AccessKey,
  type PublicJwk,
  type SigningKey,
  thumbprint,
  type TokenKey,
  type VerifyingKey,
} from './token-key.ts'

/** Signs with the current key; verifies with it and with the others, by `kid`. */
export interface KeyRing {
  readonly signing: SigningKey
  readonly verifying: ReadonlyMap<string, VerifyingKey>
}

export interface Keys {
  readonly access: KeyRing
  readonly refresh: KeyRing
  /** For the links in mails. */
  readonly link: KeyRing
  /** For the tickets with which browsers open sessions. */
  readonly ticket: KeyRing
  /** For the challenges that devices sign. */
  readonly challenge: KeyRing
  /** For the hashes of e-mail addresses in the table of attempts. */
  readonly subject: CryptoKey
  /** What other services verify access tokens with; the current key first. */
  readonly jwks: { readonly keys: readonly PublicJwk[] }
}

/** What access tokens are signed with, and the RSA keys that verify them in any case, newest first. */
export interface AccessSigning {
  readonly alg: AccessAlgorithm
  readonly rsa: readonly AccessKey[]
}

/** Order of the P-256 group (NIST SP 800-186, 3.2.1.3). */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** DER of a PKCS#8 `PrivateKeyInfo` for P-256 (RFC 5208, RFC 5915), up to the 32 bytes of the scalar. */
const PKCS8_P256_PREFIX = Uint8Array.from([
  0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
  0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
])

/**
 * Derives every key from the current secret, and from others that only verify: previous ones, and one that will sign soon. Keys of both
 * algorithms verify access tokens, whatever signs them, so that a change of the algorithm ends no session. Throws `RangeError` for RS256
 * without an RSA key.
 */
export async function deriveKeys(
  secret: string,
  others: readonly string[],
  { alg, rsa }: AccessSigning = { alg: 'ES256', rsa: [] },
): Promise<Keys> {
  // Each secret counts once: halfway through a rotation the current one often stands among the others, too.
  const masters = await Promise.all([...new Set([secret, ...others])].map(importMaster))
  const elliptic = await Promise.all(masters.map(deriveAccessKey))
  const access = once(alg === 'RS256' ? [...rsa, ...elliptic] : [...elliptic, ...rsa])
  if (access[0]?.jwk.alg !== alg) throw new RangeError(`no key for ${alg}`)
  const refresh = await Promise.all(masters.map((master) => deriveHmacKey(master, 'refresh token')))
  const link = await Promise.all(masters.map((master) => deriveHmacKey(master, 'mail link')))
  const ticket = await Promise.all(masters.map((master) => deriveHmacKey(master, 'ticket')))
  const challenge = await Promise.all(masters.map((master) => deriveHmacKey(master, 'device challenge')))
  // The current secret alone: a hash of an address is only compared with those of today.
  const subject = await deriveHmacKey(await importMaster(secret), 'subject of attempts')
  return {
    access: ring(access),
    refresh: ring(refresh),
    link: ring(link),
    ticket: ring(ticket),
    challenge: ring(challenge),
    subject: subject.signing,
    jwks: { keys: access.map(({ jwk }) => jwk) },
  }
}

/** Each key once, in its first place: a key may stand among its predecessors as a secret may, and verifiers refuse two of one `kid`. */
function once(keys: readonly AccessKey[]): readonly AccessKey[] {
  return keys.filter(({ jwk }, i) => keys.findIndex((key) => key.jwk.kid === jwk.kid) === i)
}

function ring(keys: readonly TokenKey[]): KeyRing {
  const [current] = keys
  if (current === undefined) throw new RangeError('a key ring needs a key')
  return {
    signing: current.signing,
    verifying: new Map(keys.map(({ signing: { kid, alg }, verifying }) => [kid, { alg, key: verifying }])),
  }
}

/** P-256 by the method of FIPS 186-5 A.2.1: 128 bits more than the order has make the bias negligible. */
async function deriveAccessKey(master: CryptoKey): Promise<AccessKey> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const scalar = (toBigInt(await expand(master, 'access token ES256', 48)) % (P256_ORDER - 1n)) + 1n
  const pkcs8 = new Uint8Array([...PKCS8_P256_PREFIX, ...toBytes32(scalar)])
  const exportable = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign'])
  const { x, y } = await exportCoordinates(exportable)
  const kid = await thumbprint({ crv: 'P-256', kty: 'EC', x, y })
  const jwk: PublicJwk = { kty: 'EC', crv: 'P-256', x, y, alg: 'ES256', use: 'sig', kid }
  const [privateKey, publicKey] = await Promise.all([
    crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    crypto.subtle.importKey('jwk', { kty: jwk.kty, crv: jwk.crv, x, y }, algorithm, false, ['verify']),
  ])
  return { signing: Object.assign(privateKey, { alg: 'ES256', kid } as const), verifying: publicKey, jwk }
}

/** WebCrypto has no other way from a private scalar to its public point. */
async function exportCoordinates(key: CryptoKey): Promise<{ readonly x: string; readonly y: string }> {
  const jwk = await crypto.subtle.exportKey('jwk', key)
  if (!('x' in jwk) || typeof jwk.x !== 'string' || typeof jwk.y !== 'string') throw new TypeError('not an EC key')
  return { x: jwk.x, y: jwk.y }
}

async function deriveHmacKey(master: CryptoKey, purpose: string): Promise<TokenKey> {
  const bytes = await expand(master, `${purpose} HS256`, 32)
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  // The `kid` of a secret key is derived beside it: a thumbprint would be a hash of the key.
  const kid = toBase64url(await expand(master, `${purpose} kid`, 16))
  return { signing: Object.assign(key, { alg: 'HS256', kid } as const), verifying: key }
}

function importMaster(secret: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', new TextEncoder().encode(secret), 'HKDF', false, ['deriveBits'])
}

/** HKDF-SHA-256 (RFC 5869). No salt: the secret is random already. The label separates the purposes. */
async function expand(master: CryptoKey, label: string, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const info = new TextEncoder().encode(`tessera v1 ${label}`)
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info }
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, master, bytes * 8))
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}

function toBytes32(number: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((number >> BigInt(8 * (31 - i))) & 0xffn))
}
