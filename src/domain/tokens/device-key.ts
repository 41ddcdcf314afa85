/**
 * The public key of a device: a point of P-256, whose private key signs ES256 (RFC 7518 section 3.4). Whoever proves to have it signs with
 * it, and names it in what is signed.
 */

import { verifyCompact } from './compact-jws.ts'
import { thumbprint } from './token-key.ts'

/** The coordinates in base64url, as a session's row has them. */
export type DeviceKey = `${string}.${string}`

/** A key that no session has: whoever signs a challenge by another key than that of its session has some other one. */
export const SOME_OTHER_KEY: DeviceKey = '.'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' }

/** 32 bytes in their one spelling. */
const COORDINATE = /^[\w-]{42}[AEIMQUYcgkosw048]$/

/** What only whoever has the key may know (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/** The key of a JWK (RFC 7517); `null` for one of another kind, and for one that gives away what has to stay secret. */
export function readDeviceKey(jwk: unknown): DeviceKey | null {
  if (typeof jwk !== 'object' || jwk === null || PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member)))
    return null
  const { kty, crv, x, y }: Readonly<Record<string, unknown>> = { ...jwk }
  if (kty !== 'EC' || crv !== 'P-256' || typeof x !== 'string' || typeof y !== 'string') return null
  return COORDINATE.test(x) && COORDINATE.test(y) ? `${x}.${y}` : null
}

/** Whether a compact JWS is signed by this key. A point that is not on the curve signed nothing. */
export async function isSignedBy(key: DeviceKey, text: string): Promise<boolean> {
  const imported = await crypto.subtle
    .importKey('jwk', { kty: 'EC', crv: 'P-256', ...coordinates(key) }, ALGORITHM, false, ['verify'])
    .catch(() => null)
  return imported !== null && verifyCompact({ alg: 'ES256', key: imported }, text)
}

/** The thumbprint of a key (RFC 7638 section 3.2): `jkt` where others are told of it (RFC 9449 section 6.1). */
export function thumbprintOf(key: DeviceKey): Promise<string> {
  const { x, y } = coordinates(key)
  return thumbprint({ crv: 'P-256', kty: 'EC', x, y })
}

function coordinates(key: DeviceKey): { readonly x: string; readonly y: string } {
  const [x = '', y = ''] = key.split('.')
  return { x, y }
}
