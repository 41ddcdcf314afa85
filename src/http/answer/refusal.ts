/** Refusals of forms, as people are told of them: beside the field, in their language. */

import type { Context } from 'hono'

import { PASSWORD_RULES, type PasswordRule } from '../../domain/accounts/password-rules.ts'
import { TesseraError } from '../../errors.ts'
import type { Refusal } from '../../pages/fields.ts'
import type { PageContext } from '../../pages/layout.ts'
import type { AppEnv } from '../factory.ts'
import { toTesseraError } from './problem.ts'

/** The refusals after which a form can be filled in again. */
const OF_FORM = new Set<string>([
  'no_active_account',
  'password_not_accepted',
  'password_not_valid',
  'too_many_requests',
  'wrong_data_structure',
])

/**
 * What a form was refused with, in the words of its page. Sets the status and the headers of the answer. Throws what no other filling of
 * the form would change.
 */
export function readRefusal(c: Context<AppEnv>, context: PageContext, thrown: unknown): Refusal {
  if (!(thrown instanceof TesseraError && OF_FORM.has(thrown.code))) throw thrown
  const { code, status, cause, fields = {} } = toTesseraError(thrown, c)
  c.status(status)
  const { problems, rules } = context.words.accountPages
  const inWords = (field: string): string => {
    if (code === 'password_not_valid') return problems.wrongPassword
    if (isRule(cause)) return rules[cause](context.passwordMinLength)
    return field.endsWith('email') ? problems.noEmail : problems.missing
  }
  const form =
    code === 'no_active_account' ? problems.noAccount : code === 'too_many_requests' ? problems.tooMany : null
  return { form, fields: Object.fromEntries(Object.keys(fields).map((field) => [field, inWords(field)])) }
}

function isRule(cause: unknown): cause is PasswordRule {
  return PASSWORD_RULES.some((rule) => rule === cause)
}
