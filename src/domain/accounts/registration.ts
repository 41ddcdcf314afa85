/**
 * Registration: whoever signs up gets a mail, and the link of that mail makes the account. Until then there is none, so that nobody can
 * keep an address that is not theirs, or have its owner confirm a password of a stranger's by confirming their own.
 *
 * The answer never tells whether an address has an account, and neither does its time: the same statements run for every address.
 */

import { TesseraError } from '../../errors.ts'
import type { TimedCaller } from '../caller.ts'
import type { Language } from '../language.ts'
import type { LinkRule } from '../mails/follow-link.ts'
import { factsOf } from '../mails/notice.ts'
import type { Services } from '../services.ts'
import { normalizeEmail } from './account.ts'
import { announceAfterwards, onceADay, requestMail } from './account-change.ts'
import { type PasswordRulesDeps, requireGoodPassword } from './password-rules.ts'

type RequestServices = Pick<Services, 'settings' | 'accountChanges' | 'announce' | 'subjectOf' | 'newId' | 'now'>

/** Who signs up, and how mails are to address them. */
export interface Registrant extends TimedCaller {
  readonly language: Language | null
  readonly timeZone: string | null
}

/**
 * Takes a registration. Throws `forbidden` where registration is closed, `wrong_data_structure` for
 * what is no address, `password_not_accepted`, `unavailable`.
 */
export async function register(
  services: RequestServices & PasswordRulesDeps & Pick<Services, 'passwords'>,
  { primary_email, password }: { readonly primary_email: string; readonly password: string },
  registrant: Registrant,
): Promise<void> {
  requireOpen(services)
  const email = normalizeEmail(primary_email)
  await requireGoodPassword(services, { password, email }, 'password')
  const { language, timeZone } = registrant
  const registration = { email, passwordHash: await services.passwords.hash(password), language, timeZone }
  const changes = await services.accountChanges()
  const request = await requestMail(services, 'register', email)
  const facts = factsOf(services.settings, registrant, request.now)
  const mail = await changes.register(request, registration, {
    confirm: { kind: 'confirm_address', facts, dedupeKey: `confirm_address:${request.id}` },
    taken: { kind: 'address_taken', facts, dedupeKey: onceADay('address_taken', request) },
  })
  announceAfterwards(services, registrant, mail)
}

/** Sends the mail of a registration once more. Throws `forbidden` and `unavailable`. */
export async function resendConfirmation(
  services: RequestServices,
  primary_email: string,
  caller: TimedCaller,
): Promise<void> {
  requireOpen(services)
  const email = normalizeEmail(primary_email)
  const changes = await services.accountChanges()
  const request = await requestMail(services, 'resend', email)
  const mail = await changes.resend(request, email, {
    kind: 'confirm_address',
    facts: factsOf(services.settings, caller, request.now),
    dedupeKey: `confirm_address:${request.id}`,
  })
  announceAfterwards(services, caller, mail)
}

/** The link *confirm this address*: it makes the account. Besides what every link throws, `forbidden`. */
export const confirmRegistration: LinkRule<null, null> = {
  offer(services) {
    requireOpen(services)
    return null
  },
  async follow(services: Pick<Services, 'settings' | 'accountChanges' | 'newId' | 'now' | 'log'>, link) {
    requireOpen(services)
    const changes = await services.accountChanges()
    const guid = services.newId()
    const isMade = await changes.confirm(link, guid, services.now())
    if (isMade) services.log({ event: 'registered', guid, reason: 'confirmed' })
    return isMade
  },
}

function requireOpen({ settings }: Pick<Services, 'settings'>): void {
  if (settings.registration !== 'open') throw new TesseraError('forbidden', { cause: 'REGISTRATION is closed' })
}
