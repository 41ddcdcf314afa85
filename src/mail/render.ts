/** From a stored notice to the mail that a person reads. A new kind of notice is a type error here until it has its words. */

import type { LinkPurpose } from '../domain/mails/links.ts'
import type { Notice, NoticeFacts, NoticeKind, StoredNotice } from '../domain/mails/notice.ts'
import type { LocationPolicy } from '../domain/places/place.ts'
import * as accounts from './messages/accounts.ts'
import { layOut, type MailContent, type Wording } from './messages/layout.ts'
import { locationBlocked } from './messages/location-blocked.ts'
import { newSignIn } from './messages/new-sign-in.ts'
import { signInsPaused } from './messages/sign-ins-paused.ts'
import { tokenReused } from './messages/token-reused.ts'

const WORDINGS: {
  readonly [Kind in NoticeKind]: (facts: NoticeFacts<Kind>, policy: LocationPolicy) => Wording
} = {
  location_blocked: locationBlocked,
  token_reused: tokenReused,
  sign_ins_paused: signInsPaused,
  new_sign_in: newSignIn,
  confirm_address: accounts.confirmAddress,
  address_taken: accounts.addressTaken,
  reset_password: accounts.resetPassword,
  password_changed: accounts.passwordChanged,
  confirm_email: accounts.confirmEmail,
  email_changed: accounts.emailChanged,
  account_left: accounts.accountLeft,
}

/** The URL of a link for a mail. */
export type SignLink = (purpose: LinkPurpose, notice: StoredNotice) => Promise<string>

/** Renders a stored notice. The same notice gives the same content under one policy, however often it is sent. */
export async function renderMail(
  notice: StoredNotice,
  policy: LocationPolicy,
  signLink: SignLink,
): Promise<MailContent> {
  return layOut(wordingOf(notice, policy), notice.facts, (purpose) => signLink(purpose, notice))
}

function wordingOf<Kind extends NoticeKind>({ kind, facts }: Notice<Kind>, policy: LocationPolicy): Wording {
  return WORDINGS[kind](facts, policy)
}
