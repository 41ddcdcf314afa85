/**
 * Every error that a caller can meet, in one closed table. The exception class, the answers, and the table of
 * docs/api.md derive from it; whatever is not in it does not leave the Worker.
 */

import type { Cause } from './log.ts'

interface ErrorRow {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 421 | 429 | 500 | 503
  /** What callers see, to the letter. Where a row has several, the thrower names one; the first is the default. */
  readonly details: readonly [string, ...string[]]
}

export const ERRORS = {
  wrong_data_structure: { status: 400, details: ['Wrong data structure'] },
  password_not_accepted: { status: 400, details: ['Password is not accepted'] },
  client_not_valid: {
    status: 400,
    details: [
      'Tessera-Client-IP is missing',
      'Tessera-Client-IP is not valid',
      'Tessera-Client-Country is not valid',
      'Tessera-Client-ASN is not valid',
      'Tessera-Client-City is not valid',
    ],
  },
  password_not_valid: { status: 400, details: ['Not valid password'] },
  token_missing: { status: 401, details: ['Access token is missing', 'Refresh token is missing'] },
  token_not_valid: { status: 401, details: ['Not valid token'] },
  token_pair_not_valid: { status: 401, details: ['Not valid token pair'] },
  token_used: { status: 401, details: ['Token used before'] },
  location_blocked: { status: 401, details: ["You're location is blocked"] },
  device_proof_required: { status: 403, details: ['Device proof required'] },
  dpop_proof_not_valid: { status: 401, details: ['Not valid DPoP proof'] },
  no_active_account: { status: 401, details: ['No active account found with the given credentials'] },
  not_authenticated: { status: 401, details: ['Authentication credentials were not provided'] },
  forbidden: { status: 403, details: ['Forbidden'] },
  not_found: { status: 404, details: ['Not found'] },
  method_not_allowed: { status: 405, details: ['Method not allowed'] },
  already_exists: { status: 409, details: ['Already exists'] },
  payload_too_large: { status: 413, details: ['Payload too large'] },
  unsupported_media_type: { status: 415, details: ['Unsupported media type'] },
  misdirected: { status: 421, details: ['Misdirected request'] },
  too_many_requests: { status: 429, details: ['Too many requests'] },
  internal: { status: 500, details: ['Internal server error'] },
  unavailable: { status: 503, details: ['Service unavailable'] },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

/** When callers meet each, for whoever reads about them: by itself, since no request needs it. */
export const ERROR_REASONS: Readonly<Record<ErrorCode, string>> = {
  wrong_data_structure: 'not a JWT at all, a good signature over claims of another shape, guid or body malformed',
  password_not_accepted: 'a new password breaks a rule, which `errors` names',
  client_not_valid: 'a back end has to name its client, or names one in a way that cannot be read',
  password_not_valid: 'a change of the account asks for its password, and this is another one',
  token_missing: 'cookie absent',
  token_not_valid: 'signature, algorithm, type or expiry',
  token_pair_not_valid: 'the jti of access and refresh token differ',
  token_used: 'its jti is no longer the live one of its session, or the session is gone',
  location_blocked:
    'the pair, or an access token that asks for sessions or places, came from another place than it was issued to',
  device_proof_required:
    'the session is bound to the browser that opened it, and the request has no proof of its key; `Secure-Session-Challenge` has what to sign',
  dpop_proof_not_valid:
    'the session is bound to a key, and the DPoP proof is missing, of another key or for another request; at a sign-in, a proof that is not good',
  no_active_account: 'unknown e-mail, wrong password, inactive, unconfirmed: one answer, one duration',
  not_authenticated: 'protected route, no token',
  forbidden: 'asked by a page of another origin, prefetched issuing, wrong service key',
  not_found: 'no such route',
  method_not_allowed: 'the route has other methods, named in `Allow`',
  already_exists: 'an operator gives an account what another one has, which `errors` names',
  payload_too_large: 'a body of more than 16 KiB; of an import, of more than 512 KiB',
  unsupported_media_type: 'a body that is not `application/json`; of an import, one that is not JSON lines',
  misdirected: 'the request is for another host than that of `PUBLIC_URL`',
  too_many_requests: 'with `Retry-After`',
  internal: 'logged, never explained',
  unavailable: 'D1 or another part is down; with `Retry-After`',
}

export type ErrorDetail<Code extends ErrorCode> = (typeof ERRORS)[Code]['details'][number]

/** Which fields of a body were wrong, and how: `{primary_email: ['…']}`. */
export type FieldErrors = Readonly<Record<string, readonly string[]>>

interface TesseraErrorOptions<Code extends ErrorCode> {
  /** Why, for the log only: one of the table, or what another part threw. Never token text, never a password. */
  readonly cause?: Cause | Error | undefined
  /** The session that is concerned, for the log, and whose it is: the guid of the account. */
  readonly sid?: string | undefined
  readonly guid?: string | undefined
  readonly detail?: ErrorDetail<Code>
  readonly fields?: FieldErrors
  /** Methods that the route does have (405). */
  readonly allow?: readonly string[]
  /** How long the caller should wait (429, 503). */
  readonly retryAfterSeconds?: number
  /** What a device has to sign to go on (403). */
  readonly challenge?: string
}

/** What was thrown, with the session that it is about for the log: a token that was verified names it, whatever failed after that. */
export function aboutSession(thrown: unknown, { sid, guid }: { readonly sid: string; readonly guid: string }): unknown {
  if (!(thrown instanceof TesseraError) || thrown.code !== 'unavailable') return thrown
  const { code, cause, retryAfterSeconds } = thrown
  return new TesseraError(code, { cause, sid, guid, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) })
}

/** The one exception of this code base: a row of `ERRORS`, with a cause that stays in the log. */
export class TesseraError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'TesseraError'
  readonly code: Code
  readonly status: ErrorRow['status']
  declare readonly cause: Cause | Error | undefined
  readonly sid: string | undefined
  readonly guid: string | undefined
  readonly fields: FieldErrors | undefined
  readonly allow: readonly string[] | undefined
  readonly retryAfterSeconds: number | undefined
  readonly challenge: string | undefined

  constructor(code: Code, options: TesseraErrorOptions<Code> = {}) {
    super(options.detail ?? ERRORS[code].details[0], { cause: options.cause })
    this.code = code
    this.status = ERRORS[code].status
    this.sid = options.sid
    this.guid = options.guid
    this.fields = options.fields
    this.allow = options.allow
    this.retryAfterSeconds = options.retryAfterSeconds
    this.challenge = options.challenge
  }
}
