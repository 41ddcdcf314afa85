/** The shapes of requests that open, change and end accounts. Loaded with the first of them, as few isolates meet one. */

import * as z from 'zod/mini'

import { isEmail, MAX_EMAIL_LENGTH, normalizeEmail } from '../../domain/accounts/account.ts'
import { MAX_PASSWORD_LENGTH } from '../../domain/accounts/passwords.ts'

/** An address to find an account by: whoever has an odd one from an import may ask for a new password, too. */
const KnownEmail = z.string().check(z.minLength(1), z.maxLength(MAX_EMAIL_LENGTH))

/** An address that an account may get. */
const NewEmail = KnownEmail.check(z.refine((text) => isEmail(normalizeEmail(text)), 'Invalid email address'))

/** Taken whole: never trimmed or cut. */
const Password = z.string().check(z.minLength(1), z.maxLength(MAX_PASSWORD_LENGTH))

/** Its rules judge the length of a new password, and say which one that broke. */
const NewPassword = z.string()

const Token = z.string()

export const RegisterRequest = z.object({ primary_email: NewEmail, password: NewPassword })
export const EmailRequest = z.object({ primary_email: KnownEmail })
export const ConfirmRequest = z.object({ token: Token })
export const ResetRequest = z.object({ token: Token, new_password: NewPassword })
export const ChangePasswordRequest = z.object({ current_password: Password, new_password: NewPassword })
export const ChangeEmailRequest = z.object({ password: Password, new_email: NewEmail })
export const LeaveRequest = z.object({ password: Password })
