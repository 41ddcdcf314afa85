/** The cookie transport: how browsers get, exchange, bind and give back their pairs. */

import * as z from 'zod/mini'

import { Guid } from '../../domain/tokens/claims.ts'
import type { ErrorCode } from '../../errors.ts'
import { AccountAnswer, DeviceSession, TicketAnswer } from '../answer/answer-contract.ts'
import { Credentials, TicketOrder } from '../request/contract.ts'
import { described, namedBody } from './describe.ts'
import { NAMED_CLIENT, parameters } from './headers.ts'
import { BODY, type Operations } from './operation.ts'
import { REFRESH, SIGN_IN } from './token-operations.ts'

const JSON_TYPE = 'application/json'

namedBody(TicketOrder, 'TicketOrder', 'Whose session a ticket opens', {
  guid: {
    about: 'The account; one that is not known becomes a user',
    example: 'a89393c1-4eb8-46e3-8f75-14661ac90ac8',
  },
  to: {
    about: 'Where the browser goes on to: a path of this host, or a URL of one of `RETURN_ORIGINS`',
    example: '/inbox',
  },
})

const REFRESH_COOKIES = [
  ...REFRESH,
  'token_missing',
  'token_pair_not_valid',
  'location_blocked',
] as const satisfies readonly ErrorCode[]

const guidPath = z.object({
  guid: described(z.clone(Guid), 'The account: any 8-4-4-4-12 hex. One that is not known becomes a user'),
})

const ofTicket = z.object({
  ticket: described(z.optional(z.string()), 'The ticket of a URL that `createTicket` gave, instead of a key'),
})

const ofReturn = z.object({
  to: described(
    z.optional(z.string()),
    'Where the browser goes on to: a path of this host, or a URL of its origin or one of `RETURN_ORIGINS`',
    '/inbox?page=2',
  ),
  again: described(
    z.optional(z.string()),
    'Set by our own page, which reloads a request that another site led to',
    '1',
  ),
})

