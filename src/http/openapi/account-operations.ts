/** What the owner of an account does: with its sessions, its places, its password and its address. */

import * as z from 'zod/mini'

import type { ErrorCode } from '../../errors.ts'
import { Accepted, AllowedPlace, OwnAccount, OwnSession } from '../answer/answer-contract.ts'
import {
  ChangeEmailRequest,
  ChangePasswordRequest,
  ConfirmRequest,
  EmailRequest,
  LeaveRequest,
  RegisterRequest,
  ResetRequest,
} from '../request/account-contract.ts'
import { described, namedBody } from './describe.ts'
import { NAMED_CLIENT, parameters } from './headers.ts'
import { BODY, type Operation, type Operations } from './operation.ts'

const NEW_PASSWORD = {
  about: 'Taken whole. `password_not_accepted` names the rule that it breaks',
  example: 'eleven loud geese downstream',
}
const OWN_PASSWORD = { about: 'The password of the account', example: 'seven quiet herons upstream' }
const NEW_EMAIL = { about: 'Kept in NFC and in small letters', example: 'newcomer@example.com' }

namedBody(RegisterRequest, 'RegisterRequest', 'Somebody who signs up', {
  primary_email: NEW_EMAIL,
  password: NEW_PASSWORD,
})
namedBody(EmailRequest, 'EmailRequest', 'An address to send a mail to', {
  primary_email: { about: 'The address, in any case', example: 'confirmed@example.com' },
})
namedBody(ConfirmRequest, 'ConfirmRequest', 'The token of a mail', { token: 'The token of the link' })
namedBody(ResetRequest, 'ResetRequest', 'A new password, by the token of a mail', {
  token: 'The token of the link',
  new_password: NEW_PASSWORD,
})
namedBody(ChangePasswordRequest, 'ChangePasswordRequest', 'A new password, by the former one', {
  current_password: OWN_PASSWORD,
  new_password: NEW_PASSWORD,
})
namedBody(ChangeEmailRequest, 'ChangeEmailRequest', 'Another address', { password: OWN_PASSWORD, new_email: NEW_EMAIL })
namedBody(LeaveRequest, 'LeaveRequest', 'The end of an account', { password: OWN_PASSWORD })

const JSON_TYPE = 'application/json'

/** What an access token may be refused for. */
const ACCESS = [
  'wrong_data_structure',
  'not_authenticated',
  'token_not_valid',
  'token_used',
  'no_active_account',
  'unavailable',
] as const satisfies readonly ErrorCode[]

/** … where it governs the account, from the place of its session alone. */
const GOVERN = [...ACCESS, 'client_not_valid', 'location_blocked'] as const satisfies readonly ErrorCode[]

/** What costs a hash or a mail, and a body. */
const ASK = [
  ...BODY,
  'client_not_valid',
  'forbidden',
  'too_many_requests',
  'unavailable',
] as const satisfies readonly ErrorCode[]

const CHANGE = [...new Set([...ASK, ...GOVERN, 'password_not_valid' as const])]

const BEARER: Operation['security'] = [['accessToken'], ['accessCookie']]
/** A back end that names its client hands on the cookie, since its bearer token is the key. */
const OWNER: Operation['security'] = [...BEARER, ['accessCookie', 'serviceKey']]
const ANYBODY: Operation['security'] = [[], ['serviceKey']]

const sid = z.object({ sid: described(z.string(), 'The session') })
// The same form as that of the route.
const place = z.object({ id: described(z.string().check(z.regex(/^[0-9]{1,15}$/)), 'The place', '1') })

const accepted: Operation['answers'] = { 202: { description: 'For every address', json: Accepted } }
const done: Operation['answers'] = { 204: { description: 'Done' } }

