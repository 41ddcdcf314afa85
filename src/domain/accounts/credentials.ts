/**
 * New passwords: for whoever forgot the former one, by the link of a mail, and for whoever knows it. Both are told to the owner. And
 * the end of an account, for which its owner has to know the password, too.
 */

import { TesseraError } from '../../errors.ts'
import type { TimedCaller } from '../caller.ts'
import { findUnused, type LinkRule } from '../mails/follow-link.ts'
import { factsOf } from '../mails/notice.ts'
import type { Services } from '../services.ts'
import { normalizeEmail, type OwnSession } from './account.ts'
import { announceAfterwards, requestMail, type Written } from './account-change.ts'
import { type PasswordRulesDeps, requireGoodPassword } from './password-rules.ts'
import { type PasswordTryServices, requirePassword } from './password-try.ts'

type CredentialServices = PasswordRulesDeps & PasswordTryServices & Pick<Services, 'accountChanges' | 'newId' | 'log'>

/** Takes a request for a new password. Throws `unavailable`. */
export async function forgotPassword(
  services: Pick<Services, 'settings' | 'accountChanges' | 'announce' | 'subjectOf' | 'newId' | 'now'>,
  primary_email: string,
  caller: TimedCaller,
): Promise<void> {
  const email = normalizeEmail(primary_email)
  const changes = await services.accountChanges()
  const request = await requestMail(services, 'forgot', email)
  const mail = await changes.askReset(request, email, {
    kind: 'reset_password',
    facts: { ...factsOf(services.settings, caller, request.now), by: 'owner' },
    dedupeKey: `reset_password:${request.id}`,
  })
  announceAfterwards(services, caller, mail)
}

/** The link *choose a new password*. Besides what every link throws, `password_not_accepted`; then it still works. */
export const resetPassword: LinkRule<null, { readonly password: string }> = {
  offer: () => null,
  async follow(services: CredentialServices & Pick<Services, 'links'>, link, { password }, askCaller) {
    const { recipient } = await findUnused(services, link)
    const caller = await askCaller()
    const email = normalizeEmail(recipient)
    await requireGoodPassword(services, { password, email }, 'new_password')
    const passwordHash = await services.passwords.hash(password)
    const changes = await services.accountChanges()
    const reset = { passwordHash, subject: await services.subjectOf(email), now: services.now() }
    const written = await changes.resetPassword(link, reset, {
      kind: 'password_changed',
      facts: { ...factsOf(services.settings, caller, reset.now), how: 'reset' },
      dedupeKey: `password_changed:${link.id}`,
    })
    if (written === null) return false
    if (written.isNewlyConfirmed) services.log({ event: 'confirmed', guid: written.guid })
    services.log({ event: 'password_changed', guid: written.guid, reason: 'reset' })
    announceAfterwards(services, caller, written.mail)
    return true
  },
}

/**
 * Replaces the password of an account by a new one, and ends its other sessions. Throws
 * `password_not_valid` for a wrong one, `password_not_accepted`, `token_used` where the session has just ended, `unavailable`.
 */
export async function changePassword(
  services: CredentialServices,
  { account, sid }: OwnSession,
  passwords: { readonly current_password: string; readonly new_password: string },
  caller: TimedCaller,
): Promise<void> {
  const { current_password: current, new_password: password } = passwords
  const verified = await requirePassword(services, account, current, 'current_password', caller)
  await requireGoodPassword(services, { password, email: account.email ?? '' }, 'new_password')
  const { sessionMaxSeconds } = services.settings
  const change = { newHash: await services.passwords.hash(password), sid, now: services.now(), sessionMaxSeconds }
  const changes = await services.accountChanges()
  const written = await changes.changePassword(verified, change, {
    kind: 'password_changed',
    facts: { ...factsOf(services.settings, caller, change.now), how: 'changed' },
    dedupeKey: `password_changed:${services.newId()}`,
  })
  const { guid, mail } = requireWritten(written, account, sid)
  services.log({ event: 'password_changed', guid, reason: 'changed' })
  announceAfterwards(services, caller, mail)
}

/**
 * Ends an account: its sessions end, and what is known of its owner goes. Throws `password_not_valid`,
 * `token_used`, `unavailable`.
 */
export async function leave(
  services: CredentialServices,
  { account, sid }: OwnSession,
  password: string,
  caller: TimedCaller,
): Promise<void> {
  const verified = await requirePassword(services, account, password, 'password', caller)
  const email = account.email === null ? null : normalizeEmail(account.email)
  const left = { email, subject: await services.subjectOf(email ?? ''), now: services.now() }
  const changes = await services.accountChanges()
  const written = await changes.leave(verified, left, {
    kind: 'account_left',
    facts: { ...factsOf(services.settings, caller, left.now), by: 'owner' },
    dedupeKey: `account_left:${account.id}`,
  })
  const { guid, mail } = requireWritten(written, account, sid)
  services.log({ event: 'left', guid, reason: 'owner' })
  announceAfterwards(services, caller, mail)
}

function requireWritten(written: Written, { guid }: OwnSession['account'], sid: string): NonNullable<Written> {
  if (written === null) throw new TesseraError('token_used', { cause: 'changed meanwhile', sid, guid })
  return written
}
