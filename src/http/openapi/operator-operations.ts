/** What operators do below `/admin`, by a service key with the scope `admin`. */

import type { ErrorCode } from '../../errors.ts'
import {
  AuditPage,
  EndedPart,
  History,
  ImportAnswer,
  QueuedMail,
  MailPage,
  RequeuedMails,
  UserAnswer,
  UserPage,
  UserSessions,
} from '../operators/answer-contract.ts'
import { AskRequest } from '../operators/mails.ts'
import { ChangeUserRequest, CreateUserRequest } from '../operators/user-contract.ts'
import { BODY, type Operation, type Operations } from './operation.ts'
import { audit, everybody, history, LINES, mail, mails, session, user, users } from './operator-shapes.ts'

/** What every request of an operator may be refused for. */
const OPERATOR = [
  'wrong_data_structure',
  'not_authenticated',
  'forbidden',
  'unavailable',
] as const satisfies readonly ErrorCode[]

const common = { tag: 'administration', security: [['serviceKey']] } as const satisfies Partial<Operation>
const JSON_TYPE = 'application/json'
const CHANGE = [
  ...OPERATOR,
  ...BODY.slice(1),
  'password_not_accepted',
  'already_exists',
] as const satisfies readonly ErrorCode[]

export const operatorOperations: Operations = {
  'POST /admin/users': {
    ...common,
    id: 'createUser',
    summary: 'Makes an account',
    body: { [JSON_TYPE]: CreateUserRequest },
    answers: { 201: { description: 'The account', json: UserAnswer } },
    refusals: CHANGE,
  },
  'GET /admin/users': {
    ...common,
    id: 'listUsers',
    summary: 'Lists accounts, in the order in which they were made',
    query: users,
    answers: {
      200: { description: 'A page of them: it may be shorter than `limit`, while `next` leads on', json: UserPage },
    },
    refusals: OPERATOR,
  },
  'POST /admin/users/import': {
    ...common,
    id: 'importUsers',
    summary: 'Brings accounts of another system along',
    description: 'It may be sent again: what was made before is not made twice.',
    body: { 'application/x-ndjson': LINES, 'application/jsonl': LINES },
    answers: { 200: { description: 'What became of each line', json: ImportAnswer } },
    refusals: [...OPERATOR, ...BODY.slice(1)],
  },
  'GET /admin/users/{guid}': {
    ...common,
    id: 'getUser',
    summary: 'Shows one account',
    path: user,
    answers: { 200: { description: 'The account', json: UserAnswer } },
    refusals: [...OPERATOR, 'not_found'],
  },
  'PATCH /admin/users/{guid}': {
    ...common,
    id: 'updateUser',
    summary: 'Changes one account',
    path: user,
    body: { [JSON_TYPE]: ChangeUserRequest },
    answers: { 200: { description: 'The account as it is now', json: UserAnswer } },
    refusals: [...CHANGE, 'not_found'],
  },
  'DELETE /admin/users/{guid}': {
    ...common,
    id: 'deleteUser',
    summary: 'Deletes one account; its guid stays reserved',
    path: user,
    answers: { 204: { description: 'The account is gone' } },
    refusals: [...OPERATOR, 'not_found'],
  },
  'GET /admin/users/{guid}/sessions': {
    ...common,
    id: 'listUserSessions',
    summary: 'Lists the live sessions of an account',
    path: user,
    answers: { 200: { description: 'The sessions', json: UserSessions } },
    refusals: [...OPERATOR, 'not_found'],
  },
  'DELETE /admin/users/{guid}/sessions': {
    ...common,
    id: 'endUserSessions',
    summary: 'Ends every session of an account',
    path: user,
    answers: { 204: { description: 'Every session that was opened until now is over' } },
    refusals: [...OPERATOR, 'not_found'],
  },
  'DELETE /admin/users/{guid}/sessions/{sid}': {
    ...common,
    id: 'endUserSession',
    summary: 'Ends one session of an account',
    path: session,
    answers: { 204: { description: 'The session is over' } },
    refusals: [...OPERATOR, 'not_found'],
  },
  'GET /admin/users/{guid}/history': {
    ...common,
    id: 'getUserHistory',
    summary: 'Says why the sessions of an account ended, and what happened to it',
    path: user,
    query: history,
    answers: { 200: { description: 'The newest first', json: History } },
    refusals: [...OPERATOR, 'not_found'],
  },
  'DELETE /admin/sessions': {
    ...common,
    id: 'endAllSessions',
    summary: 'Ends the sessions of everybody, of a part of the accounts with each call',
    query: everybody,
    answers: { 200: { description: 'How far it came: to be called until `next` is null', json: EndedPart } },
    refusals: OPERATOR,
  },
  'GET /admin/mails': {
    ...common,
    id: 'listMails',
    summary: 'Lists the outbox',
    query: mails,
    answers: {
      200: { description: 'The newest first; of those that wait, the one that is due first', json: MailPage },
    },
    refusals: OPERATOR,
  },
  'POST /admin/mails': {
    ...common,
    id: 'sendMail',
    summary: 'Has a mail sent to an address',
    body: { [JSON_TYPE]: AskRequest },
    answers: { 202: { description: 'It is on its way', json: QueuedMail } },
    refusals: [...OPERATOR, ...BODY.slice(1), 'not_found'],
  },
  'POST /admin/mails/requeue': {
    ...common,
    id: 'requeueParkedMails',
    summary: 'Has parked mails tried again, at most 1,000 a call',
    answers: { 202: { description: 'How many: to be called until it is 0', json: RequeuedMails } },
    refusals: OPERATOR,
  },
  'POST /admin/mails/{id}/requeue': {
    ...common,
    id: 'requeueMail',
    summary: 'Has one mail tried again',
    path: mail,
    answers: { 202: { description: 'It is tried at once', json: QueuedMail } },
    refusals: [...OPERATOR, 'not_found'],
  },
  'GET /admin/audit': {
    ...common,
    id: 'listAuditEntries',
    summary: 'Reads the ledger of what operators did',
    query: audit,
    answers: { 200: { description: 'The newest first', json: AuditPage } },
    refusals: OPERATOR,
  },
}
