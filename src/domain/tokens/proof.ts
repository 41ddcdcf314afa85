/** What proofs of a key have in common, whichever way they are made. */

import type { Cause } from '../../log.ts'
import { toBase64url } from './base64url.ts'
import type { DeviceKey } from './device-key.ts'

/** A good proof: which key its client has, and the name under which it is remembered. */
export interface GoodProof {
  readonly key: DeviceKey
  readonly id: string
  /**
   * It was made a moment ago. A browser signs the challenge that it was given for its next refresh whenever that is due: for the live
   * token alone such a proof is worth anything, since a copy of it lasts as long.
   */
  readonly isFresh: boolean
}

/** What a proof shows, or why it shows nothing. */
export type Proof = GoodProof | { readonly refused: Cause }

/**
 * The name under which a proof is remembered: 128 bits of the SHA-256 of what is signed. The signature is left out, since whoever has one of
 * ES256 makes another one of it that is as good, without the key.
 */
export async function nameOf(text: string): Promise<string> {
  const signed = text.slice(0, text.lastIndexOf('.'))
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(signed))
  return toBase64url(new Uint8Array(digest, 0, 16))
}
