/**
 * Everything that the log can say, in closed tables: what happens to accounts and sessions, as `domain/events/event.ts` names it, what
 * else happens, and the causes of refusals. docs/log.md and the types derive from them. Never token text, a password or an e-mail address.
 */

import type { EVENT_TYPES, EventReason, EventType, SESSION_EVENTS } from './domain/events/event.ts'

/** Why a request was refused. What its caller is told stands in `ERRORS`; an exception of another part is a cause by itself. */
export const CAUSES = {
  form: 'not three base64url parts holding JSON objects',
  kid: 'a token under a key that is not ours, or not any more',
  header: 'an algorithm, a type or an extension that is not ours',
  signature: 'the signature does not fit',
  type: 'a token of another type',
  claims: 'a good signature over claims of another shape',
  'out of its time': 'expired, or not yet good',
  pair: 'an access and a refresh token that were not issued together; `sid` is that of the refresh token',
  race: 'a refresh token that was just rotated away, from the place of its session',
  reused: 'a refresh token that was rotated away before that, or is presented elsewhere: it is in two hands',
  moved: 'the right token, from another place',
  inactive: 'the account was deactivated or deleted',
  ended: 'somebody ended the session',
  expired: 'the session is over',
  unknown: 'there is no such session, or not any more',
  foreign: 'the token names another account than its session does',
  unproven: 'the session is bound to a key, of which the request has no proof',
  proof_used:
    'the proof of an earlier refresh of a bound session came again: a copy of that request, or a client that repeats it to the letter',
  other_key:
    'the session is bound to a key, and the request has a good proof of another one: a copy, or a client that lost its key',
  'proof form': 'a proof that is not three base64url parts holding JSON objects, or more than one',
  'proof header': 'a proof of another type, of another algorithm than ES256, or with an extension that is not ours',
  'proof key': 'a proof without a public key of P-256, or with a private one',
  'proof signature': 'a proof whose signature does not fit',
  'proof claims': 'a proof without what it has to say: of DPoP `jti`, `htm`, `htu` and `iat`, of a browser `jti`',
  'proof target': 'a DPoP proof for another request: another method, host or path',
  'another session': 'a browser came for a session that it has replaced; the answer makes it forget that one',
  challenge: 'a proof over a challenge that is not ours, not for this token, or too old',
  'proof time': 'a DPoP proof whose `iat`, `exp` or `nbf` is more than a minute off',
  'unknown address': 'nobody has this e-mail address',
  too_short: 'a new password with fewer characters than `PASSWORD_MIN_LENGTH`',
  too_long: 'a new password with too many characters',
  own_address: 'a new password that is made of the address of its account',
  service_name: 'a new password that is made of `APP_NAME`, or of the host of `PUBLIC_URL`',
  common: 'a new password that is among the most used ones, or close to one',
  leaked: 'a new password that is known from leaks',
  'wrong password': 'the account is there, and the password is not its own',
  unconfirmed: 'the address of the account is not confirmed',
  'changed meanwhile': 'the account, its password or its session changed while a change of it was under way',
  'REGISTRATION is closed': 'nobody can register',
  'rate of an address': 'a client asked too often within a minute',
  'rate of an account': 'an account was asked for too often within a minute',
  waiting: 'so many sign-ins failed that even the right password has to wait',
  'another check': 'another password of the same account was being verified against the hash of another system',
  'changed during sign-in': 'the account or its password changed while the password was verified',
  link: 'a link that was used, or of a mail that is not there any more',
  purpose: 'a link that is for something else',
  place: 'a link that would allow another place than its page said',
  ticket: 'a ticket for another account than its path names',
  'used ticket': 'a ticket that opened its session before',
  JSON: 'a body that is not JSON',
  guid: 'a path that is not a guid',
  'return address': 'a `to` that leads nowhere, or to an origin that `RETURN_ORIGINS` does not list',
  'return loop': 'an application sent a browser back at once, again and again: it does not see its access token',
  'cookie sent twice': 'two cookies of one name: another site of the domain planted one',
  'CF-Connecting-IP': 'a client address that is none',
  'CF-Connecting-IP is missing': 'the request did not come through Cloudflare',
  'another host': 'the request was for another address than `PUBLIC_URL`',
  'cross-origin': 'a page of another origin asked',
  prefetch: 'a browser asked, and no person',
  'service key': 'a wrong service key, or one that may not do this',
  binding: 'a Worker called by a binding that may not do this: its `props` do not list the method, or cannot be read',
  'binding without a name': 'a Worker would act as an operator, and the `props` of its binding do not say who that is',
  'PUBLIC_URL is missing':
    'a Worker asked for tokens, and a call does not show under which address this deployment is reached',
  'ISSUE_ACCESS is off': '`GET /{guid}` is switched off',
  'DEVICE_BINDING is off': 'a browser took an offer to bind its session that holds no longer',
  'D1 is silent': 'no answer from D1 in time',
  'D1 is not migrated. Locally, run `npm start`; deployed, run `npm run deploy`': 'D1 has not the tables',
} as const satisfies Record<string, string>

