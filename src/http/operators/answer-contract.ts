/** The shapes of answers to operators. Loaded for the OpenAPI document alone; what writes an answer knows its type. */

import * as z from 'zod/mini'

import { EVENT_TYPES, type EventType } from '../../domain/events/event.ts'
import { AUDIT_ACTIONS, type AuditAction } from '../../domain/operators/audit.ts'
import { MAIL_STATES } from '../../domain/operators/listed-mail.ts'
import { guid, ListedSession, seconds, text, textOrNull } from '../answer/answer-contract.ts'
import { described, named } from '../openapi/describe.ts'

/** The cursor of a list. */
function next() {
  return textOrNull('`cursor` of the next page; null behind the last one')
}

function secondsOrNull(description: string) {
  return described(z.nullable(z.int()), `${description}, in seconds since 1970`)
}

function flag(description: string) {
  return described(z.nullable(z.boolean()), description)
}

const sid = () => text('The session')
const city = () => textOrNull('The city of the client', 'Austin')
const country = () => textOrNull('The country of the client, as ISO 3166-1 has it', 'US')
const userAgent = () => textOrNull('The `User-Agent` of the client')

export const User = named(
  z.object({
    guid: guid('The account, as other systems know it'),
    user_id: described(z.int(), 'The integer key of the account', 1),
    email: textOrNull('The address; null where there is none', 'alba@example.com'),
    group: textOrNull('For your own use', 'editors'),
    active: flag('Whether it may sign in'),
    confirmed: flag('Whether the address counts as confirmed'),
    has_password: flag('Whether it has a password'),
    external_id: textOrNull('What another system calls it', 'crm-4711'),
    claims: described(
      z.nullable(z.record(z.string(), z.unknown())),
      'Claims of your own choice, which its access tokens have',
      { tenant: 'acme' },
    ),
    language: textOrNull('Of its mails', 'en'),
    time_zone: textOrNull('Of the times in its mails, as the IANA database has it', 'Europe/Berlin'),
    created_at: seconds('When it was made'),
    updated_at: seconds('When it was changed last'),
    left_at: secondsOrNull('When its owner left, or an operator deleted it'),
  }),
  'User',
  'An account, as operators see it. Of one whose owner left, all but its ids and times is null',
)
export type User = z.output<typeof User>

export const UserAnswer = named(z.object({ user: User }), 'UserAnswer', 'One account')
export const UserPage = named(
  z.object({ users: z.array(User), next: next() }),
  'UserPage',
  'Accounts, in the order in which they were made',
)

export const UserSessions = named(
  z.object({ sessions: z.array(ListedSession) }),
  'UserSessions',
  'The live sessions of an account',
)

export const EndedPart = named(
  z.object({ ended: described(z.int(), 'Of how many accounts with sessions these were ended'), next: next() }),
  'EndedPart',
  'What one call has ended',
)

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the closed table are its names, and there are some
const EVENTS = Object.keys(EVENT_TYPES) as [EventType, ...EventType[]]

export const History = named(
  z.object({
    guid: guid('The account'),
    sessions: z.array(
      z.object({
        sid: sid(),
        opened_at: seconds('When it was opened'),
        refreshed_until: seconds('When its last pair was issued'),
        expires_at: seconds('When it ends, or would have ended'),
        state: z.enum(['live', 'expired', 'ended']),
        ended_at: secondsOrNull('When it ended; null where it did not, or nothing says so any more'),
        ended_by: described(z.nullable(z.enum(EVENTS)), 'The event that ended it'),
        ended: textOrNull('Why it ended', 'signed_out'),
        country: country(),
        city: city(),
        network: textOrNull('The name of the network of the client'),
        user_agent: userAgent(),
        mails: described(
          z.array(
            z.object({
              kind: text('What the mail tells', 'new_sign_in'),
              at: seconds('When it was due'),
              sent_at: secondsOrNull('When the mail service took it'),
              failed_at: secondsOrNull('When it was given up'),
            }),
          ),
          'The mails about it',
        ),
      }),
    ),
    events: z.array(
      described(
        z.looseObject({
          type: z.enum(EVENTS),
          reason: textOrNull('Why, where the event has reasons'),
          at: seconds('When it happened'),
          sid: textOrNull('The session, where it is about one'),
        }),
        'Something that happened to the account; other fields are the facts of this event',
      ),
    ),
    next: next(),
  }),
  'History',
  'What became of the sessions of an account, and what happened to it, the newest first',
)
export type History = z.output<typeof History>

export const ImportAnswer = named(
  z.object({
    results: described(
      z.array(
        z.union([
          z.object({ line: z.int(), status: z.enum(['created', 'exists']), guid: guid('The account') }),
          z.object({ line: z.int(), status: z.literal('refused'), errors: z.record(z.string(), z.array(z.string())) }),
        ]),
      ),
      'What became of each line, by its number in the body',
    ),
    created: described(z.int(), 'How many accounts were made'),
    exists: described(z.int(), 'How many were there already'),
    refused: described(z.int(), 'How many lines were refused'),
  }),
  'ImportAnswer',
  'What became of an import',
)

export const Mail = named(
  z.object({
    id: text('The mail'),
    kind: text('What it tells', 'reset_password'),
    guid: textOrNull('The account; null where there is none yet'),
    recipient: text('The address that it goes to', 'alba@example.com'),
    state: described(z.enum(MAIL_STATES), 'Whether it is tried, was given up, or was taken by the mail service'),
    created_at: seconds('When it was stored'),
    attempts: described(z.int(), 'How often it was tried'),
    due_at: seconds('When it is tried next'),
    sent_at: secondsOrNull('When the mail service took it'),
    failed_at: secondsOrNull('When it was given up'),
    last_error: textOrNull('What the mail service said last, without addresses and links'),
  }),
  'Mail',
  'A mail of the outbox. What it says is shown to nobody',
)
export type Mail = z.output<typeof Mail>

export const MailPage = named(z.object({ mails: z.array(Mail), next: next() }), 'MailPage', 'Mails of the outbox')
export const QueuedMail = named(z.object({ id: text('The mail') }), 'QueuedMail', 'The mail that is to be sent')
export const RequeuedMails = named(
  z.object({ count: described(z.int(), 'How many are tried again') }),
  'RequeuedMails',
  'What one call has made due',
)

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same
const ACTIONS = Object.keys(AUDIT_ACTIONS) as [AuditAction, ...AuditAction[]]

export const AuditEntry = named(
  z.object({
    id: described(z.int(), 'The act', 12),
    at: seconds('When it was done'),
    actor: text('The name of the service key', 'service'),
    action: described(z.enum(ACTIONS), 'What was done'),
    guid: textOrNull('The account; null for an act that is about none'),
    facts: described(z.record(z.string(), z.unknown()), 'What the act was: no secret, no address'),
    ip: text('The address of the operator', '203.0.113.7'),
    asn: described(z.nullable(z.int()), 'The number of their network'),
    country: country(),
    city: city(),
    user_agent: userAgent(),
  }),
  'AuditEntry',
  'An act of an operator: a row of the ledger',
)
export type AuditEntry = z.output<typeof AuditEntry>

export const AuditPage = named(
  z.object({ entries: z.array(AuditEntry), next: next() }),
  'AuditPage',
  'Acts, the newest first',
)
