/** How the kit asks its Worker, and what it gives it: both sides know this file, and it needs nothing of either. */

export const CONTROL_PATH = '/testing'
export const CONTROL_KEY_HEADER = 'Tessera-Testing-Key'

/** What the kit asks for, none of it or more. */
export interface ControlRequest {
  /** How far the clock goes on. */
  readonly travelSeconds?: number
  /** Whose newest mail is looked for. */
  readonly mailTo?: string
}

/** `error`: why Tessera cannot start from its settings. */
export type ControlAnswer = { readonly error: string } | { readonly mail: MailState | null }

/** The newest mail to an address, as the outbox has it. */
export interface MailState {
  readonly id: string
  readonly kind: string
  /** 1 once it was handed over. */
  readonly isSent: number
  /** Why the last try to hand it over failed. */
  readonly lastError: string | null
}

/** A migration, under the name by which wrangler notes it. */
export interface Migration {
  readonly name: string
  readonly statements: readonly string[]
}
