/** Answers as they go over the wire, whole, so that tests compare every header and every byte of the body. */

import { expect } from 'vitest'

import { ORIGIN } from './worker.ts'

/** Headers that every answer has. */
export const OVER_HTTP = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** … over https. */
export const COMMON = { ...OVER_HTTP, 'strict-transport-security': 'max-age=31536000' }

/** Every header but `Vary`, which is of the route and not of the answer: see same-origin.test.ts. */
function headersOf({ headers }: Response): Readonly<Record<string, string>> {
  return Object.fromEntries([...headers].filter(([name]) => name !== 'vary'))
}

interface Extra {
  readonly headers?: Readonly<Record<string, string>>
  readonly errors?: Readonly<Record<string, readonly string[]>>
}

/** The `type` of an error: its entry in the catalogue of the deployment that answers. */
export function typeOf(code: string, issuer = ORIGIN): string {
  return `${issuer}/docs/errors#${code}`
}

/** A refusal of the Worker under test (RFC 9457), spelled out by the test that expects it. */
export function problem(status: number, title: string, detail: string, code: string, { headers, errors }: Extra = {}) {
  const authenticate: Record<string, string> = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
  return {
    status,
    headers: { ...COMMON, 'content-type': 'application/problem+json', ...authenticate, ...headers },
    body: JSON.stringify({ type: typeOf(code), title, status, detail, code, ...(errors && { errors }) }),
  }
}

/** The same refusal of a deployment that is reached under another URL; `null`: of one that answers for a host that is not its own. */
export function under(issuer: string | null, refusal: ReturnType<typeof problem>) {
  const body = JSON.parse(refusal.body) as { type: string; code: string }
  const type = issuer === null ? 'about:blank' : typeOf(body.code, issuer)
  return { ...refusal, body: JSON.stringify({ ...body, type }) }
}

/** The same refusal on `GET` of one segment: the bare detail. */
export function asText({ status, headers, body }: ReturnType<typeof problem>) {
  const { detail } = JSON.parse(body) as { detail: string }
  return { status, headers: { ...headers, 'content-type': 'text/plain; charset=UTF-8' }, body: detail }
}

/** An answer whole: its status, every header, and its body to the byte. */
export async function answer(response: Response) {
  return { status: response.status, headers: headersOf(response), body: await response.text() }
}

/** The same but for cookies, which the test looks at by themselves. */
export async function answerBesideCookies(response: Response) {
  const { status, headers, body } = await answer(response)
  return {
    status,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'set-cookie')),
    body,
  }
}

/** 200 with this body. */
export function okJson(body: unknown) {
  return { status: 200, headers: { ...COMMON, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/** 202 for every address, whether or not it has an account. */
export const ACCEPTED = {
  ...okJson({ detail: 'If this can be done, a mail is on its way' }),
  status: 202,
}

export const EMPTY_OK = { status: 200, headers: COMMON, body: '' }
export const DONE = { status: 204, headers: COMMON, body: '' }

export const MALFORMED = problem(400, 'Bad Request', 'Wrong data structure', 'wrong_data_structure')
export const USED = problem(401, 'Unauthorized', 'Token used before', 'token_used')
export const NOT_VALID = problem(401, 'Unauthorized', 'Not valid token', 'token_not_valid')
export const BLOCKED = problem(401, 'Unauthorized', "You're location is blocked", 'location_blocked')
export const NOT_AUTHENTICATED = problem(
  401,
  'Unauthorized',
  'Authentication credentials were not provided',
  'not_authenticated',
)
export const NO_ACCOUNT = problem(
  401,
  'Unauthorized',
  'No active account found with the given credentials',
  'no_active_account',
)
export const FORBIDDEN = problem(403, 'Forbidden', 'Forbidden', 'forbidden')
export const NOT_FOUND = problem(404, 'Not Found', 'Not found', 'not_found')
export const NOT_JSON = problem(415, 'Unsupported Media Type', 'Unsupported media type', 'unsupported_media_type')
export const UNAVAILABLE = problem(503, 'Service Unavailable', 'Service unavailable', 'unavailable', {
  headers: { 'retry-after': '1' },
})

/** A body whose fields are wrong, each for these reasons. */
export function malformed(errors?: Readonly<Record<string, readonly string[]>>) {
  return problem(400, 'Bad Request', 'Wrong data structure', 'wrong_data_structure', errors && { errors })
}

/** What zod says of a field that is missing. */
export const STRING_MISSING = 'Invalid input: expected string, received undefined'

/** The pair in an answer of 200 to a JSON sign-in or refresh, after a look at everything else in it. */
export async function granted(response: Response, account: { email: string | null; user_id: unknown; group: string }) {
  const { status, headers, body } = await answer(response)
  expect({ status, headers }).toEqual({ status: 200, headers: { ...COMMON, 'content-type': 'application/json' } })
  const { access, refresh, ...rest } = JSON.parse(body) as { access: string; refresh: string }
  expect(rest).toEqual(account)
  return { access, refresh }
}

/** An account as those answers describe it. */
export function describeAccount({ email, id, group }: { email: string | null; id: number; group: string }) {
  return { email, user_id: id, group }
}
