/** What the client's callers meet: the errors and answers of Tessera that concern them. A test holds these types to the contract of the service. */

/** Which error it is: stable, and what an application decides by. */
export type ErrorCode =
  | 'wrong_data_structure'
  | 'password_not_accepted'
  | 'client_not_valid'
  | 'password_not_valid'
  | 'token_missing'
  | 'token_not_valid'
  | 'token_pair_not_valid'
  | 'token_used'
  | 'location_blocked'
  | 'device_proof_required'
  | 'dpop_proof_not_valid'
  | 'no_active_account'
  | 'not_authenticated'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'already_exists'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'misdirected'
  | 'too_many_requests'
  | 'internal'
  | 'unavailable'

/** An error as Tessera answers it (RFC 9457). */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  /** Which fields were wrong, and how. */
  readonly errors?: Readonly<Record<string, readonly string[]>>
}

/** Who is signed in. */
export interface User {
  /** `null` for an account that is known by its guid alone. */
  readonly email: string | null
  readonly user_id: number
  readonly guid: string
  readonly group: string
  readonly confirmed: boolean
}

/** Both tokens, as the client keeps them. */
export interface Pair {
  readonly access: string
  readonly refresh: string
  /** When the access token is over by the clock of this device, in milliseconds since 1970. */
  readonly over: number
  /** Whose it is: the claim `sub`. Of a pair in cookies it is known where this client has signed in. */
  readonly sub?: string | undefined
  /** Which Tessera it is of: another client may use the same storage. */
  readonly url?: string
  /** The public key whose proofs the refresh token wants, where there is one: its `x` (RFC 7518 section 6.2.1.2). */
  readonly key?: string
}
