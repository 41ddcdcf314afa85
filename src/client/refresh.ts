/** The refresh of a client: once for all requests and tabs that wait for it, with the same token for as long as nobody knows what became of it. */

import type { ErrorCode, Pair } from './contract.ts'
import type { Prover } from './dpop.ts'
import { LOCK_MS, sleep, underLock, within } from './lock.ts'
import { codeOf, type Service, unauthenticated } from './service.ts'
import type { Body, Transport } from './transport.ts'
import type { Vault } from './vault.ts'

/** How long each try waits before it goes out, in milliseconds. With the limit of each, the second comes within a window of 10 s. */
const DELAYS = [0, 200, 1000]
/** A server that asks for more patience than this, in seconds, is not asked again by the same request. */
const PATIENCE_SECONDS = 3
/** How long a request waits for the refresh of another one, counted from when that began: Workers cancel what a request began that is over. */
const JOIN_MS = 6000
/** How long a tab looks for the pair of one that was faster, counted from before it waited for the lock. */
const SUCCESSOR_MS = LOCK_MS + 500
const LOOK_MS = 100

/** Gives the pair that came after one, whoever fetched it, or the answer that says why there is none. Rejects where there is no answer. */
export type Refresh = (used: Pair) => Promise<Pair | Response>

export interface RefreshOptions {
  readonly ask: Service
  readonly transport: Transport
  readonly vault: Vault
  /** What the tabs that share a pair call their lock. */
  readonly lock: string
  readonly dpop: Prover | undefined
  readonly onSignedOut: ((code: ErrorCode) => void) | undefined
}

export function createRefresh({ ask, transport, vault, lock, dpop, onSignedOut }: RefreshOptions): Refresh {
  let shared: { readonly since: number; readonly outcome: Promise<Pair | Response> } | undefined

  /** `until`: how long to look for the pair of another tab, by the clock of `performance`, in milliseconds. `delays`: of this try, and of those after it. */
  async function refresh(used: Pair, until: number, [delay = 0, ...later] = DELAYS): Promise<Pair | Response> {
    await sleep(delay)
    const kept = await vault.load()
    if (kept?.refresh !== used.refresh) return kept ?? unauthenticated()
    // A new key for an old token would look like a theft, and its owner would be told so.
    if (used.key !== undefined && used.key !== (await dpop?.key())) {
      return end(used, unauthenticated(), 'not_authenticated')
    }
    let answer: Response
    try {
      answer = await ask(transport.refresh(used))
      // The next pair is kept before anything is done with it: the token that was just used up is of no use any more.
      if (answer.ok)
        return (await vault.replace(used, await readPair(answer, { transport, dpop, used }))) ?? unauthenticated()
    } catch (error) {
      if (later.length === 0) throw error
      return refresh(used, until, later)
    }
    const code = await codeOf(answer)
    const successor = code === 'token_used' ? await lookForSuccessor(used, until) : used
    if (successor?.refresh !== used.refresh) return successor ?? unauthenticated()
    const isLast = later.length === 0 || Number(answer.headers.get('Retry-After')) > PATIENCE_SECONDS
    // In cookies, the browser may have the pair of another tab by now, though nothing here says so.
    const mayBeInCookies = code === 'token_used' && transport.inCookies && !isLast
    if (isEnd(code) && !mayBeInCookies) return end(used, answer, code)
    if (!isLast && (mayBeInCookies || isTrouble(answer, code))) return refresh(used, until, later)
    // For whoever asked, a 401 would mean that somebody has to sign in, and this one does not say so.
    if (answer.status === 401) throw new Error(code ?? 'Not Tessera')
    return answer
  }

  /** Of two tabs with one token the slower one is refused. It goes on with the pair of the other, once that is kept. */
  async function lookForSuccessor(used: Pair, until: number): Promise<Pair | null> {
    const kept = await vault.load()
    if (kept?.refresh !== used.refresh || performance.now() > until) return kept
    await sleep(LOOK_MS)
    return lookForSuccessor(used, until)
  }

  /** Tessera has refused the pair for good: it is forgotten, unless there is another one already. */
  async function end(used: Pair, answer: Response, code: ErrorCode): Promise<Pair | Response> {
    const kept = await vault.replace(used, null).catch(() => null)
    if (kept !== null) return kept
    // A browser that never had cookies was not signed out.
    if (used.refresh !== '' || code !== 'token_missing') queueMicrotask(() => onSignedOut?.(code))
    return answer
  }

  return async function join(used): Promise<Pair | Response> {
    const since = performance.now()
    const left = shared === undefined ? 0 : shared.since + JOIN_MS - since
    if (shared !== undefined && left > 0) return (await within(shared.outcome, left)) ?? join(used)
    const outcome = underLock(lock, () => refresh(used, since + SUCCESSOR_MS))
    const mine = { since, outcome }
    const forget = () => {
      if (shared === mine) shared = undefined
    }
    outcome.then(forget, forget)
    shared = mine
    return outcome
  }
}

interface Reading {
  readonly transport: Transport
  readonly dpop: Prover | undefined
  /** The pair that was refreshed. */
  readonly used?: Pair
}

/** The pair that an answer brings, whose it is, and the key that its session is bound to. Throws where it is no answer of Tessera. */
export async function readPair(answer: Response, { transport, dpop, used }: Reading): Promise<Pair> {
  const text = await answer.text()
  // In cookies, the answer to a refresh has no body; with one, it is the page of a network that wants people to sign in.
  const isEmpty = transport.inCookies && used !== undefined
  if (isEmpty && text !== '') throw new SyntaxError('Not Tessera')
  const body: Body = isEmpty ? {} : JSON.parse(text)
  const read = transport.read(body)
  const pair = { ...read, sub: read.sub ?? used?.sub }
  return body.token_type === 'DPoP' && dpop !== undefined ? { ...pair, key: await dpop.key() } : pair
}

/** What says that a pair is over. A 401 that is not of Tessera says nothing, nor does a proof that its clock does not like. */
const ENDS = /^(?:token|location|no_active|wrong)_/

function isEnd(code: ErrorCode | undefined): code is ErrorCode {
  return code !== undefined && ENDS.test(code)
}

/** What a later try may find gone. A browser that could not prove its key in time is asked to try again, too. */
function isTrouble({ status }: Response, code: ErrorCode | undefined): boolean {
  return code === undefined || code === 'device_proof_required' || status === 429 || status >= 500
}
