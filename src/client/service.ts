/** Requests to Tessera itself: each has a time limit, and a proof of the client's key where it has one. */

import type { ErrorCode, Problem } from './contract.ts'
import type { Prover } from './dpop.ts'
import type { Call } from './transport.ts'

/** How long one request may take, in milliseconds: on a phone that slept, a connection may never say that it is gone. */
const LIMIT_MS = 4000
/** From which difference on the clock of this device, and not the way of the answer, is why a proof was refused, in milliseconds. */
const WRONG_CLOCK_MS = 5000

/** Sends a call. Rejects where there is no whole answer in time. */
export type Service = (call: Call) => Promise<Response>

export interface ServiceOptions {
  readonly send: (request: Request) => Promise<Response>
  /** The address of Tessera, without a slash at its end. */
  readonly url: string
  readonly withCookies: boolean
  readonly dpop: Prover | undefined
}

export function createService({ send, url: base, withCookies, dpop }: ServiceOptions): Service {
  /** How far the clock of this device is behind that of Tessera, in milliseconds. */
  let behind = 0

  async function ask({ path, method, body }: Call): Promise<Response> {
    const url = base + path
    const headers = new Headers({ Accept: 'application/json' })
    if (body !== undefined) headers.set('Content-Type', 'application/json')
    if (dpop !== undefined) headers.set('DPoP', await dpop.prove(method, url, Date.now() + behind))
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(), LIMIT_MS)
    try {
      const answer = await send(
        new Request(url, {
          method,
          headers,
          signal: limit.signal,
          ...(body !== undefined && { body: JSON.stringify(body) }),
          ...(withCookies && { credentials: 'include' }),
        }),
      )
      // A body may get lost as well. A response of these statuses can have none.
      const text = await answer.text()
      return new Response(text === '' ? null : text, answer)
    } finally {
      clearTimeout(timer)
    }
  }

  return async (call) => {
    const answer = await ask(call)
    if (dpop === undefined || (await codeOf(answer)) !== 'dpop_proof_not_valid') return answer
    const difference = Date.parse(answer.headers.get('Date') ?? '') - Date.now()
    if (!(Math.abs(difference - behind) > WRONG_CLOCK_MS)) return answer
    behind = difference
    return ask(call)
  }
}

/** Which error an answer is; `undefined` for one that is not of Tessera, such as a page of a network that wants people to sign in. */
export async function codeOf(answer: Response): Promise<ErrorCode | undefined> {
  try {
    const problem: Partial<Problem> | null = await answer.clone().json()
    return problem?.code
  } catch {
    return undefined
  }
}

/** The answer where there is no pair to ask with. */
export function unauthenticated(): Response {
  const problem: Problem = {
    type: 'about:blank',
    title: 'Unauthorized',
    status: 401,
    detail: 'Authentication credentials were not provided',
    code: 'not_authenticated',
  }
  return Response.json(problem, { status: 401 })
}
