/** When callers meet each error, for whoever reads about them: in a file of its own, since no request needs it but that for the OpenAPI document. */

import type { ErrorCode } from './errors.ts'

/** When callers meet each error of the table. */
export const ERROR_REASONS: Readonly<Record<ErrorCode, string>> = {
  wrong_data_structure: 'not a JWT at all, a good signature over claims of another shape, guid or body malformed',
  password_not_accepted: 'a new password breaks a rule, which `errors` names',
  client_not_valid: 'a back end has to name its client, or names one in a way that cannot be read',
  password_not_valid: 'a change of the account asks for its password, and this is another one',
  token_missing: 'a cookie is absent',
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
  not_authenticated: 'a protected route, and no token',
  forbidden: 'asked by a page of another origin, prefetched issuing, wrong service key',
  not_found: 'no such route, or nothing of that id',
  method_not_allowed: 'the route has other methods, named in `Allow`',
  already_exists: 'an operator gives an account what another one has, which `errors` names',
  payload_too_large: 'a body of more than 16 KiB; of an import, of more than 512 KiB',
  unsupported_media_type: 'a body that is not `application/json`; of an import, one that is not JSON lines',
  misdirected: 'the request is for another host than that of `PUBLIC_URL`',
  too_many_requests: 'more tries than a client or an account may make; with `Retry-After`',
  internal: 'a fault of ours; logged, never explained',
  unavailable: 'D1 or another part is down; with `Retry-After`',
}
