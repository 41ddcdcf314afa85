/** The closed table of errors: what each is answered, and what an exception carries. */

import { STATUS_CODES } from 'node:http'

import { describe, expect, test } from 'vitest'

import { type ErrorCode, ERRORS, TesseraError } from '../../src/errors.ts'
import { toProblem } from '../../src/http/answer/problem.ts'

function membersOf(error: TesseraError) {
  const { name, code, status, message, cause, sid, fields, allow, retryAfterSeconds } = error
  return { name, code, status, message, cause, sid, fields, allow, retryAfterSeconds }
}

describe('the errors', () => {
  /** The texts to the letter, since applications compare them. */
  const TABLE: Readonly<Record<ErrorCode, readonly [status: number, ...details: readonly string[]]>> = {
    wrong_data_structure: [400, 'Wrong data structure'],
    password_not_accepted: [400, 'Password is not accepted'],
    client_not_valid: [
      400,
      'Tessera-Client-IP is missing',
      'Tessera-Client-IP is not valid',
      'Tessera-Client-Country is not valid',
      'Tessera-Client-ASN is not valid',
      'Tessera-Client-City is not valid',
    ],
    password_not_valid: [400, 'Not valid password'],
    device_proof_required: [403, 'Device proof required'],
    dpop_proof_not_valid: [401, 'Not valid DPoP proof'],
    token_missing: [401, 'Access token is missing', 'Refresh token is missing'],
    token_not_valid: [401, 'Not valid token'],
    token_pair_not_valid: [401, 'Not valid token pair'],
    token_used: [401, 'Token used before'],
    location_blocked: [401, "You're location is blocked"],
    no_active_account: [401, 'No active account found with the given credentials'],
    not_authenticated: [401, 'Authentication credentials were not provided'],
    forbidden: [403, 'Forbidden'],
    not_found: [404, 'Not found'],
    method_not_allowed: [405, 'Method not allowed'],
    already_exists: [409, 'Already exists'],
    payload_too_large: [413, 'Payload too large'],
    unsupported_media_type: [415, 'Unsupported media type'],
    misdirected: [421, 'Misdirected request'],
    too_many_requests: [429, 'Too many requests'],
    internal: [500, 'Internal server error'],
    unavailable: [503, 'Service unavailable'],
  }

  test('keep their status and their text, and there are no others', () => {
    const rows = Object.entries(ERRORS).map(([code, { status, details }]) => [code, [status, ...details]])
    expect(Object.fromEntries(rows)).toEqual(TABLE)
  })

  test.each(Object.entries(TABLE) as [ErrorCode, readonly [number, string]][])(
    '%s carries its row, and nothing else unless told',
    (code, [status, detail]) => {
      const error = new TesseraError(code)
      expect(error).toBeInstanceOf(Error)
      expect(membersOf(error)).toEqual({
        name: 'TesseraError',
        code,
        status,
        message: detail,
        cause: undefined,
        sid: undefined,
        fields: undefined,
        allow: undefined,
        retryAfterSeconds: undefined,
      })
    },
  )

  test('carry what the answer needs', () => {
    const error = new TesseraError('token_missing', {
      cause: new Error('why'),
      sid: 'session',
      detail: 'Refresh token is missing',
      fields: { refresh: ['missing'] },
      allow: ['GET'],
      retryAfterSeconds: 3,
    })
    expect(membersOf(error)).toEqual({
      name: 'TesseraError',
      code: 'token_missing',
      status: 401,
      message: 'Refresh token is missing',
      cause: new Error('why'),
      sid: 'session',
      fields: { refresh: ['missing'] },
      allow: ['GET'],
      retryAfterSeconds: 3,
    })
  })

  /** RFC 9110 has one name for 413, Node an older one. */
  const TITLES: Readonly<Record<number, string | undefined>> = { ...STATUS_CODES, 413: 'Content Too Large' }

  test.each(Object.entries(TABLE) as [ErrorCode, readonly [number, string]][])(
    '%s is answered as problem details (RFC 9457) of its row alone',
    async (code, [status, detail]) => {
      const response = toProblem(new TesseraError(code, { cause: new Error('why'), sid: 'session' }))

      expect([response.status, Object.fromEntries(response.headers)]).toEqual([
        status,
        { 'content-type': 'application/problem+json' },
      ])
      expect(await response.json()).toEqual({ type: 'about:blank', title: TITLES[status], status, detail, code })
    },
  )

  test('names the fields of a body that are wrong', async () => {
    const fields = { refresh: ['Invalid input'] }

    expect(await toProblem(new TesseraError('wrong_data_structure', { fields })).json()).toMatchObject({
      errors: fields,
    })
  })
})
