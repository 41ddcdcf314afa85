/**
 * Password hashes of the systems that people leave. An import reads each into the one form that Tessera stores, a PHC string, and a
 * sign-in verifies it once: the first good one replaces it by Argon2id. docs/password-hashes.md has the forms and their bounds.
 */

import { equalBytes } from '../equal-bytes.ts'
import { computeHash, faultOf, type HashFault } from './foreign-engines.ts'
import { parseForeignHash } from './foreign-forms.ts'
import type { PasswordPrimitives } from './password-engines.ts'
import { formatPhc, parsePhc, type Phc } from './phc.ts'

/** What becomes of a hash: the form to store, or why it is not taken, as a word for programs and as text that follows the hash's name. */
export type ReadHash = { readonly stored: string } | { readonly refused: string; readonly reason: HashFault }

const TEXTS: Readonly<Record<HashFault, string>> = {
  unknown: 'is of no form that is known',
  damaged: 'is damaged: something is missing, or does not belong there',
  too_costly: 'costs more memory or time than one check may',
}

/**
 * Reads a hash as another system stores it, or as Tessera does. Pure: nothing is computed of any password. No text has anything of
 * the hash.
 */
export function readForeignHash(text: string): ReadHash {
  const phc = readHash(text)
  return typeof phc === 'string' ? { refused: TEXTS[phc], reason: phc } : { stored: formatPhc(phc) }
}

/**
 * Whether a password has this hash; `null` where that cannot be computed: a hash that is refused, or a password that its function
 * does not take. Throws `unavailable` when an engine fails.
 */
export async function matchesForeignHash(
  primitives: PasswordPrimitives,
  password: string,
  text: string,
): Promise<boolean | null> {
  const phc = readHash(text)
  if (typeof phc === 'string') return null
  const [first, second] = spellings(phc, password)
  const isFirst = await matches(primitives, phc, first)
  return isFirst === false && second !== undefined ? matches(primitives, phc, second) : isFirst
}

function readHash(text: string): Phc | HashFault {
  const phc = parseForeignHash(text)
  if (typeof phc === 'string') return phc
  // Salts and hashes have lengths that a PHC string may have.
  return parsePhc(formatPhc(phc)) === null ? 'damaged' : (faultOf(phc) ?? phc)
}

/**
 * The spellings that a password may have been hashed in. Most systems hash what a keyboard sends, which differs between keyboards for
 * letters with accents, so NFC, the usual one, is tried where it is another than what was typed.
 */
function spellings({ id }: Phc, password: string): readonly [string, string?] {
  if (id === 'scrypt-nfkc') return [password.normalize('NFKC')]
  const composed = password.normalize('NFC')
  return composed === password ? [password] : [password, composed]
}

async function matches(primitives: PasswordPrimitives, phc: Phc, password: string): Promise<boolean | null> {
  const computed = await computeHash(primitives, phc, new TextEncoder().encode(password))
  return computed === null ? null : equalBytes(computed, phc.hash)
}
