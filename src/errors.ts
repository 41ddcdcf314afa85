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
