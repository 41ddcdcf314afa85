/** Answers as they go over the wire, whole, so that tests compare every header and every byte of the body. */

/** Headers that every answer has. */
export const COMMON = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

interface Extra {
  readonly headers?: Readonly<Record<string, string>>
  readonly errors?: Readonly<Record<string, readonly string[]>>
}

/** A refusal (RFC 9457), spelled out by the test that expects it. */
export function problem(status: number, title: string, detail: string, code: string, { headers, errors }: Extra = {}) {
  const authenticate: Record<string, string> = status === 401 ? { 'www-authenticate': 'Bearer' } : {}
  return {
    status,
    headers: { ...COMMON, 'content-type': 'application/problem+json', ...authenticate, ...headers },
    body: JSON.stringify({ type: 'about:blank', title, status, detail, code, ...(errors && { errors }) }),
  }
}
