/**
 * DPoP proofs (RFC 9449 section 4): a JWT for one request, signed by a key of the client that stands in its header.
 *
 * Of a session, the proof that rotated it last is remembered in its row: a refresh token is good once, but for its answer being lost, and then a
 * new proof has to come with it (section 11.1).
 */

import * as z from 'zod/mini'

import { isSignedBy, readDeviceKey } from './device-key.ts'
import { nameOf, type Proof } from './proof.ts'
import { parseOrNull } from './token-form.ts'

/** How far the clock of a client may be from ours, either way. */
export const PROOF_SECONDS = 60

/** The request that a proof is for: its method, and its URL, of which query and fragment do not count. */
export interface ProofTarget {
  readonly method: string
  readonly url: string
}

const ProofClaims = z.object({
  jti: z.string().check(z.minLength(1), z.maxLength(256)),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  /** Neither is of RFC 9449; where a client sets one, it means what it says (RFC 7519 section 4.1.4 and 4.1.5). */
  exp: z.exactOptional(z.number()),
  nbf: z.exactOptional(z.number()),
})

/** Reads a proof for a request at `now`, in seconds since 1970, by the steps of RFC 9449 section 4.3. */
export async function readDpopProof(text: string, target: ProofTarget, now: number): Promise<Proof> {
  const token = parseOrNull(text)
  if (token === null) return { refused: 'proof form' }
  const { header, payload } = token
  // ES256 alone: what every client has, and what the keys that cannot leave a device can do.
  if (header['typ'] !== 'dpop+jwt' || header['alg'] !== 'ES256' || REFUSED_MEMBERS.some((name) => name in header)) {
    return { refused: 'proof header' }
  }
  const key = readDeviceKey(header['jwk'])
  if (key === null) return { refused: 'proof key' }
  if (!(await isSignedBy(key, text))) return { refused: 'proof signature' }
  const claims = ProofClaims.safeParse(payload)
  if (!claims.success) return { refused: 'proof claims' }
  const { htm, htu, iat, exp = Infinity, nbf = 0 } = claims.data
  if (htm !== target.method || normalizeUrl(htu) !== normalizeUrl(target.url)) return { refused: 'proof target' }
  const isOver = exp <= now - PROOF_SECONDS || nbf > now + PROOF_SECONDS
  if (Math.abs(now - iat) > PROOF_SECONDS || isOver) return { refused: 'proof time' }
  return { key, id: await nameOf(text), isFresh: true }
}

/** `crit` asks for what we do not know (RFC 7515 section 4.1.11); the others name keys that somebody would have to fetch or trust. */
const REFUSED_MEMBERS = ['crit', 'jku', 'x5u', 'x5c']

/**
 * A URL without query and fragment, in one spelling (RFC 3986 sections 6.2.2 and 6.2.3); `null` for what is none, and for one with
 * credentials, which is no address of ours.
 */
function normalizeUrl(text: string): string | null {
  const url = URL.parse(text)
  if (url === null || url.username !== '' || url.password !== '' || !/^https?:$/.test(url.protocol)) return null
  const path = url.pathname.replaceAll(/%[\da-f]{2}/gi, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    return /[\w.~-]/.test(character) ? character : escaped.toUpperCase()
  })
  return `${url.origin}${path}`
}
