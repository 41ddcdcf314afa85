/**
 * The keys that a verifier has, and when it gets others: after their time, and when a token names one that it does not have.
 *
 * Whoever needs keys that another verification is fetching looks at what became of it, and does not await its promise: in Workers, what the
 * promise waits for ends with the request that began it, and then the promise of one request would never settle for another.
 */

import type { VerifyingKey } from '../domain/tokens/token-key.ts'
import { type ImportedKeys, importKeys } from './import-keys.ts'
import { FETCH_MS, type KeySource } from './key-set.ts'

export interface KeyCache {
  /**
   * The key of this name; or `kid`: there is none, or `keys`: that cannot be found out. Never throws, and answers within some seconds.
   */
  readonly find: (kid: string) => Promise<VerifyingKey | 'kid' | 'keys'>
}

/** After how long another verification's fetch is looked at again, and how often: a second in all. */
const LOOK_MS = 10
const PATIENCE = 100
/** How often keys are fetched at most: because of unknown names, of a source that fails while there are keys yet, and of keys of a short time. */
const COOLDOWN_SECONDS = 30
/** How long keys stay in use after their time, while others cannot be had. */
const GRACE_SECONDS = 3600

/** Keeps the keys of this source. `now`: seconds since 1970. */
export function createKeyCache(source: KeySource, now: () => number): KeyCache {
  let keys: ImportedKeys = new Map()
  let freshUntil = -Infinity
  /** Before then, no fetch is tried again for the keys' time alone, also where that is shorter. */
  let retryAt = -Infinity
  /** Before then, no name that is not known leads to a fetch. */
  let seekAt = -Infinity
  let hasFailed = false
  /** The fetch that others wait for, and how many have ended. */
  let pending: object | null = null
  let ended = 0

  const isUsable = () => now() < freshUntil + GRACE_SECONDS

  async function load(): Promise<void> {
    const mine = {}
    pending = mine
    hasFailed = true
    try {
      const { keys: jwks = [], maxAgeSeconds } = await Promise.race([source(), silence()])
      const imported = await importKeys(jwks, keys)
      if (imported.size > 0) {
        keys = imported
        freshUntil = now() + (maxAgeSeconds || 0)
        hasFailed = false
      }
    } catch {
      // The next one is tried later.
    }
    retryAt = now() + (isUsable() ? COOLDOWN_SECONDS : 1)
    ended += 1
    if (pending === mine) pending = null
  }

  /** Fetches, or waits for whoever fetches already. */
  async function refresh(): Promise<void> {
    const before = ended
    let joined = pending
    // The fetch that is waited for may be slow, or its request may be gone: then one of those that wait fetches, and the others wait for that.
    for (let looks = 0, ofJoined = 0; pending && ended === before; looks += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one look after the other
      await new Promise((resolve) => {
        setTimeout(resolve, LOOK_MS)
      })
      ofJoined = pending === joined ? ofJoined + 1 : 0
      joined = pending
      if (ofJoined === PATIENCE || looks === 3 * PATIENCE) return load()
    }
    if (ended === before) await load()
  }

  return {
    async find(kid) {
      const before = ended
      if (now() >= freshUntil && (now() >= retryAt || pending)) await refresh()
      if (isUsable() && !keys.has(kid) && (now() >= seekAt || pending)) {
        seekAt = now() + COOLDOWN_SECONDS
        if (ended === before) await refresh()
      }
      return (isUsable() && keys.get(kid)) || (hasFailed ? 'keys' : 'kid')
    },
  }
}

/** The limit of time of a source. */
function silence(): Promise<never> {
  return new Promise((_resolve, reject) => {
    AbortSignal.timeout(FETCH_MS).addEventListener('abort', reject)
  })
}
