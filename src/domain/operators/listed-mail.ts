/** Mails, as operators see them: what waits, what was parked, what was sent. Times are in seconds since 1970. */

import type { KeyedNotice } from '../mails/notice.ts'
import type { MailRef } from '../mails/outbox.ts'
import type { Act } from './audit.ts'

/** Of these a mail is one: tried again and again, given up, or taken by the mail service. */
export const MAIL_STATES = ['waiting', 'parked', 'sent'] as const
export type MailState = (typeof MAIL_STATES)[number]

/** What an operator may have sent to an address. */
export const ASKED_KINDS = ['reset_password', 'confirm_address'] as const
export type AskedKind = (typeof ASKED_KINDS)[number]

/** A row of the outbox, but for what the mail says. */
export interface ListedMail {
  readonly id: string
  readonly kind: string
  /** Of the account; `null` where there is none yet. */
  readonly guid: string | null
  readonly recipient: string
  readonly state: MailState
  readonly createdAt: number
  readonly attempts: number
  readonly dueAt: number
  readonly sentAt: number | null
  readonly failedAt: number | null
  readonly lastError: string | null
}

/** Where a page of a list begins: behind this row, in the order of the list. */
export interface MailPosition {
  readonly key: number
  readonly row: number
}

/** Which mails are asked for; what is `null` does not matter. */
export interface MailQuery {
  readonly state: MailState | null
  readonly guid: string | null
  readonly after: MailPosition | null
  readonly limit: number
}

/** A part of the outbox: the newest mails first, and of those that wait, the one that is due first. It may be shorter than asked for. */
export interface MailPage {
  readonly mails: readonly ListedMail[]
  readonly next: MailPosition | null
}

/** The outbox, for operators. What is written has its row of the ledger in the same transaction. */
export interface ListedMailStore {
  readonly list: (query: MailQuery) => Promise<MailPage>
  /** Stores a mail to the owner of an address, who has an active account. `null`: there is none. */
  readonly askReset: (
    id: string,
    email: string,
    mail: KeyedNotice<'reset_password'>,
    act: Act,
  ) => Promise<MailRef | null>
  /** Stores the mail of the newest registration of an address once more. `null`: there is none, or the address has an account. */
  readonly askConfirmation: (
    id: string,
    email: string,
    mail: KeyedNotice<'confirm_address'>,
    act: Act,
  ) => Promise<MailRef | null>
  /** Makes a mail due that was not sent. `null`: there is none. */
  readonly requeue: (id: string, act: Act) => Promise<MailRef | null>
  /** Makes the parked mails due that were stored first, at most `limit`. The row of the ledger says how many: `count`. */
  readonly requeueParked: (limit: number, act: Act) => Promise<readonly MailRef[]>
}
