/**
 * What happens to accounts and sessions, in one closed table: the log, the rows of `events`, the queue that other systems follow and the
 * docs have the same names for it.
 */

/** Every event, and when there is one. */
export const EVENT_TYPES = {
  registered: 'an account was made: `reason` says how',
  confirmed: 'the address of an account was confirmed',
  signed_in: 'a session was opened: `reason` says how',
  session_blocked: 'a refresh came from another place, and was refused',
  token_reused: 'a refresh token came back that had been used: it is in two hands',
  session_ended: 'one session ended: `reason` says why',
  sessions_ended: 'sessions of an account were ended at once: `reason` says by whom',
  password_changed: 'an account has another password: `reason` says how',
  email_changed: 'an account has another address: `reason` says how',
  account_changed: 'an operator changed an account: `fields` says what',
  activated: 'an operator let an account sign in again: sessions of before have ended',
  deactivated: 'an operator closed an account: its sessions have ended',
  left: 'an account ended, and what was known of its owner is gone',
} as const satisfies Readonly<Record<string, string>>

export type EventType = keyof typeof EVENT_TYPES

/** The events that are about one session: `sid` names it. The others are about an account. */
export const SESSION_EVENTS = [
  'signed_in',
  'session_blocked',
  'token_reused',
  'session_ended',
] as const satisfies readonly EventType[]

/** Why, by the event that says so. An event that is not here has no reason. */
export const EVENT_REASONS = {
  registered: {
    guid: 'by `GET /{guid}`, or a ticket, for a guid that was not known',
    confirmed: 'its owner signed up, and followed the link of the mail',
    operator: 'an operator made it',
    imported: 'an operator brought it along',
  },
  signed_in: {
    guid: 'a back end, or anybody where `ISSUE_ACCESS` is open, asked for it',
    ticket: 'a browser followed a ticket',
    password: 'with the password',
  },
  session_ended: {
    location: 'a refresh came from another place',
    reuse: 'a used refresh token came back',
    inactive: 'a refresh found its account closed',
    signed_out: 'its browser signed out',
    revoked: 'whoever holds its token, or its owner, ended it',
    replaced: 'its browser signed in again',
    crowded_out: 'a sign-in was one more than `SESSIONS_MAX`',
    operator: 'an operator ended it',
  },
  sessions_ended: {
    owner: 'the owner ended all but one',
    link: 'the owner followed the link of a mail',
    operator: 'an operator ended them',
  },
  password_changed: {
    changed: 'by its owner, who knew the former one: all other sessions ended',
    reset: 'by the link of a mail: all sessions ended',
    operator: 'by an operator: all sessions ended',
  },
  email_changed: {
    confirmed: 'the owner asked for it, and confirmed the new address',
    undone: 'the former address took the change back: all sessions ended, and the password is none any more',
    operator: 'by an operator',
  },
  left: {
    owner: 'the owner left',
    operator: 'an operator deleted it',
  },
} as const satisfies Readonly<Partial<Record<EventType, Readonly<Record<string, string>>>>>

export type EventReason<Type extends EventType> = Type extends keyof typeof EVENT_REASONS
  ? keyof (typeof EVENT_REASONS)[Type]
  : null

/** What a rule asks to be stored of an event, beside the account and the time, which the statement knows. */
export type AccountEvent = {
  readonly [Type in EventType]: { readonly type: Type; readonly reason: EventReason<Type>; readonly facts: EventFacts }
}[EventType]

/** What else is told of an event: no token, no secret, no address of a mailbox. */
export type EventFacts = Readonly<Record<string, unknown>>