export type Cause = keyof typeof CAUSES

/** Where a database has not the tables, the cause is what to run. */
export const NOT_MIGRATED =
  'D1 is not migrated. Locally, run `npm start`; deployed, run `npm run deploy`' satisfies Cause

/** What happens beside what happens to accounts and sessions, and what each line says of it. */
export const EVENTS = {
  refused: 'a request got an error; `code`, `status`, `cause` and `route` say which and why',
  refreshed: 'a refresh was healed: `cause` is `resumed` or `replayed`',
  session_bound: 'a browser bound its session to a key of its device',
  password_not_rehashed: 'a password was right, and its old hash stays for now',
  password_check_failed: 'Have I Been Pwned could not be asked about a new password, which was taken',
  rate_not_limited: 'a rate limit could not be asked; the request went through',
  not_healthy: 'a `part` of `/healthz` is not well',
  purged: 'so many `rows` that were over are deleted',
  users_imported: 'an import made so many (`count`) accounts; the ledger has each of them',
  all_sessions_ended:
    'an operator ended the sessions of everybody, here those of so many (`count`) accounts; the ledger says who, and the history of each account that it was',
  events_not_sent:
    'events could not be handed to the queue of events, or not be marked as sent; the sweep sends them again. Of one account, `guid` says whose, and `eventId` which is the first',
  mail_not_queued:
    'the queue did not take a mail; the sweep will find it. `userId` says whose, as access tokens do by `id`',
  mail_requeued: 'the sweep found so many (`count`) mails that should have been sent',
  mail_postponed: 'a mail service did not take a mail; another try follows in `delaySeconds`',
  mail_parked: 'a mail cannot be sent as it is; its row keeps the `error`',
  mail_given_up: 'a mail was tried for a day',
  mail_outbox_unreachable:
    'D1 failed while a mail was delivered; the queue delivers it again. `userId` says whose, as access tokens do by `id`',
  mail_message_not_valid: 'a message in the mail queue that is none of ours',
} as const satisfies Record<string, string>

interface Fields {
  readonly refused: {
    readonly code: string
    readonly status: number
    /** A `Cause`, or what an exception says of itself. */
    readonly cause: string
    /** Whose, and of which session, where a token of ours or the account itself says so. */
    readonly guid?: string
    readonly sid?: string
    readonly route?: string
    readonly host?: string
  }
  readonly refreshed: { readonly cause: 'resumed' | 'replayed'; readonly guid: string; readonly sid: string }
  readonly session_bound: { readonly guid: string; readonly sid: string }
  readonly password_not_rehashed: { readonly guid: string; readonly error: string }
  readonly password_check_failed: { readonly error: string }
  readonly rate_not_limited: { readonly error: string }
  readonly not_healthy: { readonly part: string; readonly error: string }
  readonly purged: { readonly rows: number }
  readonly users_imported: { readonly count: number }
  readonly all_sessions_ended: { readonly count: number }
  readonly events_not_sent: { readonly error: string; readonly guid?: string; readonly eventId?: number }
  readonly mail_not_queued: QueuedMail & { readonly error: string }
  readonly mail_requeued: { readonly count: number }
  readonly mail_postponed: OfMail & { readonly error: string; readonly delaySeconds: number }
  readonly mail_parked: OfMail & { readonly error: string }
  readonly mail_given_up: OfMail
  readonly mail_outbox_unreachable: QueuedMail & { readonly error: string }
  readonly mail_message_not_valid: { readonly messageId: string }
}

/** A mail by its row, and the account that it is for: `null` where there is none, or none any more. */
interface OfMail {
  readonly id: string
  readonly guid: string | null
}

/** A mail as its queue message names it, which D1 was not asked about. `null`: it is about no account, or an earlier version queued it. */
interface QueuedMail {
  readonly id: string
  readonly userId: number | null
}

type SessionEvent = (typeof SESSION_EVENTS)[number]

/** What a line says of what happened to an account: whose it is, and why where there is a choice. */
type OfAccount<Type extends EventType> = { readonly guid: string } & (Type extends SessionEvent
  ? { readonly sid: string }
  : unknown) &
  (EventReason<Type> extends null ? unknown : { readonly reason: EventReason<Type> }) &
  (Type extends 'account_changed' ? { readonly fields: readonly string[] } : unknown)

/** A line of the log. An event that is not in the tables, or lacks a field, cannot be written. */
export type LogEvent = (
  | { [Event in keyof typeof EVENTS]: { readonly event: Event } & Fields[Event] }[keyof typeof EVENTS]
  | { [Type in keyof typeof EVENT_TYPES]: { readonly event: Type } & OfAccount<Type> }[EventType]
) & {
  /** The `CF-Ray` of the request. */
  readonly ray?: string
}

/** Writes a line. Never throws. */
export type Log = (event: LogEvent) => void

/** A log of which every line names the request that it is about, by the `CF-Ray` that Cloudflare gave it. */
export function withRay(log: Log, ray: string): Log {
  return (event) => log({ ...event, ray })
}
