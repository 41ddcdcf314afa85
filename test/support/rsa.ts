/** RSA keys, made anew for each file of tests: what is held here holds for any. */

/** A private key in PKCS#8, in base64. */
export async function newRsaKey(bits = 2048): Promise<string> {
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: bits,
    publicExponent: Uint8Array.from([1, 0, 1]),
  }
  const { privateKey } = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair
  const der = (await crypto.subtle.exportKey('pkcs8', privateKey)) as ArrayBuffer
  return btoa(String.fromCharCode(...new Uint8Array(der)))
}

/** The same as PEM (RFC 7468), with this between its lines. */
export function toPem(base64: string, lineBreak = '\n', label = 'PRIVATE KEY'): string {
  const lines = base64.match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join(lineBreak)
}

/** The key with one of its numbers altered: its form is good, and its numbers do not belong together. */
export function damaged(base64: string): string {
  const der = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
  der[400] = (der[400] ?? 0) ^ 1
  return btoa(String.fromCharCode(...der))
}
