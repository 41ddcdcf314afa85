/**
 * Claims of access tokens that operators choose (RFC 7519 section 4.3). They are few and small, since every token has them in a cookie or
 * a header, and none has a name by which somebody who reads the token would take it for what Tessera says.
 */

/** Of the claims as JSON, in UTF-8. */
export const MAX_CLAIMS_BYTES = 1024

/** Objects and lists within each other, the outermost one included. */
export const MAX_CLAIMS_LEVELS = 3

/** Names that are taken, by whom. Own claims may not have them, at any time: what an access token says today is not all that it will say. */
export const RESERVED_CLAIMS = {
  tessera: ['id', 'guid', 'group', 'sid', 'token_type', 'ip', 'external_id', 'user_id', 'username', 'active'],
  'RFC 7519': ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'],
  'RFC 7800, 8693, 9068': ['cnf', 'act', 'may_act', 'client_id', 'scope'],
  'OpenID Connect': ['azp', 'nonce', 'auth_time', 'acr', 'amr', 'at_hash', 'c_hash', 'email', 'email_verified'],
} as const

const RESERVED: ReadonlySet<string> = new Set(Object.values(RESERVED_CLAIMS).flat())

/** Claims as they are stored: a JSON object, or `null` for none. Or why they are refused. */
export type ReadClaims = { readonly stored: string | null } | { readonly refused: string }

/** Reads claims that an operator gives. */
export function readOwnClaims(value: unknown): ReadClaims {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { refused: 'must be a JSON object' }
  const reserved = Object.keys(value).find((name) => RESERVED.has(name))
  if (reserved !== undefined) return { refused: `must not have ${reserved}, which is reserved` }
  const broken = brokenRule(value, 1)
  if (broken !== null) return { refused: broken }
  const text = JSON.stringify(value)
  if (new TextEncoder().encode(text).length > MAX_CLAIMS_BYTES) {
    return { refused: `must have at most ${MAX_CLAIMS_BYTES} bytes as JSON` }
  }
  return { stored: text === '{}' ? null : text }
}

/** Which rule a value breaks, at its level, or `null`. */
function brokenRule(value: unknown, level: number): string | null {
  // A number that most readers of JSON would round is another number for them (RFC 8259 section 6).
  if (typeof value === 'number') {
    const isExact = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
    return isExact ? null : 'must not have a number that is rounded: write it as a string'
  }
  if (typeof value !== 'object' || value === null) return null
  if (level > MAX_CLAIMS_LEVELS) return `must have at most ${MAX_CLAIMS_LEVELS} levels`
  // A reader in JavaScript that copies the claims would set the prototype of its copy.
  if (Object.hasOwn(value, '__proto__')) return 'must not have __proto__, which is reserved'
  for (const inner of Object.values(value)) {
    const broken = brokenRule(inner, level + 1)
    if (broken !== null) return broken
  }
  return null
}

const EXTERNAL_ID = /^(?!\s)[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,128}(?<!\s)$/u

/** Whether a text may be an external id: 1 to 128 characters (code points) in one line, without blanks around it. */
export function isExternalId(text: string): boolean {
  return EXTERNAL_ID.test(text)
}
