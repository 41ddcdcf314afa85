/**
 * The forms in which other systems store password hashes, each read into a PHC string of Tessera's. docs/password-hashes.md lists them.
 */

import { fromBase64, parsePhc, type Phc } from './phc.ts'

interface ForeignForm {
  /** A text that begins like this is of this form, or a damaged one. */
  readonly begins: RegExp
  /** `null` for a damaged one. */
  readonly read: (text: string) => Phc | null
}

/** The first form that a text begins like is its form. */
const FORMS: readonly ForeignForm[] = [
  { begins: /^\$2[aby]\$/, read: readBcrypt },
  { begins: /^\$pbkdf2(-sha256|-sha512)?\$\d+\$/, read: readPasslibPbkdf2 },
  { begins: /^\$fbscrypt\$/, read: readFirebase },
  // PHC strings, those that Tessera stores itself among them.
  {
    begins: /^\$(argon2(id|i|d)|scrypt(-nfkc|-firebase)?|pbkdf2-sha(1|256|512)|bcrypt(-sha256-hex)?)\$/,
    read: parsePhc,
  },
  { begins: /^argon2\$/, read: (text) => parsePhc(text.slice('argon2'.length)) },
  { begins: /^bcrypt\$/, read: (text) => readBcrypt(text.slice('bcrypt$'.length)) },
  { begins: /^bcrypt_sha256\$/, read: readDjangoBcryptSha256 },
  { begins: /^pbkdf2_sha(1|256)\$/, read: readDjangoPbkdf2 },
  { begins: /^scrypt\$/, read: readDjangoScrypt },
  { begins: /^pbkdf2:sha(1|256|512):/, read: readWerkzeugPbkdf2 },
  { begins: /^scrypt:/, read: readWerkzeugScrypt },
  { begins: /^[0-9a-f]{32}:/, read: readBetterAuth },
  { begins: /^AQAAAA[A-L]/, read: readAspNetV3 },
  { begins: /^A[A-P][A-Za-z0-9+/]{64}==$/, read: readAspNetV2 },
]

/** Reads a hash of another system, or of Tessera. */
export function parseForeignHash(text: string): Phc | 'unknown' | 'damaged' {
  const form = FORMS.find(({ begins }) => begins.test(text))
  if (form === undefined) return 'unknown'
  try {
    return form.read(text) ?? 'damaged'
  } catch {
    return 'damaged' // a length that base64 does not have
  }
}

/** `$2b$12$`, 22 characters of salt and 31 of hash. What is between 2a, 2b and 2y are faults of old code, which no password of a person meets. */
function readBcrypt(text: string): Phc | null {
  const [, cost, salt, hash] = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/.exec(text) ?? []
  if (salt === undefined || hash === undefined) return null
  return phcOf('bcrypt', { c: Number(cost) }, fromBase64(ofBcrypt(salt)), fromBase64(ofBcrypt(hash)))
}

const OF_BCRYPT = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const OF_BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** bcrypt's alphabet is another one; how it packs bits is the same. */
function ofBcrypt(text: string): string {
  return Array.from(text, (char) => OF_BASE64[OF_BCRYPT.indexOf(char)]).join('')
}

/** Django: bcrypt of the SHA-256 of the password in hex, so that all of a long password counts. */
function readDjangoBcryptSha256(text: string): Phc | null {
  const phc = readBcrypt(text.slice('bcrypt_sha256$'.length))
  return phc === null ? null : { ...phc, id: 'bcrypt-sha256-hex' }
}

/** `$pbkdf2-sha512$25000$salt$hash`, in base64 that has a dot for the plus sign; `$pbkdf2$` is SHA-1. */
function readPasslibPbkdf2(text: string): Phc | null {
  const form = /^\$pbkdf2(?:-(sha256|sha512))?\$(\d{1,9})\$([./A-Za-z0-9]+)\$([./A-Za-z0-9]+)$/
  const [, digest = 'sha1', iterations, salt, hash] = form.exec(text) ?? []
  if (salt === undefined || hash === undefined) return null
  const [saltBytes, hashBytes] = [fromBase64(salt.replaceAll('.', '+')), fromBase64(hash.replaceAll('.', '+'))]
  return phcOf(`pbkdf2-${digest}`, { i: Number(iterations) }, saltBytes, hashBytes)
}

