/** The outbox as its consumers see it: every mail is a row before it is sent. */

/**
 * A mail as queue messages and links name it: by its row and by its account, which would choose among several databases. The
 * row has to be of that account. `null`: an earlier version named no account; its queue messages and links live for a day.
 */
export interface MailRef {
  readonly id: string
  readonly account: number | null
}

/** A row of the outbox. `readNotice` parses its kind and facts, since an older version may have written them. */
export interface OutboxRow {
  readonly id: string
  readonly account: number
  /** Of that account; `null` where there is none, or none any more. */
  readonly guid: string | null
  readonly recipient: string
  readonly language: string | null
  readonly timeZone: string | null
  readonly kind: string
  /** JSON. */
  readonly facts: string
}

/**
 * Whether a consumer may send a row:
 * - `leased`: it may, and no other may for a while
 * - `busy`: another consumer holds the lease
 * - `done`: the mail was sent or given up, or there is no such row
 */
export type Lease = { readonly state: 'leased'; readonly row: OutboxRow } | { readonly state: 'busy' | 'done' }

/** What a consumer does with the outbox. */
export interface Outbox {
  readonly lease: (mail: MailRef, now: number) => Promise<Lease>
  readonly markSent: (mail: MailRef, now: number) => Promise<void>
  /** Ends the lease after a failure; the queue delivers again in `delaySeconds`. */
  readonly postpone: (mail: MailRef, error: string, now: number, delaySeconds: number) => Promise<void>
  /**
   * Gives the mail up. The row stays, with this error, and its lease ends; for `null` with the error of the last attempt, and with the lease
   * of a consumer that may be sending it. Returns whose it was; `null`: it was sent or given up before.
   */
  readonly park: (mail: MailRef, error: string | null, now: number) => Promise<Pick<OutboxRow, 'guid'> | null>
  /** Rows that should have been sent by now, at most `limit`. Each becomes due again later, in case its queue message is lost. */
  readonly takeDue: (now: number, limit: number) => Promise<readonly MailRef[]>
}
