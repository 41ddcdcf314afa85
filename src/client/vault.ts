/** The pair that a client has, in whatever keeps it. A pair that could not be kept is not lost while the program runs. */

import type { Pair } from './contract.ts'
import { within } from './lock.ts'
import type { Storage } from './storage.ts'
import { NEVER } from './transport.ts'

export interface Vault {
  /** The pair that counts: the newest that any tab has kept. Rejects where storage cannot be read. */
  readonly load: () => Promise<Pair | null>
  /** Rejects where no pair is to be kept, and storage cannot be written. `'out'`: cookies that a sign-out could not take back are not to be used. */
  readonly put: (pair: Pair | null | 'out') => Promise<void>
  /** Puts the next pair in the place of the one it came from, unless somebody signed in or out meanwhile. Gives what counts afterwards. */
  readonly replace: (used: Pair, next: Pair | null) => Promise<Pair | null>
}

/** What stands for the pair of a browser that may have one in its cookies, which no script can see. */
const MAYBE_IN_COOKIES: Pair = { access: '', refresh: '', over: NEVER }
/** How long one step waits for the one before it, in milliseconds: storage may never answer. */
const TURN_MS = 5000

/** `url`: of the Tessera whose pairs these are. */
export function createVault(storage: Storage, url: string): Vault {
  let seen: string | null = null
  /** What storage refused to keep, and the text that stands there instead. */
  let unsaved: { readonly instead: string | null; readonly pair: Pair } | undefined
  let turn: Promise<unknown> = Promise.resolve()

  /** One step after the other: storage may take its time, and a sign-out must not end up below the pair of a refresh. */
  function inTurn<Result>(step: () => Promise<Result>): Promise<Result> {
    const mine = within(turn, TURN_MS).then(step)
    turn = mine.catch(() => {})
    return mine
  }

  async function load(): Promise<Pair | null> {
    seen = await storage.load()
    if (unsaved?.instead === seen) {
      const { pair } = unsaved
      await put(pair)
      return pair
    }
    // Another tab, or a new sign-in, has kept something since.
    unsaved = undefined
    const kept = parse(seen)
    if (kept?.url === url) return kept
    return storage.inCookies && seen !== '"out"' ? MAYBE_IN_COOKIES : null
  }

  async function put(pair: Pair | null | 'out'): Promise<void> {
    try {
      const text = pair && JSON.stringify(pair === 'out' ? pair : { ...pair, url })
      await storage.save(text)
      unsaved = undefined
      seen = text
    } catch (error) {
      // A sign-out has to be seen through. A pair is used from here, and kept as soon as that works.
      if (pair === null || pair === 'out') throw error
      unsaved = { instead: await storage.load().catch(() => seen), pair }
    }
  }

  return {
    load: () => inTurn(load),
    put: (pair) => inTurn(() => put(pair)),
    replace: (used, next) =>
      inTurn(async () => {
        // Storage that cannot be read now is no reason to lose a pair.
        const kept = await load().catch(() => used)
        if (kept?.refresh !== used.refresh) return kept
        await put(next)
        return next
      }),
  }
}

/** `null` for whatever is no pair: whoever wrote it, somebody has to sign in. */
function parse(text: string | null): Pair | null {
  try {
    const pair: Pair | null = JSON.parse(text ?? 'null')
    return typeof pair?.access === 'string' && typeof pair.refresh === 'string' ? pair : null
  } catch {
    return null
  }
}
