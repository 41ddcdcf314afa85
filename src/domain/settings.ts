/** What an operator chose, as far as rules and routes depend on it. Times are in seconds. */

import type { LocationPolicy } from './places/place.ts'

export interface Settings {
  readonly issueAccess: 'service' | 'open' | 'off'
  /** An origin. */
  readonly publicUrl: string | undefined
  /** What stands before every path, such as `/auth-service`, or `''`. */
  readonly basePath: string
  readonly audience: string | undefined
  readonly accessTtlSeconds: number
  readonly refreshTtlSeconds: number
  readonly sessionMaxSeconds: number
  readonly sessionsMax: number
  readonly refreshReuseSeconds: number
  /** In code points, of new passwords. */
  readonly passwordMinLength: number
  /** Who is asked whether a new password is known from leaks. */
  readonly passwordCheck: 'off' | 'hibp'
  /** Whether browsers are offered to bind the sessions that they open. */
  readonly deviceBinding: 'offer' | 'off'
  readonly locationPolicy: LocationPolicy
  /** The host of `publicUrl`, or a parent of it, whose hosts all get the access cookie. */
  readonly cookieDomain: string | undefined
  readonly cookieSameSite: 'strict' | 'lax' | 'none'
  /** Origins, beside the own one, to which a browser may be sent on. */
  readonly returnOrigins: readonly string[]
  /** Origins whose pages may act for their users, as browsers write them. */
  readonly corsOrigins: ReadonlySet<string>
  /** Where people sign in: a URL, or a path of this host. */
  readonly signInUrl: string | undefined
  /** Whether anybody may sign up. */
  readonly registration: 'open' | 'closed'
  readonly app: Brand
}

/** Whose deployment it is, as people see it in pages and mails. */
export interface Brand {
  /** One line. */
  readonly name: string
  /** Where people go on to. */
  readonly url: string | undefined
  readonly logoUrl: string | undefined
  /** `#rrggbb`, on which white text can be read. */
  readonly color: string
}
