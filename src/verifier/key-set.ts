/** What a verifier is given keys by. It stands by itself, since whoever reads these types needs no others. */

/** A public key as it is published (RFC 7517); its other members are for the runtime to read. */
export interface Jwk {
  readonly kid?: unknown
  readonly alg?: unknown
}

/** A set of public keys, and for how long it may be used without asking again, in seconds: at least half a minute, whatever it says. */
export interface KeySet {
  readonly keys: readonly Jwk[]
  readonly maxAgeSeconds: number
}

/** Gets the keys as they are now. A refusal, as the binding of Tessera has them, and whatever is thrown count as a failure. */
export type KeySource = () => PromiseLike<
  KeySet | { readonly ok: false; readonly keys?: never; readonly maxAgeSeconds?: never }
>

/** How long a source may take. */
export const FETCH_MS = 3000
