/**
 * What a new password has to be, by NIST SP 800-63B-4 section 3.1.1.2: long enough, and none that others would try first. It is
 * taken as it was typed, in NFC; which characters it has is nobody's business. A password that an account has already is never
 * held to these rules.
 */

import { TesseraError } from '../../errors.ts'
import type { Cause } from '../../log.ts'
import { describeError } from '../describe-error.ts'
import type { Services } from '../services.ts'
import type { Settings } from '../settings.ts'
import { normalizeEmail } from './account.ts'
import { MAX_PASSWORD_LENGTH } from './passwords.ts'

export interface NewPassword {
  readonly password: string
  /** The account's own address. */
  readonly email: string
}

/** The rules that a new password can break, as the log names them. */
export const PASSWORD_RULES = [
  'too_short',
  'too_long',
  'own_address',
  'service_name',
  'common',
  'leaked',
] as const satisfies readonly Cause[]
export type PasswordRule = (typeof PASSWORD_RULES)[number]

export type PasswordRulesDeps = Pick<Services, 'settings' | 'isCommonPassword' | 'isLeakedPassword' | 'log'>

/** In code points. Nobody types more, and every one of them is hashed. */
const MAX_CODE_POINTS = 128

/** Fewer characters of an address stand in many passwords by chance. */
const MIN_PART_LENGTH = 3
/** The same of digits, such as those of a telephone number. */
const MIN_DIGITS_LENGTH = 6

/** The first rule that a new password breaks, or `null`. What the check for leaks cannot find out breaks none. */
export async function brokenRule(
  deps: PasswordRulesDeps,
  { password, email }: NewPassword,
): Promise<PasswordRule | null> {
  // NFC takes time by the square of the combining marks in a row, so the length is bounded before.
  if (password.length > MAX_PASSWORD_LENGTH) return 'too_long'
  const normalized = password.normalize('NFC')
  const { length } = Array.from(normalized)
  if (length < deps.settings.passwordMinLength) return 'too_short'
  if (length > MAX_CODE_POINTS) return 'too_long'
  const [text, own] = [normalized.toLowerCase(), partsOf(namesOfEmail(normalizeEmail(email)))]
  if (isMadeOf(own, text)) return 'own_address'
  if (isMadeOf([...own, ...partsOf(namesOfService(deps.settings))], text)) return 'service_name'
  if (await deps.isCommonPassword(normalized)) return 'common'
  if (deps.settings.passwordCheck === 'hibp' && (await isKnownLeaked(deps, normalized))) return 'leaked'
  return null
}

/**
 * Throws `password_not_accepted` for a new password that breaks a rule, and says in the errors of `field` which. For everything that
 * sets a password; nothing that verifies one calls it.
 */
export async function requireGoodPassword(
  deps: PasswordRulesDeps,
  newPassword: NewPassword,
  field: 'password' | 'new_password',
): Promise<void> {
  const rule = await brokenRule(deps, newPassword)
  if (rule === null) return
  throw new TesseraError('password_not_accepted', { cause: rule, fields: { [field]: [inWords(rule, deps)] } })
}

function inWords(rule: PasswordRule, { settings }: PasswordRulesDeps): string {
  switch (rule) {
    case 'too_short':
      return `must have at least ${settings.passwordMinLength} characters`
    case 'too_long':
      return `must have at most ${MAX_CODE_POINTS} characters`
    case 'own_address':
      return 'is made of your own address'
    case 'service_name':
      return 'is made of the name of this service'
    case 'common':
      return 'is among the most used passwords, or close to one of them'
    case 'leaked':
      return 'is known from leaks of other sites'
  }
}

async function isKnownLeaked({ isLeakedPassword, log }: PasswordRulesDeps, password: string): Promise<boolean> {
  try {
    return await isLeakedPassword(password)
  } catch (error) {
    log({ event: 'password_check_failed', error: describeError(error) })
    return false
  }
}

/** What an address is called by: the whole, its two sides, and the names of its domain. */
function namesOfEmail(email: string): readonly string[] {
  const at = email.lastIndexOf('@')
  const [local, domain] = [email.slice(0, Math.max(at, 0)), email.slice(at + 1)]
  return [email, local, domain, ...domain.split('.')]
}

/** The same of this deployment: its name, its host, and the names of that one. */
function namesOfService({ app, publicUrl }: Pick<Settings, 'app' | 'publicUrl'>): readonly string[] {
  const host = publicUrl === undefined ? '' : new URL(publicUrl).hostname
  return [app.name.normalize('NFC').toLowerCase(), host, ...host.split('.')]
}

/** What of names somebody would make a password of: each of them, and its words. */
function partsOf(names: readonly string[]): readonly string[] {
  const words = names.flatMap((name) => [name.replace(/[^\p{L}\p{M}]/gu, ''), ...name.split(/[^\p{L}\p{M}]+/u)])
  return [...new Set([...names, ...words])].filter(
    (part) => part.length >= (/^\d+$/.test(part) ? MIN_DIGITS_LENGTH : MIN_PART_LENGTH),
  )
}

/** Whether a text is one part or several, with nothing but digits and signs around and between them. */
function isMadeOf(parts: readonly string[], text: string): boolean {
  // The places that can be reached: without any part yet, and behind one.
  const [before, behind] = [new Set([0]), new Set<number>()]
  for (let place = 0; place < text.length; place++) {
    const isReached = before.has(place) || behind.has(place)
    const passed = isReached ? parts.filter((part) => text.startsWith(part, place)) : []
    for (const part of passed) behind.add(place + part.length)
    if (/^[\p{L}\p{M}]/u.test(text.slice(place))) continue
    if (before.has(place)) before.add(place + 1)
    if (behind.has(place)) behind.add(place + 1)
  }
  return behind.has(text.length)
}
