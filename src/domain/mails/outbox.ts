/** The outbox: every mail is a row first. Those who empty it see it like this. */

/** A row of the outbox as it was found. What it says is for `Notice` to read, since an older version may have written it. */
export interface OutboxRow {
  readonly id: string
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
  readonly lease: (id: string, now: number) => Promise<Lease>
  readonly markSent: (id: string, now: number) => Promise<void>
  /** Gives the lease back; `delaySeconds` from now the queue delivers again. */
  readonly postpone: (id: string, error: string, now: number, delaySeconds: number) => Promise<void>
  /** Gives the mail up. The row stays, with this error, or with the one of its last attempt. */
  readonly park: (id: string, error: string | null, now: number) => Promise<void>
  /** Rows that should have been sent by now, at most `limit`; each is due again later, in case this is lost too. */
  readonly takeDue: (now: number, limit: number) => Promise<readonly string[]>
}
