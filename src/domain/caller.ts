/** Who asks, as the request shows it. */

import type { Client } from './places/place.ts'
import type { Proof } from './tokens/proof.ts'

export interface Caller {
  readonly client: Client
  /** The origin that was asked: the `iss` claim of the tokens that it gets (RFC 7519 section 4.1.1). */
  readonly issuer: string
  /** What the request proves to have of a key, where it has a proof. */
  readonly proof?: Proof
}

/** A caller who must not learn by the time of the answer what was done. */
export interface TimedCaller extends Caller {
  /** Takes work that goes on after the answer. */
  readonly afterwards: (work: Promise<void>) => void
}
