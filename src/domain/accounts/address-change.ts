/**
 * Another address for an account: confirmed from the new one, and announced to the former one by a mail whose link takes it back. So
 * whoever got hold of a session and a password cannot keep the owner out by it.
 */

import type { TimedCaller } from '../caller.ts'
import type { LinkRule } from '../mails/follow-link.ts'
import { factsOf } from '../mails/notice.ts'
import type { Services } from '../services.ts'
import { normalizeEmail, type OwnSession } from './account.ts'
import { announceAfterwards, onceADay, requestMail } from './account-change.ts'
import { type PasswordTryServices, requirePassword } from './password-try.ts'

/** Asks for another address. Throws `password_not_valid` and `unavailable`. */
export async function requestAddressChange(
  services: PasswordTryServices & Pick<Services, 'accountChanges' | 'newId'>,
  { account }: Pick<OwnSession, 'account'>,
  { password, new_email }: { readonly password: string; readonly new_email: string },
  caller: TimedCaller,
): Promise<void> {
  const verified = await requirePassword(services, account, password, 'password', caller)
  const email = normalizeEmail(new_email)
  const request = await requestMail(services, 'change_email', email)
  const facts = factsOf(services.settings, caller, request.now)
  const changes = await services.accountChanges()
  const mail = await changes.askEmail(request, verified, email, {
    confirm: { kind: 'confirm_email', facts, dedupeKey: `confirm_email:${request.id}` },
    taken: { kind: 'address_taken', facts, dedupeKey: onceADay('address_taken', request) },
  })
  announceAfterwards(services, caller, mail)
}

/** The link *use this address*. */
export const confirmAddress: LinkRule<null, null> = {
  offer: () => null,
  async follow(
    services: Pick<Services, 'settings' | 'accountChanges' | 'announce' | 'newId' | 'now' | 'log'>,
    link,
    _choice,
    askCaller,
  ) {
    const changes = await services.accountChanges()
    const caller = await askCaller()
    const change = { id: services.newId(), now: services.now() }
    const written = await changes.confirmEmail(link, change, {
      kind: 'email_changed',
      facts: { ...factsOf(services.settings, caller, change.now), by: 'owner' },
      dedupeKey: `email_changed:${link.id}`,
    })
    if (written === null) return false
    services.log({ event: 'email_changed', guid: written.guid, reason: 'confirmed' })
    announceAfterwards(services, caller, written.mail)
    return true
  },
}

/** The link *take the change back*. */
export const undoAddress: LinkRule<null, null> = {
  offer: () => null,
  async follow({ accountChanges, now, log }: Pick<Services, 'accountChanges' | 'now' | 'log'>, link) {
    const changes = await accountChanges()
    const guid = await changes.undoEmail(link, now())
    if (guid === null) return false
    log({ event: 'email_changed', guid, reason: 'undone' })
    return true
  },
}
