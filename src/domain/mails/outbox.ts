/** The outbox: every mail is a row first. Those who empty it see it like this. */

/**
 * A mail as messages and links name it: by the id of its row and the id of its account, by which a second database could be
 * chosen. Both have to fit. `null`: an earlier version, whose messages and links live for a day, named no account.
 */
export interface MailRef {
  readonly id: string
  readonly account: number | null
}

/** A row of the outbox as it was found. What it says is for `readNotice`, since an older version may have written it. */
export interface OutboxRow {
  readonly id: string
  readonly account: number
  readonly recipient: string
  readonly kind: string
  /** JSON. */
  readonly facts: string
}

/**
 * What asking for a row to send came to:
 * - `leased`: nobody else may send it for a while
 * - `busy`: somebody else is sending it
 * - `done`: sent or given up, or there is no such row
 */
export type Lease = { readonly state: 'leased'; readonly row: OutboxRow } | { readonly state: 'busy' | 'done' }

/** The outbox, as those see it who empty it. */
export interface Outbox {
  readonly lease: (mail: MailRef, now: number) => Promise<Lease>
  readonly markSent: (mail: MailRef, now: number) => Promise<void>
  /** Gives the lease back; `delaySeconds` from now the queue delivers again. */
  readonly postpone: (mail: MailRef, error: string, now: number, delaySeconds: number) => Promise<void>
  /** Gives the mail up. The row stays, with this error, or with the one of its last attempt. */
  readonly park: (mail: MailRef, error: string | null, now: number) => Promise<void>
  /** Rows that should have been sent by now, at most `limit`; each is due again later, in case this is lost too. */
  readonly takeDue: (now: number, limit: number) => Promise<readonly MailRef[]>
}
