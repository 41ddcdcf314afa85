/** An operator has a parked mail tried again, or has one sent that its reader did not ask for. */

import { TesseraError } from '../../errors.ts'
import { normalizeEmail } from '../accounts/account.ts'
import { factsOf } from '../mails/notice.ts'
import type { Services } from '../services.ts'
import type { Act, Operator } from './audit.ts'
import type { AskedKind } from './listed-mail.ts'
import type { ActingOperator } from './user.ts'

/** How many mails one call makes due. */
const REQUEUED_AT_ONCE = 1000

type MailServices = Pick<Services, 'settings' | 'operators' | 'announce' | 'announceAll' | 'newId' | 'now'>

/**
 * Has a mail sent to an address, and returns its id. Throws `not_found` where the address has no active account, or no registration that
 * waits for its confirmation, `forbidden` where a registration could not be confirmed, and `unavailable`.
 */
export async function askMail(
  services: MailServices,
  by: ActingOperator,
  { kind, primary_email }: { readonly kind: AskedKind; readonly primary_email: string },
): Promise<string> {
  const { settings, newId, now: clock } = services
  if (kind === 'confirm_address' && settings.registration !== 'open') {
    throw new TesseraError('forbidden', { cause: 'REGISTRATION is closed' })
  }
  const [id, now, email] = [newId(), clock(), normalizeEmail(primary_email)]
  const about = { facts: factsOf(settings, by, now), dedupeKey: `${kind}:${id}` }
  const act: Act = { action: 'mail_asked', facts: { kind, mail: id }, by, now }
  const { mails } = await services.operators()
  const mail =
    kind === 'reset_password'
      ? await mails.askReset(id, email, { kind, ...about, facts: { ...about.facts, by: 'operator' } }, act)
      : await mails.askConfirmation(id, email, { kind, ...about }, act)
  if (mail === null) throw new TesseraError('not_found')
  await services.announce(mail)
  return mail.id
}

/** Has a mail tried at once that was parked, or waits. Throws `not_found` where there is none, or it was sent, and `unavailable`. */
export async function requeueMail(services: MailServices, by: Operator, id: string): Promise<void> {
  const { mails } = await services.operators()
  const act: Act = { action: 'mails_requeued', facts: { count: 1, mail: id }, by, now: services.now() }
  const mail = await mails.requeue(id, act)
  if (mail === null) throw new TesseraError('not_found')
  await services.announce(mail)
}

/** Has parked mails tried at once, those first that were stored first. Returns how many. Throws `unavailable`. */
export async function requeueParked(services: MailServices, by: Operator): Promise<number> {
  const { mails } = await services.operators()
  const act: Act = { action: 'mails_requeued', facts: {}, by, now: services.now() }
  const due = await mails.requeueParked(REQUEUED_AT_ONCE, act)
  await services.announceAll(due)
  return due.length
}
