/** What the words of a language are made of, where several kinds of mails and pages have the same parts. */

import type { OfferedPlaces } from '../domain/mails/offered-places.ts'

/** What one kind of mail says. A paragraph is a text without markup. */
export interface MailWording {
  /** Behind the name of the application. It names nothing that anybody else has written. */
  readonly subject: string
  /** What happened, in one sentence, with the word for it that all of the mail has. */
  readonly headline: string
  readonly happened: readonly string[]
  /** What to do, the likely case first. */
  readonly advice: readonly string[]
}

/** What the page of a link asks, and what it says afterwards. */
export interface LinkWording {
  readonly question: string
  readonly consequence: string
  readonly done: string
  readonly afterwards: readonly string[]
}

/** What the mail about a blocked session offers to allow: nothing where the place is nobody's. */
export interface OfferedValues {
  readonly places: OfferedPlaces | null
  readonly days: number
}

/** How a password became another one: by its owner, who knew the former one or followed the link of a mail, or by an operator. */
export type PasswordChange = 'changed' | 'reset' | 'operator'

/** Who changed an address, or deleted an account. */
export type Author = 'owner' | 'operator'

export interface SignInValues {
  readonly isNewPlace: boolean
  /** Wrong passwords before it. */
  readonly failures: number
  /** Whether its session is bound to a key of its device. */
  readonly isBound?: boolean
}
