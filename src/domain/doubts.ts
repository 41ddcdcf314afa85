/**
 * Rotations that nobody knows the outcome of. When D1 failed us again and again, the write may have happened all the
 * same, and then the jti that we chose is the live one, though no client has its token. The client was told to try
 * again: that try goes on with the same jti, instead of looking like the reuse of an old token.
 *
 * Kept in the memory of one isolate, where a client's next request usually arrives; elsewhere, the race interval and
 * the replay window still apply.
 */

export interface Doubts {
  readonly keep: (presentedJti: string, nextJti: string) => void
  /** The jti that a presented one was to be exchanged for, if that is in doubt. Of parallel callers one gets it. */
  readonly take: (presentedJti: string, now: number) => string | undefined
  /** Whether a presented jti is in doubt, or its doubt was taken within `seconds`: its other callers are no thieves. */
  readonly isRecent: (presentedJti: string, now: number, seconds: number) => boolean
}

const MAX_KEPT = 1000

/** An empty set of doubts. Its memory is bounded: the oldest leave first. */
export function createDoubts(): Doubts {
  const kept = new Map<string, { readonly nextJti: string; takenAt: number | null }>()
  return {
    keep(presentedJti, nextJti) {
      const [oldest] = kept.keys()
      if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest)
      kept.set(presentedJti, { nextJti, takenAt: null })
    },
    take(presentedJti, now) {
      const doubt = kept.get(presentedJti)
      if (doubt?.takenAt !== null) return undefined
      doubt.takenAt = now
      return doubt.nextJti
    },
    isRecent(presentedJti, now, seconds) {
      const doubt = kept.get(presentedJti)
      return doubt !== undefined && (doubt.takenAt === null || now - doubt.takenAt <= seconds)
    },
  }
}
