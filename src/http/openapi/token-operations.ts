/** The JSON transport: how pairs are handed out, exchanged, asked about and given back. */

import type { ErrorCode } from '../../errors.ts'
import { IntrospectionAnswer, TokenPair } from '../answer/answer-contract.ts'
import { Credentials, RefreshRequest, RevokeRequest, TokenRequest } from '../request/contract.ts'
import { namedBody } from './describe.ts'
import { NAMED_CLIENT } from './headers.ts'
import { BODY, type Operations } from './operation.ts'

const EMAIL = { about: 'The address of the account, in any case', example: 'confirmed@example.com' }
const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'

namedBody(Credentials, 'Credentials', 'Address and password of an account', {
  primary_email: EMAIL,
  password: { about: 'Taken whole: never trimmed, cut or case-folded', example: 'seven quiet herons upstream' },
})
namedBody(RefreshRequest, 'RefreshRequest', 'A refresh token to exchange', {
  refresh: 'The refresh token, which is good once',
})
namedBody(TokenRequest, 'TokenRequest', 'A token to ask about', { token: 'An access token or a refresh token' })
namedBody(RevokeRequest, 'RevokeRequest', 'A token whose session is to end: one of the two fields', {
  token: 'An access token or a refresh token (RFC 7009)',
  refresh: 'The same, by another name',
})
/** What a refresh token may be refused for, by whichever transport. */
export const REFRESH = [
  'wrong_data_structure',
  'client_not_valid',
  'token_not_valid',
  'token_used',
  'dpop_proof_not_valid',
  'no_active_account',
  'forbidden',
  'device_proof_required',
  'unavailable',
] as const satisfies readonly ErrorCode[]

/** What a sign-in by password may be refused for. */
export const SIGN_IN = [
  ...BODY,
  'client_not_valid',
  'no_active_account',
  'forbidden',
  'too_many_requests',
  'unavailable',
] as const satisfies readonly ErrorCode[]

export const tokenOperations: Operations = {
  'POST /auth/token': {
    id: 'createTokenPair',
    tag: 'tokens',
    summary: 'Signs in by address and password',
    description: 'Only for active, confirmed accounts. With a DPoP proof the session is bound to its key.',
    security: [[], ['dpop'], ['serviceKey'], ['serviceKey', 'dpop']],
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: Credentials },
    answers: { 200: { description: 'The first pair of a session', json: TokenPair } },
    refusals: [...SIGN_IN, 'dpop_proof_not_valid'],
  },
  'POST /auth/token/refresh': {
    id: 'refreshTokenPair',
    tag: 'tokens',
    summary: 'Exchanges a refresh token for the next pair',
    description: 'Each refresh token is good once. Of a session that is bound to a key, with a proof alone.',
    security: [[], ['dpop'], ['serviceKey'], ['serviceKey', 'dpop']],
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: RefreshRequest },
    answers: { 200: { description: 'The next pair', json: TokenPair } },
    refusals: [...REFRESH, ...BODY.slice(1), 'location_blocked'],
  },
  'POST /auth/token/verify': {
    id: 'verifyToken',
    tag: 'tokens',
    summary: 'Says whether a token is good',
    description: 'Structure, signature and expiry; whether its session lives, `introspectToken` knows.',
    security: [[]],
    body: { [JSON_TYPE]: TokenRequest },
    answers: { 200: { description: 'The token is good. The body is empty' } },
    refusals: [...BODY, 'token_not_valid'],
  },
  'POST /auth/token/revoke': {
    id: 'revokeToken',
    tag: 'tokens',
    summary: 'Ends the session of a token (RFC 7009)',
    security: [[], ['serviceKey']],
    headers: NAMED_CLIENT,
    body: { [JSON_TYPE]: RevokeRequest, [FORM_TYPE]: RevokeRequest },
    answers: { 204: { description: 'The session is over; the same for a token that is not known' } },
    refusals: [...BODY, 'client_not_valid', 'forbidden', 'unavailable'],
  },
  'POST /auth/token/introspect': {
    id: 'introspectToken',
    tag: 'tokens',
    summary: 'Says whether the session of a token lives (RFC 7662)',
    description: 'Needs a service key that may `introspect`.',
    security: [['serviceKey']],
    body: { [JSON_TYPE]: TokenRequest, [FORM_TYPE]: TokenRequest },
    answers: { 200: { description: 'The state of the token', json: IntrospectionAnswer } },
    refusals: [...BODY, 'not_authenticated', 'forbidden', 'unavailable'],
  },
}
