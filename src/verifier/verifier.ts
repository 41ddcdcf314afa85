/**
 * Verifies access tokens of Tessera where they are received, with its public keys alone: no request to it but for the keys, now and then. For
 * Workers, Node, browsers and Deno; it needs WebCrypto, and no package.
 */

import { verifyCompact } from '../domain/tokens/compact-jws.ts'
import { hasTypOf, parseOrNull } from '../domain/tokens/token-form.ts'
import type { ErrorDetail, ERRORS } from '../errors.ts'
import { keysOf } from './fetch-keys.ts'
import { createKeyCache } from './key-cache.ts'
import type { KeySource } from './key-set.ts'

export type { Jwk, KeySet, KeySource } from './key-set.ts'

export interface VerifierOptions {
  /** The `iss` of every token, to the letter: `PUBLIC_URL` with `BASE_PATH`, without a slash at its end. */
  readonly issuer: string
  /** The `aud` that every token must have. Left out, a token must have none: whoever has set `AUDIENCE` means somebody (RFC 7519 section 4.1.3). */
  readonly audience?: string | undefined
  /** Gives the keys, as the binding of Tessera does. Left out, they are fetched from `{issuer}/.well-known/jwks.json`. */
  readonly keys?: KeySource | undefined
  /** By how much the clock here may differ, for `exp` and `nbf`. 0, where it is left out. */
  readonly clockToleranceSeconds?: number | undefined
  /** Seconds since 1970; the clock of the runtime, where it is left out. */
  readonly now?: (() => number) | undefined
}

/** What an access token says. Times are seconds since 1970. */
export interface AccessTokenClaims {
  readonly iss: string
  /** The account; the same as `guid`. */
  readonly sub: string
  /** The integer key of the account. */
  readonly id: number
  readonly guid: string
  readonly group: string
  /** The session. */
  readonly sid: string
  readonly jti: string
  readonly iat: number
  readonly exp: number
  readonly nbf?: number
  readonly aud?: string
  readonly token_type: 'access'
  /** The own claims of the account, as an operator has set them. */
  readonly [own: string]: unknown
}

/** Why a token is refused, for the log of whoever verifies it; `keys`: they could not be had, and the token may be good. */
export type RefusalCause =
  | 'form'
  | 'header'
  | 'issuer'
  | 'keys'
  | 'kid'
  | 'signature'
  | 'type'
  | 'claims'
  | 'audience'
  | 'out of its time'

/** `code`, `status` and `detail` as Tessera itself would answer. 503 is no verdict on the token: whoever answers 401 for it signs people out. */
export interface VerifierRefusal {
  readonly ok: false
  readonly code: RefusalCode
  readonly status: (typeof ANSWERS)[RefusalCode][0]
  readonly detail: (typeof ANSWERS)[RefusalCode][1]
  readonly cause: RefusalCause
}

export type Verification = { readonly ok: true; readonly claims: AccessTokenClaims } | VerifierRefusal

export interface Verifier {
  /** The claims of a good access token, or why it is refused. Never rejects. Whether its session has ended since, it does not know. */
  readonly verify: (token: string) => Promise<Verification>
}

type RefusalCode = 'wrong_data_structure' | 'token_not_valid' | 'unavailable'

const ANSWERS = {
  wrong_data_structure: [400, 'Wrong data structure'],
  token_not_valid: [401, 'Not valid token'],
  unavailable: [503, 'Service unavailable'],
} as const satisfies { readonly [Code in RefusalCode]: readonly [(typeof ERRORS)[Code]['status'], ErrorDetail<Code>] }

/** A verifier with a cache of keys of its own: one for the whole program, made outside of any request. */
export function createVerifier({
  issuer,
  audience,
  keys: source = keysOf(issuer),
  clockToleranceSeconds: tolerance = 0,
  now = () => Math.floor(Date.now() / 1000),
}: VerifierOptions): Verifier {
  const keys = createKeyCache(source, now)

  async function judge(text: unknown): Promise<Verification> {
    const token = parseOrNull(String(text))
    if (token === null) return refuse('form', 'wrong_data_structure')
    const { header, payload: claims } = token
    const { alg, kid } = header
    // A token that is refused for any of these needs no keys, so that no such token makes anybody fetch some.
    const isOfKey = typeof kid === 'string' && (alg === 'ES256' || alg === 'RS256')
    if (!isOfKey || 'crit' in header || !hasTypOf('access', header['typ'])) return refuse('header')
    if (claims['iss'] !== issuer) return refuse('issuer')
    const key = await keys.find(kid)
    if (key === 'keys') return refuse(key, 'unavailable')
    if (key === 'kid') return refuse(key)
    // The key decides the algorithm, never the header (RFC 8725 section 3.1).
    if (key.alg !== alg) return refuse('header')
    if (!(await verifyCompact(key, token.text))) return refuse('signature')
    const type = claims['token_type']
    if (typeof type === 'string' && type !== 'access') return refuse('type')
    if (!isOfAccess(claims)) return refuse('claims', 'wrong_data_structure')
    const { exp, nbf = 0 } = claims
    if (exp + tolerance <= now() || nbf - tolerance > now()) return refuse('out of its time')
    return claims.aud === audience ? { ok: true, claims } : refuse('audience')
  }

  return { verify: (text) => judge(text).catch(() => refuse('keys', 'unavailable')) }
}

function refuse(cause: RefusalCause, code: RefusalCode = 'token_not_valid'): VerifierRefusal {
  const [status, detail] = ANSWERS[code]
  return { ok: false, code, status, detail, cause }
}

/**
 * The claims of an access token as `domain/tokens/claims.ts` has them, as far as whoever reads them depends on their types. A `token_type` that is
 * a text was compared before.
 */
function isOfAccess(claims: Readonly<Record<string, unknown>>): claims is AccessTokenClaims {
  const { token_type: type, sub, guid, group, sid, jti, id, iat, exp, nbf = 0, aud = '' } = claims
  return (
    sub === guid &&
    [type, guid, group, sid, jti, aud].every((claim) => typeof claim === 'string') &&
    [id, iat, exp, nbf].every(Number.isInteger)
  )
}
