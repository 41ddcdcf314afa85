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
  readonly keep: (presentedJti: string, nextJtis: readonly string[]) => void
  /** Every jti that a presented one may have been exchanged for. Of parallel callers one gets them. */
  readonly take: (presentedJti: string, now: number) => readonly string[]
  /** Whether a presented jti is in doubt, or its doubt was taken within `seconds`: its other callers are no thieves. */
  readonly isRecent: (presentedJti: string, now: number, seconds: number) => boolean
}

const MAX_KEPT = 1000
/** Of one jti; beyond it, the oldest choices leave. */
const MAX_CALLERS = 100

/** An empty set of doubts. Its memory is bounded: the oldest leave first. */
export function createDoubts(): Doubts {
  const kept = new Map<string, { readonly nextJtis: readonly string[]; takenAt: number | null }>()
  return {
    keep(presentedJti, nextJtis) {
      const doubt = kept.get(presentedJti)
      const known = doubt?.takenAt === null ? doubt.nextJtis : []
      const [oldest] = kept.keys()
      if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest)
      kept.set(presentedJti, { nextJtis: [...known, ...nextJtis].slice(-MAX_CALLERS), takenAt: null })
    },
    take(presentedJti, now) {
      const doubt = kept.get(presentedJti)
      if (doubt?.takenAt !== null) return []
      doubt.takenAt = now
      return doubt.nextJtis
    },
    isRecent(presentedJti, now, seconds) {
      const doubt = kept.get(presentedJti)
      return doubt !== undefined && (doubt.takenAt === null || now - doubt.takenAt <= seconds)
    },
  }
}
