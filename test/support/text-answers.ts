/** Answers as a browser gets them on `GET /{guid}` and `GET /refresh`: cookies, an empty body, or the bare detail of a refusal. */

import { setCookies } from './worker.ts'

/** Everything about an answer that its caller may depend on. */
export async function textAnswer(response: Response) {
  const { status, headers } = response
  return {
    status,
    body: await response.text(),
    type: headers.get('Content-Type'),
    cache: headers.get('Cache-Control'),
    authenticate: headers.get('WWW-Authenticate'),
    allow: headers.get('Allow'),
    retryAfter: headers.get('Retry-After'),
    cookies: Object.keys(setCookies(response)),
  }
}

export const NO_HEADERS = { authenticate: null, allow: null, retryAfter: null, cookies: [] }

export const TEXT_GRANTED = {
  ...NO_HEADERS,
  status: 200,
  body: '',
  type: null,
  cache: 'no-store',
  cookies: ['access_token', 'refresh_token'],
}

/** The bare detail, as `GET` answers it. */
export function textRefusal(
  status: number,
  detail: string,
  headers: Partial<typeof NO_HEADERS | Record<string, string>> = {},
) {
  return {
    ...NO_HEADERS,
    status,
    body: detail,
    type: 'text/plain; charset=UTF-8',
    cache: 'no-store',
    authenticate: status === 401 ? 'Bearer' : null,
    ...headers,
  }
}

export const TEXT_MALFORMED = textRefusal(400, 'Wrong data structure')
export const TEXT_USED = textRefusal(401, 'Token used before')
export const TEXT_NOT_VALID = textRefusal(401, 'Not valid token')
export const TEXT_BLOCKED = textRefusal(401, "You're location is blocked")
export const TEXT_INACTIVE = textRefusal(401, 'No active account found with the given credentials')
export const TEXT_FORBIDDEN = textRefusal(403, 'Forbidden')
