/** The fields that the forms of accounts have. */

import { MAX_EMAIL_LENGTH } from '../../domain/accounts/account.ts'
import type { Field } from '../fields.ts'
import type { PageContext } from '../layout.ts'

type Named = Omit<Field, 'error'>

export function emailField({ words }: PageContext, value?: string): Named {
  const { email: label } = words.accountPages.fields
  const typed = value === undefined ? {} : { value }
  return {
    name: 'primary_email',
    type: 'email',
    label,
    autocomplete: 'username',
    maxLength: MAX_EMAIL_LENGTH,
    ...typed,
  }
}

export function newEmailField({ words }: PageContext, value?: string): Named {
  const { newEmail: label } = words.accountPages.fields
  const typed = value === undefined ? {} : { value }
  return { name: 'new_email', type: 'email', label, autocomplete: 'email', maxLength: MAX_EMAIL_LENGTH, ...typed }
}

/** The password that an account has. */
export function passwordField({ words }: PageContext, name: 'password' | 'current_password' = 'password'): Named {
  const { password, currentPassword } = words.accountPages.fields
  const label = name === 'password' ? password : currentPassword
  return { name, type: 'password', label, autocomplete: 'current-password' }
}

/** A password that an account shall have. */
export function newPasswordField(
  { words, passwordMinLength }: PageContext,
  name: 'password' | 'new_password' = 'new_password',
): Named {
  const { fields, passwordHint } = words.accountPages
  const label = name === 'password' ? fields.password : fields.newPassword
  return { name, type: 'password', label, autocomplete: 'new-password', hint: passwordHint(passwordMinLength) }
}
