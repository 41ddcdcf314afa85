/**
 * Delivers a batch. It may be sent again as often as needed, since an account that exists already is left as it is: so whatever may pass is
 * waited for, with longer and longer pauses, and a batch that is too much for the Worker is sent in halves.
 */

import * as z from 'zod/mini'

import { Unreachable } from '../users/client.ts'
import { UsersProblem } from '../users/problem.ts'

export const Result = z.object({
  line: z.number(),
  status: z.enum(['created', 'exists', 'refused']),
  errors: z.optional(z.record(z.string(), z.array(z.string()))),
})
export type Result = z.infer<typeof Result>

const Answer = z.object({ results: z.array(Result) })

/** What an answer may be that another try can change. */
const PASSING = new Set([408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 530])
/** So often a batch fails before it is sent in halves. */
const FAILURES_BEFORE_HALVES = 2
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

export interface Wire {
  /** One request; rejects where nothing answers. */
  readonly post: (body: string) => Promise<Response>
  readonly explain: (response: Response, text: string) => Error
  readonly sleep: (milliseconds: number) => Promise<void>
  /** Milliseconds, of any clock. */
  readonly now: () => number
  /** Between 0 and 1. */
  readonly random: () => number
  /** Told of every failure: what it was, and after how many milliseconds the next try comes. */
  readonly onTrouble: (error: UsersProblem, pauseMs: number) => void
}

/** Since when nothing has succeeded: of all batches that are under way, since they have one server. */
export interface Patience {
  readonly limitMs: number
  /** Until something has answered: an address where there is nothing is found out soon. */
  firstLimitMs: number
  troubleSince: number | null
}

/** The results of each line, in their order. Throws `UsersProblem` where another try cannot help, and after long trouble. */
export async function deliver(wire: Wire, patience: Patience, lines: readonly string[]): Promise<readonly Result[]> {
  if (lines.length === 0) return []
  for (let failures = 0; ; failures++) {
    if (failures >= FAILURES_BEFORE_HALVES && lines.length > 1) {
      const middle = Math.ceil(lines.length / 2)
      const first = await deliver(wire, patience, lines.slice(0, middle))
      return [...first, ...(await deliver(wire, patience, lines.slice(middle)))]
    }
    const outcome = await attempt(wire, lines)
    if ('results' in outcome) {
      patience.troubleSince = null
      patience.firstLimitMs = patience.limitMs
      return outcome.results
    }
    if (!(outcome.error instanceof Unreachable)) patience.firstLimitMs = patience.limitMs
    patience.troubleSince ??= wire.now()
    if (wire.now() - patience.troubleSince >= Math.min(patience.firstLimitMs, patience.limitMs)) throw outcome.error
    const backoff = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures)
    // Half of a pause is chance, so that batches under way do not come back together.
    const pause = Math.max(outcome.retryAfterMs, backoff / 2 + (backoff / 2) * wire.random())
    wire.onTrouble(outcome.error, pause)
    await wire.sleep(pause)
  }
}

type Outcome = { readonly results: readonly Result[] } | { readonly error: UsersProblem; readonly retryAfterMs: number }

async function attempt(wire: Wire, lines: readonly string[]): Promise<Outcome> {
  let response: Response
  let text: string
  try {
    response = await wire.post(lines.map((line) => `${line}\n`).join(''))
    text = await response.text()
  } catch (error) {
    // What ends within an answer is a failure of the network, too.
    const problem = error instanceof UsersProblem ? error : new UsersProblem('The answer of the server broke off.')
    return { error: problem, retryAfterMs: 0 }
  }
  if (PASSING.has(response.status)) {
    const seconds = Number(response.headers.get('Retry-After') ?? 0)
    const retryAfterMs = Number.isFinite(seconds) ? Math.min(300, Math.max(0, seconds)) * 1000 : 0
    return { error: new UsersProblem(`The server answers ${response.status}.`), retryAfterMs }
  }
  if (!response.ok) throw wire.explain(response, text)
  return { results: readResults(text, lines.length) }
}

/** Throws `UsersProblem` for results that are not one for each line: nothing may be counted that the server did not say. */
function readResults(text: string, count: number): readonly Result[] {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    answer = null
  }
  const results = Answer.safeParse(answer).data?.results.toSorted((a, b) => a.line - b.line)
  if (results === undefined || results.length !== count || results.some(({ line }, i) => line !== i + 1)) {
    throw new UsersProblem('The server answers an import in another form than this version knows.')
  }
  return results
}
