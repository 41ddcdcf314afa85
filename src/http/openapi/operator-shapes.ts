/** What operators send: bodies, queries and paths, in words. */

import * as z from 'zod/mini'

import { Guid } from '../../domain/tokens/claims.ts'
import { AuditRequest } from '../operators/audit.ts'
import { HistoryRequest } from '../operators/history.ts'
import { AskRequest, MailsRequest } from '../operators/mails.ts'
import { ChangeUserRequest, CreateUserRequest, ImportedUserLine, UserListRequest } from '../operators/user-contract.ts'
import { AllRequest } from '../operators/user-sessions.ts'
import { type About, described, type JsonSchema, namedBody, queryOf } from './describe.ts'

const FIELDS = {
  primary_email: {
    about: 'The address, kept in small letters and NFC; unique in any case',
    example: 'alba@example.com',
  },
  password: {
    about: 'In clear, held to the rules of new passwords. Not beside `password_hash`',
    example: 'seven quiet herons upstream',
  },
  password_hash: 'In one of the forms that other systems store',
  external_id: {
    about: 'What another system calls the account: 1 to 128 characters in one line, unique to the letter',
    example: 'crm-4711',
  },
  group: 'For your own use: 1 to 32 characters. Null is `user`',
  claims: {
    about:
      'Claims of your own choice, which the access tokens of the account have: 1,024 bytes as JSON at most. Reserved names are refused',
    as: { type: ['object', 'null'], additionalProperties: true, examples: [{ tenant: 'acme' }] },
  },
  active: 'Whether it may sign in and refresh',
  confirmed: 'Whether its address counts as confirmed',
  language: 'Of its mails',
  time_zone: { about: 'Of the times in its mails: a name of the IANA time zone database', example: 'Europe/Berlin' },
} as const satisfies Readonly<Record<string, About>>

const GUID = 'The account: any 8-4-4-4-12 hex'

namedBody(
  CreateUserRequest,
  'CreateUserRequest',
  'An account to make: one of `primary_email`, `guid` and `external_id` is needed',
  {
    ...FIELDS,
    guid: `${GUID}; it never changes`,
  },
)
namedBody(
  ChangeUserRequest,
  'ChangeUserRequest',
  'What becomes of an account: a field that is not there stays as it is, and null takes it away',
  FIELDS,
)
namedBody(ImportedUserLine, 'ImportedUser', 'A line of an import, as JSON', {
  ...FIELDS,
  password: { about: 'Not taken by an import: give `password_hash`', as: { type: 'null' } },
  guid: `${GUID}; it never changes`,
  created_at: 'When it was made in the other system, in seconds since 1970',
})
namedBody(AskRequest, 'AskMailRequest', 'A mail to send', {
  primary_email: { about: 'The address of an account, or of a registration', example: 'alba@example.com' },
  kind: 'A link to choose a password, or the mail of the last registration once more',
})

/** What the text of an import is: lines of JSON, for which zod has no name. */
export const LINES: JsonSchema = {
  type: 'string',
  description: 'One account a line, at most 500 lines and 512 KiB: each line is an `ImportedUser`',
  contentMediaType: 'application/json',
  contentSchema: { $ref: '#/components/schemas/ImportedUser' },
}

const LIMIT: About = {
  about: 'How many a page has at most',
  as: { type: 'integer', minimum: 1, maximum: 100, default: 50 },
}
const CURSOR = '`next` of the page before'
const WHOLE = { type: 'integer', minimum: 0 } as const
const FLAG = { type: 'boolean' } as const

export const users = queryOf(UserListRequest, {
  email: 'The address, in any case',
  external_id: 'The external id, to the letter',
  search: 'A part of the address or of the external id, or the beginning of the guid, in any case',
  group: 'The group, to the letter',
  active: { about: 'Whether it may sign in', as: FLAG },
  confirmed: { about: 'Whether its address counts as confirmed', as: FLAG },
  left: { about: 'Those whose owners left, and no others', as: FLAG },
  limit: LIMIT,
  cursor: CURSOR,
})
export const history = queryOf(HistoryRequest, { limit: LIMIT, cursor: CURSOR })
export const everybody = queryOf(AllRequest, { cursor: '`next` of the call before' })
export const mails = queryOf(MailsRequest, {
  state: 'Those in one state',
  guid: 'Those to the owner of an account',
  limit: LIMIT,
  cursor: CURSOR,
})
export const audit = queryOf(AuditRequest, {
  guid: 'About which account',
  actor: 'The name of the service key',
  action: 'What was done',
  since: { about: 'The first second, since 1970', as: WHOLE },
  until: { about: 'The last second, since 1970', as: WHOLE },
  limit: LIMIT,
  cursor: CURSOR,
})

export const user = z.object({ guid: described(z.clone(Guid), GUID) })
export const session = z.object({ guid: described(z.clone(Guid), GUID), sid: described(z.string(), 'The session') })
export const mail = z.object({ id: described(z.string(), 'The mail') })