function readDjangoPbkdf2(text: string): Phc | null {
  const [, digest, iterations, salt, hash] =
    /^pbkdf2_(sha1|sha256)\$(\d{1,9})\$([^$]+)\$([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  if (salt === undefined || hash === undefined) return null
  return phcOf(`pbkdf2-${digest}`, { i: Number(iterations) }, utf8(salt), fromBase64(hash))
}

function readDjangoScrypt(text: string): Phc | null {
  const [, N, salt, r, p, hash] =
    /^scrypt\$(\d{1,19})\$([^$]+)\$(\d{1,9})\$(\d{1,9})\$([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  if (salt === undefined || hash === undefined) return null
  return phcOf('scrypt', scryptCost(N, r, p), utf8(salt), fromBase64(hash))
}

function readWerkzeugPbkdf2(text: string): Phc | null {
  const [, digest, iterations, salt, hash] =
    /^pbkdf2:(sha1|sha256|sha512):(\d{1,9})\$([^$]+)\$((?:[0-9a-f]{2})+)$/.exec(text) ?? []
  if (salt === undefined || hash === undefined) return null
  return phcOf(`pbkdf2-${digest}`, { i: Number(iterations) }, utf8(salt), fromHex(hash))
}

function readWerkzeugScrypt(text: string): Phc | null {
  const [, N, r, p, salt, hash] =
    /^scrypt:(\d{1,19}):(\d{1,9}):(\d{1,9})\$([^$]+)\$((?:[0-9a-f]{2})+)$/.exec(text) ?? []
  if (salt === undefined || hash === undefined) return null
  return phcOf('scrypt', scryptCost(N, r, p), utf8(salt), fromHex(hash))
}

/** The salt is the text of the hex, not the bytes that it stands for; the password is in NFKC, which the name of the function says. */
function readBetterAuth(text: string): Phc | null {
  const [, salt, hash] = /^([0-9a-f]{32}):([0-9a-f]{128})$/.exec(text) ?? []
  if (salt === undefined || hash === undefined) return null
  return phcOf('scrypt-nfkc', { ln: 14, r: 16, p: 1 }, utf8(salt), fromHex(hash))
}

/**
 * `$fbscrypt$v=1,n=14,r=8,p=1,ss=SEPARATOR,sk=KEY$salt$hash`, each in base64, as Supabase writes accounts of Firebase: n is the memory cost,
 * ss the salt separator and sk the signer key of the project. Firebase stores its signer key, encrypted by AES-CTR under the scrypt of
 * the password. What AES-CTR added to the key says as much of the password as that does, and the key need not be stored.
 */
function readFirebase(text: string): Phc | null {
  const form = /^\$fbscrypt\$v=1,n=(\d{1,2}),r=(\d{1,9}),p=(\d{1,9})(?:,ss=([^,$]*))?,sk=([^,$]+)\$([^$]+)\$([^$]+)$/
  const [, n, r, p, separator = '', key, salt, hash] = form.exec(text) ?? []
  if (key === undefined || salt === undefined || hash === undefined) return null
  const [keyBytes, hashBytes] = [fromAnyBase64(key), fromAnyBase64(hash)]
  if (keyBytes.length !== hashBytes.length) return null
  const added = hashBytes.map((byte, i) => byte ^ (keyBytes[i] ?? 0))
  const salted = new Uint8Array([...fromAnyBase64(salt), ...fromAnyBase64(separator)])
  return phcOf('scrypt-firebase', { ln: Number(n), r: Number(r), p: Number(p) }, salted, added)
}

/** The largest parameter that a PHC string may have here: more iterations than any check may cost. */
const MOST_OF_PHC = 999_999_999

/** ASP.NET Core Identity: a one, then the digest, the iterations and the length of the salt as 32 bits each, then salt and hash. */
function readAspNetV3(text: string): Phc | null {
  const bytes = fromBase64(text)
  const header = new DataView(bytes.buffer)
  const digest = ['sha1', 'sha256', 'sha512'][header.getUint32(1)]
  const [iterations, saltEnd] = [header.getUint32(5), 13 + header.getUint32(9)]
  if (digest === undefined) return null
  return phcOf(
    `pbkdf2-${digest}`,
    { i: Math.min(iterations, MOST_OF_PHC) },
    bytes.slice(13, saltEnd),
    bytes.slice(saltEnd),
  )
}

/** ASP.NET Identity before Core: a zero, 16 bytes of salt, 32 of hash; always 1,000 iterations of SHA-1. */
function readAspNetV2(text: string): Phc | null {
  const bytes = fromBase64(text)
  return phcOf('pbkdf2-sha1', { i: 1000 }, bytes.slice(1, 17), bytes.slice(17))
}

function phcOf(id: string, params: Phc['params'], salt: Uint8Array, hash: Uint8Array): Phc {
  return { id, version: undefined, params, salt, hash }
}

/** A PHC string has the logarithm of N, which is a power of two; of any other number there is none to be had. */
function scryptCost(N = '', r = '', p = ''): Phc['params'] {
  const ln = Math.log2(Number(N))
  return { ln: Number.isInteger(ln) ? ln : 0, r: Number(r), p: Number(p) }
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}

/** Base64 in either alphabet: Firebase's tools write the one, its API the other. */
function fromAnyBase64(text: string): Uint8Array {
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
}
