/** Clients that prove to have a key, by jose: what they send, and what goes wrong with it. */

import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

/** What a proof says. What is not given is as it should be; `null` leaves a claim out. */
export interface ProofChanges {
  readonly header?: Readonly<Record<string, unknown>>
  readonly payload?: Readonly<Record<string, unknown>>
  /** What signs in the place of the client's own key. */
  readonly signedBy?: CryptoKey | Uint8Array
}

export interface ProvingClient {
  readonly jwk: JWK
  readonly privateKey: CryptoKey
  /** RFC 7638. */
  readonly thumbprint: string
  /** A proof for a request at `iat`, in seconds since 1970. */
  readonly prove: (method: string, url: string, iat: number, changes?: ProofChanges) => Promise<string>
}

/** A client with a key of its own. */
export async function createProvingClient(): Promise<ProvingClient> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const { kty, crv, x, y } = await exportJWK(publicKey)
  const jwk = { kty, crv, x, y } as JWK
  return {
    jwk,
    privateKey,
    thumbprint: await calculateJwkThumbprint(jwk),
    prove(method, url, iat, { header = {}, payload = {}, signedBy = privateKey } = {}) {
      const claims = { jti: crypto.randomUUID(), htm: method, htu: url, iat, ...payload }
      const given = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== null))
      const parts = { typ: 'dpop+jwt', alg: 'ES256', jwk, ...header }
      const named = Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== null))
      return new SignJWT(given).setProtectedHeader(named as { alg: string }).sign(signedBy)
    },
  }
}

/** A proof as a browser makes it over a challenge. Its key stands in that of a registration alone: `jwk` in `header`. */
export function signChallenge(
  client: ProvingClient,
  challenge: string,
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  return new SignJWT({ jti: challenge })
    .setProtectedHeader({ alg: 'ES256', typ: 'dbsc+jwt', ...header })
    .sign(client.privateKey)
}
