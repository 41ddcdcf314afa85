/** Requests to Tessera itself: each has a time limit, and a proof of the client's key where it has one. */

import type { ErrorCode, Problem } from './contract.ts'
import type { Prover } from './dpop.ts'
import type { Call } from './transport.ts'

/** How long one request may take, in milliseconds: on a phone that slept, a connection may never say that it is gone. */
const LIMIT_MS = 4000
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
  async function ask({ path, method = 'POST', body }: Call): Promise<Response> {
    const url = base + path
    const headers = new Headers({ Accept: 'application/json' })
    if (body !== undefined) headers.set('Content-Type', 'application/json')
    if (dpop !== undefined) headers.set('DPoP', await dpop.prove(method, url))
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(), LIMIT_MS)
    try {
      const answer = await send(
        new Request(url, {
          method,
          headers,
          signal: limit.signal,
          // Whatever leads elsewhere is not Tessera, and gets no token.
          redirect: 'manual',
          ...(body !== undefined && { body: JSON.stringify(body) }),
          ...(withCookies && { credentials: 'include' }),
        }),
      )
      // A body may get lost as well. A response of these statuses can have none.
      const text = await answer.text()
      return new Response(text || null, answer)
    } finally {
      clearTimeout(timer)
    }
  }

  return async (call) => {
    const answer = await ask(call)
    const isWrongClock = dpop !== undefined && (await codeOf(answer)) === 'dpop_proof_not_valid'
    return isWrongClock && dpop.setClock(answer.headers.get('Date') ?? '') ? ask(call) : answer
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
  const problem = { status: 401, code: 'not_authenticated', detail: 'Not signed in' } satisfies Partial<Problem>
  return new Response(JSON.stringify(problem), problem)
}
