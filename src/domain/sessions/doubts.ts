/**
 * Rotations that nobody knows the outcome of. When D1 failed us again and again, the write may have happened all the
 * same, and then the jti that we chose is the live one, though no client has its token. The client was told to try
 * again: that try goes on with the same jti, instead of looking like the reuse of an old token.
 *
 * Kept in the memory of one isolate, where a client's next request usually arrives; elsewhere, the race interval and
 * the replay window still apply.
 */

export interface Doubts {
  /** Notes that a presented jti may have been exchanged for these. Parallel callers each choose one of their own. */
  readonly keep: (presentedJti: string, nextJtis: readonly string[], now: number) => void
  /** Every jti that a presented one may have been exchanged for. Of parallel callers one gets them. */
  readonly take: (presentedJti: string, now: number) => readonly string[]
  /** Notes that somebody has the successor by way of a replay: what is kept of a presented jti is worth nothing more. */
  readonly settle: (presentedJti: string, now: number) => void
  /** Whether a presented jti was in doubt lately: then its callers were told to try again, and are no thieves. */
  readonly isRecent: (presentedJti: string, now: number) => boolean
}

/** As long as clients go on trying, and no longer than the longest replay window: an old token must not stay good. */
const DOUBT_SECONDS = 60
const MAX_KEPT = 1000
/** Of one jti; beyond it, the oldest choices leave. */
const MAX_CALLERS = 100

interface Doubt {
  readonly nextJtis: readonly string[]
  readonly at: number
  /** `taken` by one caller, or `settled` by a replay: nothing is to be had of it any more. */
  readonly state: 'open' | 'taken' | 'settled'
  /** A replay alone leaves none: it only says that none may arise. */
  readonly isDoubt: boolean
}

/** An empty set of doubts. Its memory is bounded: the oldest leave first. */
export function createDoubts(): Doubts {
  const kept = new Map<string, Doubt>()

  function recent(presentedJti: string, now: number): Doubt | undefined {
    const doubt = kept.get(presentedJti)
    return doubt !== undefined && now - doubt.at <= DOUBT_SECONDS ? doubt : undefined
  }

  function put(presentedJti: string, doubt: Doubt): void {
    // Out and in again: it is the newest now.
    kept.delete(presentedJti)
    const [oldest] = kept.keys()
    if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest)
    kept.set(presentedJti, doubt)
  }

  return {
    keep(presentedJti, nextJtis, now) {
      const doubt = recent(presentedJti, now)
      if (doubt?.state === 'settled') return put(presentedJti, { ...doubt, isDoubt: true })
      const known = doubt?.state === 'open' ? doubt.nextJtis : []
      const all = [...known, ...nextJtis].slice(-MAX_CALLERS)
      put(presentedJti, { nextJtis: all, at: now, state: 'open', isDoubt: true })
    },
    take(presentedJti, now) {
      const doubt = recent(presentedJti, now)
      if (doubt?.state !== 'open') return []
      put(presentedJti, { ...doubt, state: 'taken' })
      return doubt.nextJtis
    },
    settle(presentedJti, now) {
      const isDoubt = recent(presentedJti, now)?.isDoubt === true
      put(presentedJti, { nextJtis: [], at: now, state: 'settled', isDoubt })
    },
    isRecent: (presentedJti, now) => recent(presentedJti, now)?.isDoubt === true,
  }
}
