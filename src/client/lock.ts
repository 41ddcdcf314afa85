/** One tab at a time, where the browser can see to that. It saves requests, and no more: what is right, the server decides. */

/** How long a tab waits for another one, and how long one makes others wait, in milliseconds. */
export const LOCK_MS = 2000

interface Locks {
  readonly request: (
    name: string,
    options: { signal: AbortSignal },
    granted: () => Promise<unknown>,
  ) => Promise<unknown>
}

/**
 * Does the work once no other tab holds the lock, or after two seconds: a browser may have no locks, and a frozen tab keeps one for good. The lock
 * is free again after two seconds at most, however long the work takes. Throws what the work throws.
 */
export async function underLock<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const navigator: { locks?: Locks } | undefined = Reflect.get(globalThis, 'navigator')
  const waiting = new AbortController()
  const timer = setTimeout(() => waiting.abort(), LOCK_MS)
  let working: Promise<Result> | undefined
  try {
    await navigator?.locks?.request(name, { signal: waiting.signal }, () => {
      clearTimeout(timer)
      working = work()
      return within(working, LOCK_MS)
    })
  } catch {
    // The wait is over, or locks are forbidden here, or the work failed, which is thrown below.
  }
  clearTimeout(timer)
  return working ?? work()
}

/** What the work comes to, or `undefined` where that takes longer, in milliseconds. Leaves no timer behind, for which a program would stay. */
export function within<Result>(work: Promise<Result>, ms: number): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), ms)
    work.finally(() => clearTimeout(timer)).then(resolve, reject)
  })
}

/** Waits, in milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