export const cookieOperations: Operations = {
  'POST /auth/session': {
    id: 'signInWithCookies',
    tag: 'cookies',
    summary: 'Signs a browser in by address and password',
    description: 'It ends the session of the access cookie that comes along.',
    security: [[], ['accessCookie'], ['serviceKey']],
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: Credentials },
    answers: {
      200: {
        description: 'Whose account it is; the pair in cookies',
        headers: ['Set-Cookie', 'Secure-Session-Registration'],
        json: AccountAnswer,
      },
    },
    refusals: SIGN_IN,
  },
  'DELETE /auth/session': {
    id: 'signOut',
    tag: 'cookies',
    summary: 'Ends the session of the access cookie, and deletes both cookies',
    security: [[], ['accessCookie'], ['accessCookie', 'serviceKey']],
    headers: NAMED_CLIENT,
    answers: { 204: { description: 'The session is over', headers: ['Set-Cookie'] } },
    refusals: ['client_not_valid', 'forbidden', 'unavailable'],
  },
  'GET /refresh': {
    id: 'refreshCookiesByGet',
    tag: 'cookies',
    summary: 'Exchanges the pair in the cookies for the next one, and may send the browser on',
    description:
      'With `to`, for a navigation: the answer is 303, or a page that goes on by itself, and refusals lead to `SIGN_IN_URL` where it is set. HEAD is refused.',
    security: [
      ['accessCookie', 'refreshCookie'],
      ['accessCookie', 'refreshCookie', 'serviceKey'],
    ],
    query: ofReturn,
    headers: NAMED_CLIENT,
    answers: {
      200: {
        description:
          'The next pair in cookies, and an empty body; of a session that is bound to its browser, no cookie while the access token is good. With `to`, a page that goes on by itself',
        headers: ['Set-Cookie'],
        page: true,
      },
      303: {
        description: 'The browser goes on to `to`, or to where people sign in',
        headers: ['Location', 'Set-Cookie'],
      },
    },
    refusals: [...REFRESH_COOKIES, 'method_not_allowed', 'too_many_requests'],
    errorForm: 'text or page',
  },
  'POST /refresh': {
    id: 'refreshCookies',
    tag: 'cookies',
    summary: 'Exchanges the pair in the cookies for the next one',
    security: [
      ['accessCookie', 'refreshCookie'],
      ['accessCookie', 'refreshCookie', 'serviceKey'],
    ],
    headers: NAMED_CLIENT,
    answers: {
      200: {
        description:
          'The next pair in cookies, and an empty body; of a session that is bound to its browser, no cookie while the access token is good',
        headers: ['Set-Cookie'],
      },
    },
    refusals: REFRESH_COOKIES,
  },
  'POST /auth/device': {
    id: 'registerDevice',
    tag: 'cookies',
    summary: 'Binds the session of a browser to a key of its device',
    description:
      'Browsers ask by themselves, in answer to `Secure-Session-Registration` (Device Bound Session Credentials).',
    security: [['accessCookie']],
    headers: parameters('Secure-Session-Response'),
    answers: {
      200: {
        description: 'What the browser has to know of the session; its access cookie ends with its token from now on',
        headers: ['Set-Cookie'],
        json: DeviceSession,
      },
    },
    refusals: [
      'wrong_data_structure',
      'not_authenticated',
      'token_not_valid',
      'token_used',
      'forbidden',
      'unavailable',
    ],
  },
  'POST /refresh/device': {
    id: 'refreshByDevice',
    tag: 'cookies',
    summary: 'Exchanges the refresh cookie of a bound session for the next pair, by proof of its key',
    description: 'Browsers ask by themselves. Without a proof the answer is 403, with the challenge to sign.',
    security: [['refreshCookie'], ['refreshCookie', 'serviceKey']],
    headers: [...parameters('Secure-Session-Response', 'Sec-Secure-Session-Id'), ...NAMED_CLIENT],
    answers: {
      200: {
        description: 'The next pair in cookies, and what the registration said, as it is by now',
        headers: ['Set-Cookie', 'Secure-Session-Challenge'],
        json: DeviceSession,
      },
    },
    refusals: [...REFRESH, 'token_missing'],
  },
  'POST /auth/tickets': {
    id: 'createTicket',
    tag: 'cookies',
    summary: 'Gives a URL that opens a session in the browser that follows it',
    description: 'It works once, and for a minute. Needs a service key that may `issue`.',
    security: [['serviceKey']],
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: TicketOrder },
    answers: { 200: { description: 'The URL', json: TicketAnswer } },
    refusals: [...BODY, 'client_not_valid', 'not_authenticated', 'forbidden'],
  },
  'GET /{guid}': {
    id: 'openSession',
    tag: 'cookies',
    summary: 'Opens a session for a user, and hands out its first pair in cookies',
    description:
      'Who may call it: `ISSUE_ACCESS`, a service key that may `issue`, or whoever has a ticket. With the key it needs `Tessera-Client-IP`, unless `LOCATION_POLICY` is `off`. HEAD is refused.',
    security: [['serviceKey'], [], ['accessCookie']],
    path: guidPath,
    query: ofTicket,
    headers: NAMED_CLIENT,
    answers: {
      200: {
        description: 'The pair in cookies, and an empty body',
        headers: ['Set-Cookie', 'Secure-Session-Registration'],
      },
      303: {
        description: 'The pair in cookies; the browser goes on to where the ticket says',
        headers: ['Location', 'Set-Cookie', 'Secure-Session-Registration'],
      },
    },
    refusals: [
      'wrong_data_structure',
      'client_not_valid',
      'not_authenticated',
      'token_not_valid',
      'token_used',
      'location_blocked',
      'no_active_account',
      'forbidden',
      'method_not_allowed',
      'unavailable',
    ],
    errorForm: 'text',
  },
}
