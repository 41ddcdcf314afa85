/** Users: accounts as operators see and change them, and where they are kept. Times are seconds since 1970. */

import type { Account } from '../accounts/account.ts'
import type { TimedCaller } from '../caller.ts'
import type { KeyedNotice } from '../mails/notice.ts'
import type { MailRef } from '../mails/outbox.ts'
import type { ListedSession } from '../sessions/session.ts'
import type { Settings } from '../settings.ts'
import type { Act, Operator } from './audit.ts'

/** Who acts, and whom to ask for work after the answer. */
export type ActingOperator = Operator & TimedCaller

/** What an operator gives to an account. */
export interface UserState extends Omit<Account, 'id' | 'guid'> {
  readonly isActive: boolean
  /** When its address was confirmed, or taken for confirmed; `null` where it has none. */
  readonly confirmedAt: number | null
  readonly language: string | null
  /** An IANA name. */
  readonly timeZone: string | null
}

/** Of one whose owner left, nothing but its ids and times is known. */
export interface User extends UserState, Pick<Account, 'id' | 'guid'> {
  readonly hasPassword: boolean
  readonly createdAt: number
  readonly updatedAt: number
  readonly leftAt: number | null
}

export interface NewUser extends UserState {
  readonly guid: string
  readonly passwordHash: string | null
}

/** What no two accounts have in common, as callers name it. */
export type UniqueField = 'guid' | 'primary_email' | 'external_id'

/** A user as a change finds it. */
export interface ChangeableUser extends User {
  readonly passwordHash: string | null
  readonly credentialsVersion: number
  /** Of the values that the change would set, those that another account has. */
  readonly taken: readonly UniqueField[]
}

/** The values that a change would set, and another account may have; `null`: none of these. */
export interface WantedValues {
  readonly email: string | null
  readonly externalId: string | null
}

/** A user of another system, with the time at which it was made there. */
export interface ImportedUser extends NewUser {
  readonly createdAt: number
}

/** What an account is to be known by. `null`: nothing of the kind. */
export interface WantedIds extends WantedValues {
  readonly guid: string | null
}

/** An account that has one of the ids that were looked for. `email` as `normalizeEmail` would make it. */
export interface IdentifiedUser extends WantedValues {
  readonly guid: string
  readonly hasLeft: boolean
}

/** What of an account becomes another one, as callers name it. A hash that is given counts as its password. */
export type UserField =
  | 'primary_email'
  | 'password'
  | 'group'
  | 'claims'
  | 'external_id'
  | 'confirmed'
  | 'language'
  | 'time_zone'

/** A change of a user, to be written only where that is still as it was found. */
export interface UserChange {
  readonly found: ChangeableUser
  readonly wanted: WantedValues
  readonly next: UserState & { readonly passwordHash: string | null }
  /** Whether it is closed or opened is told beside these. */
  readonly fields: readonly UserField[]
  readonly acts: readonly Act[]
  /** As `subjectOf` names the address. Where the password changes, what failed for it is forgotten. */
  readonly subject: string
  readonly now: number
  /** To the address that it has after the change. */
  readonly passwordMail: KeyedNotice<'password_changed'>
  /** To the address that it had before. */
  readonly emailMail: KeyedNotice<'email_changed'>
}

/** What a change came to. Where nothing was written, `found` is the user as it is now. */
export type Changed =
  | { readonly user: User; readonly mails: readonly MailRef[] }
  | { readonly found: ChangeableUser | null }
  | { readonly taken: readonly UniqueField[] }

/** The end of a user, to be written only where it still has the address that it was found with. */
export interface UserEnd {
  readonly found: Pick<User, 'id' | 'email'>
  /** Of its address, in the forms of `normalizeEmail` and `subjectOf`. */
  readonly email: string | null
  readonly subject: string
  readonly act: Act
  readonly mail: KeyedNotice<'account_left'>
}

/** Which users are asked for; what is `null` does not matter. */
export interface UserQuery {
  /** As `normalizeEmail` made it. */
  readonly email: string | null
  readonly externalId: string | null
  /** A part of the address or of the external id, or the beginning of the guid. */
  readonly search: string | null
  readonly group: string | null
  readonly isActive: boolean | null
  readonly isConfirmed: boolean | null
  /** Those whose owners left, or all others. */
  readonly hasLeft: boolean
  /** Only users behind this id. */
  readonly after: number
  readonly limit: number
}

/** `next`: where the page behind this one begins; `null`: there is none. */
export interface UserPage {
  readonly users: readonly User[]
  readonly next: number | null
}

/** Every write is one transaction, its act and its events included. */
export interface UserStore {
  /** The user, or what of it another account has. */
  readonly create: (user: NewUser, act: Act) => Promise<User | readonly UniqueField[]>
  /** The accounts that have one of these ids. */
  readonly identify: (ids: readonly WantedIds[]) => Promise<readonly IdentifiedUser[]>
  /** Makes accounts, by acts that differ in their facts alone. `false`: another account has an id of theirs by now, and none was made. */
  readonly createAll: (made: readonly { readonly user: ImportedUser; readonly act: Act }[]) => Promise<boolean>
  readonly find: (guid: string) => Promise<User | null>
  /** In the order of their ids. A page may be short, or empty, while there is a next one: it reads a bounded number of rows. */
  readonly list: (query: UserQuery) => Promise<UserPage>
  readonly findForChange: (guid: string, wanted: WantedValues) => Promise<ChangeableUser | null>
  readonly change: (change: UserChange) => Promise<Changed>
  /** Takes everything of a person from an account, and keeps its guid. `null`: its address has changed, or its owner left. */
  readonly leave: (end: UserEnd) => Promise<{ readonly mail: MailRef | null } | null>
  /** The live sessions, as their owner would see them. `null`: there is no such user. */
  readonly sessions: (
    guid: string,
    now: number,
    limits: Pick<Settings, 'sessionMaxSeconds' | 'sessionsMax'>,
  ) => Promise<readonly ListedSession[] | null>
  /** Ends every session that was opened until now. `false`: there is no such user. */
  readonly endSessions: (guid: string, act: Act) => Promise<boolean>
  /**
   * Ends those of everybody, of a bounded number of users behind this id. `ended`: of how many users that had any; `next`: where to go on,
   * `null` behind the last user.
   */
  readonly endAllSessions: (
    after: number,
    act: Act,
  ) => Promise<{ readonly ended: number; readonly next: number | null }>
  /** Ends one. `false`: there is no such live session of this user. */
  readonly endSession: (
    guid: string,
    sid: string,
    act: Act,
    settings: Pick<Settings, 'sessionMaxSeconds'>,
  ) => Promise<boolean>
}
