/**
 * Accounts, as their owners open, change and leave them. What does it is loaded with the first request that needs it.
 *
 * - POST /auth/register           signs up; POST /auth/confirm/resend sends its mail again
 * - POST /auth/confirm            makes the account, by the token of that mail
 * - POST /auth/password/forgot    asks for a mail; POST /auth/password/reset sets a password by its token
 * - POST /auth/password           replaces the password
 * - POST /auth/email              asks for another address
 * - DELETE /auth/me               ends the account
 */

import { followLink } from '../../domain/mails/follow-link.ts'
import { factory } from '../factory.ts'
import { limitRate } from '../guards/rate-limit.ts'
import { refuseCrossOrigin } from '../guards/same-origin.ts'
import { authenticateSession } from '../request/access-token.ts'
import { readJson } from '../request/body.ts'
import { readTimedCaller, readTimedOwner } from '../request/caller.ts'
import { clearPair } from '../request/cookies.ts'
import { readLanguage, readTimeZone } from '../request/language.ts'

/** The same for every address, so that it tells of none whether it has an account. */
const ACCEPTED = { detail: 'If this can be done, a mail is on its way' }

export const accountRoutes = factory
  .createApp()
  .basePath('/auth')
  .post('/register', refuseCrossOrigin, limitRate, async (c) => {
    const [{ register }, { RegisterRequest }] = await Promise.all([loadRegistration(), loadContract()])
    const request = await readJson(c, RegisterRequest)
    await register(c.env, request, {
      ...(await readTimedCaller(c)),
      language: readLanguage(c),
      timeZone: readTimeZone(c),
    })
    return c.json(ACCEPTED, 202)
  })
  .post('/confirm', async (c) => {
    const [{ confirmRegistration }, { ConfirmRequest }] = await Promise.all([loadRegistration(), loadContract()])
    const { token } = await readJson(c, ConfirmRequest)
    await followLink(c.env, 'confirm', confirmRegistration, token, null, () => readTimedCaller(c))
    return c.body(null, 204)
  })
  .post('/confirm/resend', refuseCrossOrigin, limitRate, async (c) => {
    const [{ resendConfirmation }, { EmailRequest }] = await Promise.all([loadRegistration(), loadContract()])
    const { primary_email } = await readJson(c, EmailRequest)
    await resendConfirmation(c.env, primary_email, await readTimedCaller(c))
    return c.json(ACCEPTED, 202)
  })
  .post('/password/forgot', refuseCrossOrigin, limitRate, async (c) => {
    const [{ forgotPassword }, { EmailRequest }] = await Promise.all([loadCredentials(), loadContract()])
    const { primary_email } = await readJson(c, EmailRequest)
    await forgotPassword(c.env, primary_email, await readTimedCaller(c))
    return c.json(ACCEPTED, 202)
  })
  .post('/password/reset', limitRate, async (c) => {
    const [{ resetPassword }, { ResetRequest }] = await Promise.all([loadCredentials(), loadContract()])
    const { token, new_password: password } = await readJson(c, ResetRequest)
    await followLink(c.env, 'reset_password', resetPassword, token, { password }, () => readTimedCaller(c))
    return c.body(null, 204)
  })
  .post('/password', refuseCrossOrigin, limitRate, async (c) => {
    const [{ changePassword }, { ChangePasswordRequest }] = await Promise.all([loadCredentials(), loadContract()])
    const passwords = await readJson(c, ChangePasswordRequest)
    await changePassword(c.env, await authenticateSession(c), passwords, await readTimedOwner(c))
    return c.body(null, 204)
  })
  .post('/email', refuseCrossOrigin, limitRate, async (c) => {
    const [{ requestAddressChange }, { ChangeEmailRequest }] = await Promise.all([loadAddressChange(), loadContract()])
    const change = await readJson(c, ChangeEmailRequest)
    await requestAddressChange(c.env, await authenticateSession(c), change, await readTimedOwner(c))
    return c.json(ACCEPTED, 202)
  })
  .delete('/me', refuseCrossOrigin, limitRate, async (c) => {
    const [{ leave }, { LeaveRequest }] = await Promise.all([loadCredentials(), loadContract()])
    const { password } = await readJson(c, LeaveRequest)
    await leave(c.env, await authenticateSession(c), password, await readTimedOwner(c))
    clearPair(c)
    return c.body(null, 204)
  })

function loadRegistration() {
  return import('../../domain/accounts/registration.ts')
}

function loadCredentials() {
  return import('../../domain/accounts/credentials.ts')
}

function loadAddressChange() {
  return import('../../domain/accounts/address-change.ts')
}

function loadContract() {
  return import('../request/account-contract.ts')
}
