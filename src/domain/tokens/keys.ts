/**
 * All keys, from one secret. HKDF gives each purpose a key of its own, so that a deployment pastes one random
 * string and no key can ever stand in for another. Derived and imported once per isolate.
 */

/** `alg` and `kid` on the key object itself make hono/jwt put them into the header of what it signs. */
export type SigningKey = CryptoKey & { readonly alg: TokenAlgorithm; readonly kid: string }
export type TokenAlgorithm = 'ES256' | 'HS256'

/** Signs with the current secret; verifies with it and with those before it, by `kid`. */
export interface KeyRing {
  readonly alg: TokenAlgorithm
  readonly signing: SigningKey
  readonly verifying: ReadonlyMap<string, CryptoKey>
}

/** RFC 7517, for a public P-256 key. */
export interface PublicJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly alg: 'ES256'
  readonly use: 'sig'
  readonly kid: string
}

export interface Keys {
  readonly access: KeyRing
  readonly refresh: KeyRing
  /** For the links in mails. */
  readonly link: KeyRing
  /** What other services verify access tokens with; the current key first. */
  readonly jwks: { readonly keys: readonly PublicJwk[] }
}

/** Order of the P-256 group (NIST SP 800-186, 3.2.1.3). */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** DER of a PKCS#8 `PrivateKeyInfo` for P-256 (RFC 5208, RFC 5915), up to the 32 bytes of the scalar. */
const PKCS8_P256_PREFIX = Uint8Array.from([
  0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
  0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
])

/** Derives every key from the current secret and the previous ones, newest first. */
export async function deriveKeys(secret: string, previous: readonly string[]): Promise<Keys> {
  // Each secret counts once: halfway through a rotation the current one often stands among the previous ones, too.
  const masters = await Promise.all([...new Set([secret, ...previous])].map(importMaster))
  const access = await Promise.all(masters.map(deriveAccessKey))
  const refresh = await Promise.all(masters.map((master) => deriveHmacKey(master, 'refresh token')))
  const link = await Promise.all(masters.map((master) => deriveHmacKey(master, 'mail link')))
  return {
    access: ring('ES256', access),
    refresh: ring('HS256', refresh),
    link: ring('HS256', link),
    jwks: { keys: access.map((key) => key.jwk) },
  }
}

interface DerivedKey {
  readonly signing: SigningKey
  readonly verifying: CryptoKey
}

function ring(alg: TokenAlgorithm, derived: readonly DerivedKey[]): KeyRing {
  const [current] = derived
  if (current === undefined) throw new RangeError('a key ring needs a key')
  return { alg, signing: current.signing, verifying: new Map(derived.map((key) => [key.signing.kid, key.verifying])) }
}

/** P-256 by the method of FIPS 186-5 A.2.1: 128 bits more than the order has make the bias negligible. */
async function deriveAccessKey(master: CryptoKey): Promise<DerivedKey & { readonly jwk: PublicJwk }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const scalar = (toBigInt(await expand(master, 'access token ES256', 48)) % (P256_ORDER - 1n)) + 1n
  const pkcs8 = new Uint8Array([...PKCS8_P256_PREFIX, ...toBytes32(scalar)])
  const exportable = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign'])
  const { x, y } = await exportCoordinates(exportable)
  const kid = await thumbprint(x, y)
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

async function deriveHmacKey(master: CryptoKey, purpose: string): Promise<DerivedKey> {
  const bytes = await expand(master, `${purpose} HS256`, 32)
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])
  // The `kid` of a secret key is derived beside it: a thumbprint would be a hash of the key.
  const kid = base64url(await expand(master, `${purpose} kid`, 16))
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

/** RFC 7638: SHA-256 over the required members in alphabetical order. */
async function thumbprint(x: string, y: string): Promise<string> {
  const members = new TextEncoder().encode(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', members)))
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}

function toBytes32(number: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((number >> BigInt(8 * (31 - i))) & 0xffn))
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
