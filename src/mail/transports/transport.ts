/**
 * A way to hand a mail over. It returns when the mail was accepted, and otherwise says whether another try can help; it
 * never decides how often to try. A new one is a file here, a value of `MAIL_TRANSPORT`, and a case in `services.ts`.
 */

import type { MailContent } from '../messages/layout.ts'

export interface Mail extends MailContent {
  readonly to: string
  /** The same for every try of one mail, so that a service that got it already does not send it again. */
  readonly idempotencyKey: string
}

/** Hands one mail over. Throws `MailError`; anything else that it throws counts as worth another try. */
export type Transport = (mail: Mail) => Promise<void>

/** How long a transport may take: far less than the lease of a row. */
export const TIMEOUT_MILLISECONDS = 10_000

/** A mail that was not accepted. `reason` is for operators: what `cleanRefusal` lets through. */
export class MailError extends Error {
  override readonly name = 'MailError'
  /** Another try would fail in the same way. */
  readonly permanent: boolean
  /** What the service asked for (RFC 9110 section 10.2.3), in seconds. */
  readonly retryAfterSeconds: number

  constructor(reason: string, permanent: boolean, retryAfterSeconds = 0) {
    super(reason)
    this.permanent = permanent
    this.retryAfterSeconds = retryAfterSeconds
  }
}
