/**
 * What opens, changes and ends accounts, and the mails about it. Each mail that anybody can ask for by an address is counted for that
 * address, whether or not it has an account, so that nobody's mailbox can be filled, and one request runs the statements of every other.
 */

import type { TimedCaller } from '../caller.ts'
import type { Language } from '../language.ts'
import type { MailLink } from '../mails/links.ts'
import type { KeyedNotice, NoticeKind } from '../mails/notice.ts'
import type { MailRef } from '../mails/outbox.ts'
import type { Verified } from './account.ts'

/** How many mails of one topic an address gets within a day. */
export const MAILS_A_DAY = 5

export type MailTopic = 'register' | 'resend' | 'forgot' | 'change_email'

/** A request for a mail to an address. */
export interface MailRequest {
  /** Of the mail, should there be one. */
  readonly id: string
  /** As `subjectOf` names the address. */
  readonly subject: string
  readonly topic: MailTopic
  readonly now: number
}

/** What somebody signs up with. `email` as `normalizeEmail` made it. */
export interface Registration {
  readonly email: string
  readonly passwordHash: string
  readonly language: Language | null
  readonly timeZone: string | null
}

/** A mail to an address that has no account, and one to the owner of an account that has it. */
interface EitherMail<Kind extends NoticeKind> {
  readonly confirm: KeyedNotice<Kind>
  readonly taken: KeyedNotice<'address_taken'>
}

/** A write about an account, whose guid it names, and the mail about it; `null`: the account had changed meanwhile, and nothing was written. */
export type Written = { readonly guid: string; readonly mail: MailRef | null } | null

/** Where accounts are opened, changed and ended. A mail that became due comes back, to be announced; `null`: none did. */
export interface AccountChangeStore {
  /** Stores a registration, and one of the two mails. */
  readonly register: (
    request: MailRequest,
    registration: Registration,
    mails: EitherMail<'confirm_address'>,
  ) => Promise<MailRef | null>
  /** Stores the mail to confirm once more, for the newest registration of the address. */
  readonly resend: (
    request: MailRequest,
    email: string,
    confirm: KeyedNotice<'confirm_address'>,
  ) => Promise<MailRef | null>
  /** Makes the account of a registration. `false`: the link was used, or is void, or the address has an account by now. */
  readonly confirm: (link: MailLink, guid: string, now: number) => Promise<boolean>

  /** Stores the mail with the link that resets the password, for an active account of this address. */
  readonly askReset: (
    request: MailRequest,
    email: string,
    mail: KeyedNotice<'reset_password'>,
  ) => Promise<MailRef | null>
  /** Sets a password, confirms the address, ends every session, and forgets what failed for the address. */
  readonly resetPassword: (
    link: MailLink,
    reset: { readonly passwordHash: string; readonly subject: string; readonly now: number },
    mail: KeyedNotice<'password_changed'>,
  ) => Promise<(NonNullable<Written> & { readonly isNewlyConfirmed: boolean }) | null>
  /** Replaces the password, and ends every session but one, which has to live. */
  readonly changePassword: (
    verified: Verified,
    change: {
      readonly newHash: string
      readonly sid: string
      readonly now: number
      readonly sessionMaxSeconds: number
    },
    mail: KeyedNotice<'password_changed'>,
  ) => Promise<Written>

  /** Stores one of the two mails; none to the new address where the password has changed meanwhile. */
  readonly askEmail: (
    request: MailRequest,
    verified: Verified,
    email: string,
    mails: EitherMail<'confirm_email'>,
  ) => Promise<MailRef | null>
  /** Gives the account the address that the mail of this link went to, and stores the mail to its former one. */
  readonly confirmEmail: (
    link: MailLink,
    change: { readonly id: string; readonly now: number },
    mail: KeyedNotice<'email_changed'>,
  ) => Promise<Written>
  /**
   * Gives the account the address back that the mail of this link went to, whatever was changed since: ends every session, takes the
   * password away, and voids every later change. Returns the guid of the account; `null`: it was taken back already, or another account has
   * the address.
   */
  readonly undoEmail: (link: MailLink, now: number) => Promise<string | null>

  /** In which language mails address the owner. `null`: none was chosen, or the account is gone. */
  readonly language: (userId: number) => Promise<string | null>
  /** Sets how mails address the owner. */
  readonly setLanguage: (
    userId: number,
    how: { readonly language: Language; readonly timeZone: string | null; readonly now: number },
  ) => Promise<void>

  /** Takes everything of a person from an account, and keeps its guid. */
  readonly leave: (
    verified: Verified,
    left: { readonly email: string | null; readonly subject: string; readonly now: number },
    mail: KeyedNotice<'account_left'>,
  ) => Promise<Written>
}

interface RequestDeps {
  readonly subjectOf: (email: string) => Promise<string>
  readonly newId: () => string
  readonly now: () => number
}

/** A request for a mail to an address, as `normalizeEmail` made it. */
export async function requestMail(
  { subjectOf, newId, now }: RequestDeps,
  topic: MailTopic,
  email: string,
): Promise<MailRequest> {
  return { id: newId(), subject: await subjectOf(email), topic, now: now() }
}

/** A key of which one mail a day goes to an address. */
export function onceADay(kind: NoticeKind, { subject, now }: Pick<MailRequest, 'subject' | 'now'>): string {
  return `${kind}:${subject}:${Math.floor(now / 86_400)}`
}

/** Hands a mail that became due to the queue, after the answer: waiting for it would tell that there is one. */
export function announceAfterwards(
  { announce }: { readonly announce: (mail: MailRef) => Promise<void> },
  { afterwards }: TimedCaller,
  mail: MailRef | null,
): void {
  if (mail !== null) afterwards(announce(mail))
}
