/**
 * The ledger: what operators did, each act a row of its own. A row is written in the transaction of the act, and nothing changes it
 * afterwards, until the purge deletes it.
 */

import type { Client } from '../places/place.ts'

/** How long a row is kept. */
export const AUDIT_DAYS = 400

/** Every act, and what it did. */
export const AUDIT_ACTIONS = {
  user_created: 'made an account',
  user_imported: 'brought an account along',
  user_changed:
    'changed an account: `fields` says what, with the former and the new value of what is no secret and no address',
  user_deactivated: 'closed an account: its sessions ended',
  user_activated: 'let an account sign in again',
  user_deleted: 'deleted an account: its guid stays reserved',
  sessions_ended: 'ended all sessions of an account',
  all_sessions_ended: 'ended the sessions of everybody, of a part of the accounts with each call: those behind `after`',
  session_ended: 'ended one session of an account: `sid` says which',
  mail_asked: 'had a mail sent to an account: `kind` says which',
  mails_requeued: 'had mails tried again that were parked: `count` says how many',
} as const satisfies Readonly<Record<string, string>>

export type AuditAction = keyof typeof AUDIT_ACTIONS

/** Who acts: the name of a service key, and from where. */
export interface Operator {
  readonly key: string
  readonly client: Client
}

/** An act as a rule asks for it to be written. `facts` hold no secret, and nothing of a person that has to go when they leave. */
export interface Act {
  readonly action: AuditAction
  readonly facts: Readonly<Record<string, unknown>>
  readonly by: Operator
  readonly now: number
}

/** A row of the ledger. */
export interface AuditEntry {
  readonly id: number
  readonly at: number
  readonly actor: string
  readonly action: AuditAction
  /** The guid of the account; null for an act that is about none. */
  readonly guid: string | null
  readonly facts: Readonly<Record<string, unknown>>
  readonly client: Pick<Client, 'address' | 'asn' | 'country' | 'city' | 'userAgent'>
}

/** Which rows of the ledger are asked for; what is `null` does not matter. Times are in seconds since 1970. */
export interface AuditQuery {
  readonly guid: string | null
  readonly actor: string | null
  readonly action: AuditAction | null
  /** The first second, and the last one. */
  readonly since: number | null
  readonly until: number | null
  /** Only rows before this id. */
  readonly before: number | null
  readonly limit: number
}

/** A part of the ledger, the newest rows first. It may be shorter than what was asked for. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[]
  /** The id before which the next page begins; `null`: there is none. */
  readonly next: number | null
}

export interface AuditStore {
  readonly list: (query: AuditQuery) => Promise<AuditPage>
}
