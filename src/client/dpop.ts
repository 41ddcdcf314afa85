/**
 * DPoP (RFC 9449) for the client, in a module of its own, since few ask for it: the session is bound to a key that stays where it was made, and its
 * refresh token is of no use to anybody else.
 */

import { keepInBrowser, type KeyPair } from './browser-keys.ts'

export type { KeyPair }

/** Proves that a request comes from whoever has a key. */
export interface Prover {
  /** Which key it is: the `x` of the public one (RFC 7518 section 6.2.1.2). */
  readonly key: () => Promise<string>
  /** A proof for one request (RFC 9449 section 4.2). */
  readonly prove: (method: string, url: string) => Promise<string>
  /** Goes by the `Date` of an answer from now on. Whether the clock of this device was wrong, which is why a proof may have been refused. */
  readonly setClock: (date: string) => boolean
}

/** From which difference on it is the clock, and not the way of the answer, in milliseconds. */
const WRONG_CLOCK_MS = 5000
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** By a key of this browser, which all tabs of an origin share, and which no script can read. Rejects where there is no IndexedDB. */
export function dpopInBrowser(name = 'tessera'): Prover {
  return dpopBy(() => keepInBrowser(name, generateKeys))
}

/** By a key that lasts as long as the program runs. */
export function dpopInMemory(): Prover {
  return dpopBy(generateKeys)
}

/** By a key pair of P-256 that somebody else keeps: it is asked for once, and again after it could not be had. */
export function dpopBy(getKeys: () => Promise<KeyPair>): Prover {
  let kept: Promise<KeyPair> | undefined
  /** How far the clock of this device is behind that of Tessera, in milliseconds. */
  let behind = 0
  const keys = () =>
    (kept ??= getKeys().catch((error: unknown) => {
      kept = undefined
      throw error
    }))
  return {
    key: async () => (await jwkOf(await keys())).x,
    setClock(date) {
      const difference = Date.parse(date) - Date.now()
      const isWrong = Math.abs(difference - behind) > WRONG_CLOCK_MS
      if (isWrong) behind = difference
      return isWrong
    },
    async prove(method, url) {
      const pair = await keys()
      const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: await jwkOf(pair) }
      const claims = { jti: crypto.randomUUID(), htm: method, htu: url, iat: Math.floor((Date.now() + behind) / 1000) }
      const text = `${toBase64url(JSON.stringify(header))}.${toBase64url(JSON.stringify(claims))}`
      const signature = await crypto.subtle.sign(ALGORITHM, pair.privateKey, new TextEncoder().encode(text))
      return `${text}.${toBase64url(String.fromCharCode(...new Uint8Array(signature)))}`
    },
  }
}

/** The public key (RFC 7517), without what only this runtime knows of it. */
async function jwkOf({ publicKey }: KeyPair) {
  const jwk = await crypto.subtle.exportKey('jwk', publicKey)
  if (!('kty' in jwk)) throw new TypeError('The key of DPoP is not one of P-256')
  const { kty, crv, x = '', y } = jwk
  return { kty, crv, x, y }
}

/** Its private key cannot be exported: it signs here, and nowhere else. */
async function generateKeys(): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, false, ['sign', 'verify'])
  if (!('privateKey' in keys)) throw new TypeError('No key pair was made')
  return keys
}

/** Of ASCII, as addresses are (RFC 3986), and of bytes as characters. */
function toBase64url(binary: string): string {
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
