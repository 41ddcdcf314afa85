/** The pair that a client has, in whatever keeps it. A pair that could not be kept is not lost while the program runs. */

import type { Pair } from './contract.ts'
import type { Storage } from './storage.ts'
import { NEVER } from './transport.ts'

export interface Vault {
  /** The pair that counts: the newest that any tab has kept. Rejects where storage cannot be read. */
  readonly load: () => Promise<Pair | null>
  /** Rejects where `null` cannot be kept. */
  readonly put: (pair: Pair | null) => Promise<void>
  /** Puts the next pair in the place of the one it came from, unless somebody signed in or out meanwhile. Gives what counts afterwards. */
  readonly replace: (used: Pair, next: Pair | null) => Promise<Pair | null>
}

/** What stands for the pair of a browser that may have one in its cookies, which no script can see. */
const MAYBE_IN_COOKIES: Pair = { access: '', refresh: '', over: NEVER }

export function createVault(storage: Storage): Vault {
  const nothing = storage.inCookies === true ? MAYBE_IN_COOKIES : null
  let seen: string | null = null
  /** What storage refused to keep, and the text that stands there instead. */
  let unsaved: { readonly instead: string | null; readonly pair: Pair } | undefined

  async function load(): Promise<Pair | null> {
    seen = await storage.load()
    if (unsaved?.instead === seen) {
      const { pair } = unsaved
      await put(pair)
      return pair
    }
    // Another tab, or a new sign-in, has kept something since.
    unsaved = undefined
    return parse(seen) ?? nothing
  }

  async function put(pair: Pair | null): Promise<void> {
    const text = pair === null ? null : JSON.stringify(pair)
    try {
      await storage.save(text)
      unsaved = undefined
      seen = text
    } catch (error) {
      // A sign-out has to be seen through. A pair is used from here, and kept as soon as that works.
      if (pair === null) throw error
      unsaved = { instead: seen, pair }
    }
  }

  return {
    load,
    put,
    async replace(used, next) {
      // Storage that cannot be read now is no reason to lose a pair.
      const kept = await load().catch(() => used)
      if (kept?.refresh !== used.refresh) return kept
      await put(next)
      return next
    },
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
