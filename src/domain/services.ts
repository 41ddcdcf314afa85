/** What the rules may ask for. The interface of a store stands in the file that is named for what it keeps; `db/` implements it. */

import type { Log } from '../log.ts'
import type { AccountStore } from './accounts/account.ts'
import type { AccountChangeStore } from './accounts/account-change.ts'
import type { AttemptStore } from './accounts/attempts.ts'
import type { Passwords } from './accounts/passwords.ts'
import type { Health } from './health.ts'
import type { LinkStore } from './mails/links.ts'
import type { MailRef } from './mails/outbox.ts'
import type { OperatorStore } from './operators/operator.ts'
import type { ServiceKey } from './operators/service-key.ts'
import type { AllowedPlaceStore } from './places/allowed-place.ts'
import type { RateLimits } from './places/rate-limits.ts'
import type { Doubts } from './sessions/doubts.ts'
import type { SessionStore } from './sessions/session.ts'
import type { Settings } from './settings.ts'
import type { Tokens } from './tokens/tokens.ts'

export interface Services {
  readonly settings: Settings
  readonly tokens: Tokens
  readonly passwords: Passwords
  /** Whether a new password, in NFC, is among the most used ones, or close to one of them. */
  readonly isCommonPassword: (password: string) => Promise<boolean>
  /** Whether a new password, in NFC, is known from leaks. Throws where that cannot be found out. */
  readonly isLeakedPassword: (password: string) => Promise<boolean>
  readonly sessions: SessionStore
  readonly accounts: AccountStore
  /** What opens, changes and ends accounts; loaded with the first call. */
  readonly accountChanges: () => Promise<AccountChangeStore>
  /** What operators read and change; loaded with the first call. */
  readonly operators: () => Promise<OperatorStore>
  readonly attempts: AttemptStore
  /** The subject under which is counted what was tried for an address, as `normalizeEmail` made it. */
  readonly subjectOf: (email: string) => Promise<string>
  readonly links: LinkStore
  readonly places: AllowedPlaceStore
  readonly doubts: Doubts
  readonly rates: RateLimits
  /** Which service key a bearer token is, in a time that does not tell; `null` for what is none. */
  readonly findServiceKey: (presented: string) => Promise<ServiceKey | null>
  /** Hands a stored mail to the queue. Never throws: the row stays, and the sweep finds it. */
  readonly announce: (mail: MailRef) => Promise<void>
  /** The same for many. */
  readonly announceAll: (mails: readonly MailRef[]) => Promise<void>
  /** The health of this deployment, at most some seconds old. Never throws. */
  readonly checkHealth: () => Promise<Health>
  /** A static asset of this deployment, by its path; nothing where it has none at all. */
  readonly fetchAsset: (path: string, headers: Headers) => Promise<Response> | undefined
  /** Seconds since 1970. */
  readonly now: () => number
  /** 122 random bits, as a UUID. */
  readonly newId: () => string
  readonly log: Log
}