export const accountOperations: Operations = {
  'GET /auth/me': {
    id: 'getAccount',
    tag: 'account',
    summary: 'Says whose session this is',
    security: BEARER,
    answers: { 200: { description: 'The account', json: OwnAccount } },
    refusals: ACCESS,
  },
  'GET /auth/sessions': {
    id: 'listSessions',
    tag: 'account',
    summary: 'Lists the live sessions of the account',
    security: OWNER,
    headers: NAMED_CLIENT,
    answers: { 200: { description: 'The sessions', json: z.array(OwnSession) } },
    refusals: GOVERN,
  },
  'DELETE /auth/sessions': {
    id: 'endOtherSessions',
    tag: 'account',
    summary: 'Ends all sessions of the account but the current one',
    security: OWNER,
    headers: NAMED_CLIENT,
    answers: done,
    refusals: [...GOVERN, 'forbidden'],
  },
  'DELETE /auth/sessions/{sid}': {
    id: 'endSession',
    tag: 'account',
    summary: 'Ends one session of the account',
    security: OWNER,
    path: sid,
    headers: NAMED_CLIENT,
    answers: done,
    refusals: [...GOVERN, 'forbidden', 'not_found'],
  },
  'GET /auth/places': {
    id: 'listAllowedPlaces',
    tag: 'account',
    summary: 'Lists the places that the owner allowed',
    security: OWNER,
    headers: NAMED_CLIENT,
    answers: { 200: { description: 'The places', json: z.array(AllowedPlace) } },
    refusals: GOVERN,
  },
  'DELETE /auth/places/{id}': {
    id: 'removeAllowedPlace',
    tag: 'account',
    summary: 'Takes an allowed place back',
    security: OWNER,
    path: place,
    headers: NAMED_CLIENT,
    answers: done,
    refusals: [...GOVERN, 'forbidden', 'not_found'],
  },
  'POST /auth/register': {
    id: 'register',
    tag: 'registration',
    summary: 'Signs somebody up, by a mail to their address',
    description: 'With `REGISTRATION=open`. The account is made by the link of that mail.',
    security: ANYBODY,
    headers: [...NAMED_CLIENT, ...parameters('Accept-Language')],
    body: { [JSON_TYPE]: RegisterRequest },
    answers: accepted,
    refusals: [...ASK, 'password_not_accepted'],
  },
  'POST /auth/confirm': {
    id: 'confirmRegistration',
    tag: 'registration',
    summary: 'Makes the account, by the token of the mail',
    description: 'While `REGISTRATION` is open.',
    security: [[]],
    body: { [JSON_TYPE]: ConfirmRequest },
    answers: done,
    refusals: [...BODY, 'token_not_valid', 'token_used', 'forbidden', 'unavailable'],
  },
  'POST /auth/confirm/resend': {
    id: 'resendConfirmation',
    tag: 'registration',
    summary: 'Sends the mail of a registration again',
    security: ANYBODY,
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: EmailRequest },
    answers: accepted,
    refusals: ASK,
  },
  'POST /auth/password/forgot': {
    id: 'requestPasswordReset',
    tag: 'registration',
    summary: 'Sends the owner of an address a link to choose a password',
    security: ANYBODY,
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: EmailRequest },
    answers: accepted,
    refusals: ASK,
  },
  'POST /auth/password/reset': {
    id: 'resetPassword',
    tag: 'registration',
    summary: 'Sets a password by the token of a mail, and ends every session',
    security: ANYBODY,
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: ResetRequest },
    answers: done,
    refusals: [...ASK, 'password_not_accepted', 'token_not_valid', 'token_used'],
  },
  'POST /auth/password': {
    id: 'changePassword',
    tag: 'registration',
    summary: 'Replaces the password, and ends every other session',
    security: OWNER,
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: ChangePasswordRequest },
    answers: done,
    refusals: [...CHANGE, 'password_not_accepted'],
  },
  'POST /auth/email': {
    id: 'requestEmailChange',
    tag: 'registration',
    summary: 'Asks for another address, which has to confirm it',
    security: OWNER,
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: ChangeEmailRequest },
    answers: accepted,
    refusals: CHANGE,
  },
  'DELETE /auth/me': {
    id: 'deleteAccount',
    tag: 'registration',
    summary: 'Ends the account, and deletes the cookies',
    security: OWNER,
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: LeaveRequest },
    answers: { 204: { description: 'The account is gone', headers: ['Set-Cookie'] } },
    refusals: CHANGE,
  },
}
