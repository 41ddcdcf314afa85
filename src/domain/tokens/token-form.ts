/** The form of a token, before anything of it is verified. It stands by itself, since the verifier of other services needs this much of the rules. */

import type { TokenType } from './claims.ts'
import { decodeJson } from './compact-jws.ts'

/** A token of this deployment has some 700 characters; a much longer text is refused before it is decoded. */
export const MAX_TOKEN_LENGTH = 4096

/** A token of the right form, of which nothing is verified. */
export interface ParsedToken {
  readonly text: string
  readonly header: Readonly<Record<string, unknown>>
  readonly payload: Readonly<Record<string, unknown>>
}

/**
 * Three base64url parts of which the first two hold JSON objects (RFC 7515 section 7.1), or `null`. The third is judged by
 * verification alone, even when empty.
 */
export function parseOrNull(text: string): ParsedToken | null {
  const headerEnd = text.indexOf('.')
  const payloadEnd = text.indexOf('.', headerEnd + 1)
  const signature = text.slice(payloadEnd + 1)
  const hasForm = text.length <= MAX_TOKEN_LENGTH && headerEnd > 0 && payloadEnd > 0 && /^[\w-]*$/.test(signature)
  const header = hasForm ? decodeJson(text.slice(0, headerEnd)) : null
  const payload = hasForm ? decodeJson(text.slice(headerEnd + 1, payloadEnd)) : null
  return isObject(header) && isObject(payload) ? { text, header, payload } : null
}

/**
 * Whether a header's `typ` is one of this type of token. RFC 7519 section 5.1: other kinds of token have other names. That of RFC 9068
 * is for access tokens alone, and good whatever they are signed with today.
 */
export function hasTypOf(type: TokenType, typ: unknown): boolean {
  const names = type === 'access' ? /^(application\/)?(at\+)?jwt$/i : /^(application\/)?jwt$/i
  return typ === undefined || (typeof typ === 'string' && names.test(typ))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
