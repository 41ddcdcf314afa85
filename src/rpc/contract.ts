/**
 * The binding of Tessera as other Workers see it: types alone, for `env.TESSERA` in their own code. No call throws of Tessera's own accord; what
 * the platform throws while it cannot reach Tessera at all is the caller's to catch.
 */

import type { ErrorCode, ERRORS, FieldErrors } from '../errors.ts'
import type { KeySet } from '../verifier/key-set.ts'
import type { AccessTokenClaims } from '../verifier/verifier.ts'

/** What a Worker that is bound by `entrypoint = "TokenService"` may call. */
export interface TokenServiceBinding {
  /** The claims of a good access token, whether or not its session has ended since. No round trip to D1. */
  readonly verify: (token: string) => Promise<Answer<{ readonly claims: AccessTokenClaims }>>
  /** The public keys, for a verifier of one's own. No round trip to D1. */
  readonly keys: () => Promise<Answer<KeySet>>
  /** The state of an access or a refresh token as it is now (RFC 7662). One round trip to D1. */
  readonly introspect: (token: string) => Promise<Answer<{ readonly introspection: Introspection }>>
  /** Opens a session for the account of this guid, which is made where it is not known, in the place of this client. One round trip to D1. */
  readonly issue: (guid: string, client: ClientFacts) => Promise<Answer<IssuedPair>>
  /**
   * Exchanges a pair for the next one: both tokens, as a browser holds them in cookies, or the refresh token alone. One round trip to D1.
   * A session that is bound to its browser is refused as `device_proof_required`: only that browser itself can refresh it, over HTTP.
   */
  readonly refresh: (pair: PresentedTokens, caller: RefreshingCaller) => Promise<Answer<IssuedPair>>
  /** Ends every session of the account of this guid, as an operator. `not_found` where there is no such account. */
  readonly revokeUser: (guid: string, options?: RevokeOptions) => Promise<Answer<unknown>>
}

export type Method = keyof TokenServiceBinding

/** `props` of the binding, in the wrangler.toml of the Worker that is bound. */
export interface BindingProps {
  /** Who acts, for the ledger: of a-z, 0-9 and -. `revokeUser` needs it. */
  readonly name?: string
  /** All that the Worker may call. Left out: `verify`, `keys` and `introspect`. */
  readonly methods?: readonly Method[]
}

export type Answer<Value> = ({ readonly ok: true } & Value) | Refusal

/** A row of the error table. 401 means that the token is dead; 429, 500 and 503 say nothing about it. */
export interface Refusal {
  readonly ok: false
  readonly code: ErrorCode
  /** What HTTP would answer. */
  readonly status: (typeof ERRORS)[ErrorCode]['status']
  readonly detail: string
  /** Which values of the call are malformed, and how, by field. */
  readonly errors?: FieldErrors
  readonly retryAfterSeconds?: number
}

/** Where the person is for whom a Worker calls, and with which program: never the Worker itself. What is not known may be left out or be null. */
export interface ClientFacts {
  /** `CF-Connecting-IP` of the request. */
  readonly ip: string
  /** A code of ISO 3166-1: `request.cf.country`. */
  readonly country?: string | null | undefined
  /** The number of the network: `request.cf.asn`. */
  readonly asn?: number | null | undefined
  /** `request.cf.city`. */
  readonly city?: string | null | undefined
  /** `User-Agent` of the request. */
  readonly userAgent?: string | null | undefined
}

export interface RefreshingCaller extends ClientFacts {
  /** For a session that is bound to the key of a DPoP proof (RFC 9449). */
  readonly dpop?: DpopHeader | null | undefined
}

/** The `DPoP` header of a request, and which request that was: the one that its client signed for, to the Worker and not to Tessera. */
export interface DpopHeader {
  readonly proof: string
  /** `htm`: the method of that request. */
  readonly method: string
  /** `htu`: its URL; query and fragment do not count. */
  readonly url: string
}

export interface PresentedTokens {
  readonly access?: string | null | undefined
  readonly refresh: string
}

/** A pair, and whose it is. Times are seconds since 1970. */
export interface IssuedPair {
  readonly access: string
  readonly refresh: string
  readonly accessExpiresAt: number
  readonly refreshExpiresAt: number
  /** Whether the refresh token is good with a proof of a key alone. The access token is a bearer token all the same. */
  readonly isBound: boolean
  readonly account: {
    readonly id: number
    readonly guid: string
    readonly email: string | null
    readonly group: string
  }
}

/** RFC 7662, as `POST /auth/token/introspect` answers it. Times are seconds since 1970. */
export type Introspection =
  | { readonly active: false }
  | ({
      readonly active: true
      readonly token_type: 'access' | 'refresh'
      readonly iss: string
      readonly sub: string
      readonly aud?: string
      readonly exp: number
      readonly iat: number
      readonly jti: string
      readonly sid: string
      readonly user_id: number
      readonly group: string
      readonly username: string | null
      readonly cnf?: { readonly jkt: string }
    } & Readonly<Record<string, unknown>>)

export interface RevokeOptions {
  /** Of the person who asked for it, for the ledger. */
  readonly client?: ClientFacts | null | undefined
}
