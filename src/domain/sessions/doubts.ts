/**
 * Rotations of which nobody knows the outcome. When D1 gave no answer, the write may have happened all the same, and then
 * the jti that was chosen is the live one, though no client has its token. The client was told to try again: its next try
 * goes on with the same jti, instead of looking like a token that is reused.
 *
 * Doubts are kept in the memory of one isolate, where a client's next request usually arrives; elsewhere, the race interval
 * and the replay window still apply.
 */

import type { Verdict } from './verdict.ts'

export interface Doubts {
  /** Begins a rotation of a presented jti. `freshJti` is what it writes, unless an earlier rotation is in doubt. */
  readonly begin: (presentedJti: string, freshJti: string, now: number) => Attempt
}

/** One rotation, from its choice of a jti until its outcome is known, or nobody can know it. */
export interface Attempt {
  /** The jti to write. */
  readonly nextJti: string
  /** Whether this rotation, or one that it goes on with, may have written a jti. */
  readonly isOurs: (jti: string) => boolean
  /** D1 gave no answer: the next try with the presented token goes on with the jti of this one. */
  readonly lose: () => void
  /** The row was read: `liveJti` is what it names, `null` where there is none. Returns the verdict as it is with what is remembered. */
  readonly close: (verdict: Verdict, liveJti: string | null) => Verdict
}

/**
 * A doubt is kept as long as clients go on trying, and no longer than the longest replay window, since until then an old token can
 * still be exchanged.
 */
const DOUBT_SECONDS = 60
const MAX_KEPT = 1000
/** The rotations of one presented jti that are remembered; beyond it, the oldest choices leave. */
const MAX_CHOICES = 100

interface Doubt {
  /** Parallel callers each chose a jti of their own. */
  readonly nextJtis: readonly string[]
  readonly at: number
  /** `taken` by one caller, or `settled` by a replay: nobody else gets these jtis. */
  readonly state: 'open' | 'taken' | 'settled'
  /** Whether D1 failed. An entry that a replay alone made is no doubt: it keeps one from arising. */
  readonly isDoubt: boolean
}

/** An empty set of doubts. Its memory is bounded: the oldest leave first. */
export function createDoubts(): Doubts {
  const kept = new Map<string, Doubt>()

  function recent(presentedJti: string, now: number): Doubt | undefined {
    const doubt = kept.get(presentedJti)
    return doubt !== undefined && now - doubt.at <= DOUBT_SECONDS ? doubt : undefined
  }

  function isInDoubt(presentedJti: string, now: number): boolean {
    return recent(presentedJti, now)?.isDoubt === true
  }

  function put(presentedJti: string, doubt: Doubt): void {
    // A `Map` keeps the order of insertion, so an entry that is put again becomes the newest.
    kept.delete(presentedJti)
    const [oldest] = kept.keys()
    if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest)
    kept.set(presentedJti, doubt)
  }

  function keep(presentedJti: string, nextJtis: readonly string[], now: number): void {
    const doubt = recent(presentedJti, now)
    if (doubt?.state === 'settled') return put(presentedJti, { ...doubt, isDoubt: true })
    const known = doubt?.state === 'open' ? doubt.nextJtis : []
    put(presentedJti, { nextJtis: [...known, ...nextJtis].slice(-MAX_CHOICES), at: now, state: 'open', isDoubt: true })
  }

  /** The jtis that a presented one may have been exchanged for. Of parallel callers one gets them. */
  function take(presentedJti: string, now: number): readonly string[] {
    const doubt = recent(presentedJti, now)
    if (doubt?.state !== 'open') return []
    put(presentedJti, { ...doubt, state: 'taken' })
    return doubt.nextJtis
  }

  return {
    begin(presentedJti, freshJti, now) {
      const doubted = take(presentedJti, now)
      const ours = doubted.length > 0 ? doubted : [freshJti]
      return {
        nextJti: doubted[0] ?? freshJti,
        isOurs: (jti) => ours.includes(jti),
        lose() {
          keep(presentedJti, ours, now)
        },
        close(verdict, liveJti) {
          if (verdict.kind === 'won') return doubted.length > 0 ? { ...verdict, kind: 'resumed' } : verdict
          if (verdict.kind === 'replayed') {
            // A replay handed the successor out, so a later caller is not the client that the doubt was kept for.
            put(presentedJti, { nextJtis: [], at: now, state: 'settled', isDoubt: isInDoubt(presentedJti, now) })
            return verdict
          }
          // A refusal does not use up the remembered jtis: the client that got the 503 may still come back for them.
          if (liveJti !== null && doubted.includes(liveJti)) keep(presentedJti, doubted, now)
          // The callers of a rotation in doubt were told to try again, from wherever they are: none of them is a thief.
          return verdict.kind === 'reused' && isInDoubt(presentedJti, now) ? { kind: 'race' } : verdict
        },
      }
    },
  }
}
