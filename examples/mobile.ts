/**
 * A mobile application, or any other client that keeps its own tokens: JSON, one refresh for all requests that wait for it, and the same
 * refresh token again where the answer got lost on the way.
 *
 *   npm start -- --var LOCATION_POLICY:country --var REFRESH_REUSE_SECONDS:10
 *   node examples/mobile.ts EMAIL PASSWORD
 */

import { setTimeout as sleep } from 'node:timers/promises'

export interface Pair {
  readonly access: string
  readonly refresh: string
}

/** The keychain of the device. */
export interface Keychain {
  readonly load: () => Promise<Pair | null>
  readonly save: (pair: Pair | null) => Promise<void>
}

export interface Client {
  /** Whether e-mail and password were right. */
  readonly signIn: (email: string, password: string) => Promise<boolean>
  readonly signOut: () => Promise<void>
  /** `fetch` with the access token. A 401 is the last word: somebody has to sign in. */
  readonly fetch: (url: string) => Promise<Response>
}

/** How often an answer may get lost, and after how many milliseconds the next try goes out: all within `REFRESH_REUSE_SECONDS`. */
const RETRY_DELAYS = [200, 1000, 3000]

export function createClient(tessera: string, keychain: Keychain): Client {
  let refreshing: Promise<Pair | null> | undefined

  function post(path: string, body: object): Promise<Response> {
    const headers = { 'Content-Type': 'application/json' }
    return fetch(tessera + path, { method: 'POST', headers, body: JSON.stringify(body) })
  }

  /** The next pair, or `null` where the session is over. Throws while Tessera cannot be reached: the pair is still good then. */
  async function refresh(pair: Pair): Promise<Pair | null> {
    for (const delay of [...RETRY_DELAYS, null]) {
      const response = await post('/auth/token/refresh', { refresh: pair.refresh }).catch(() => null)
      if (response?.status === 200 || response?.status === 401) {
        const next: Pair | null = response.status === 200 ? await response.json() : null
        // Saved before anything else happens: the token that was just used up is of no use any more.
        await keychain.save(next)
        return next
      }
      if (delay !== null) await sleep(delay)
    }
    throw new Error('Tessera cannot be reached')
  }

  return {
    async signIn(email, password) {
      const response = await post('/auth/token', { primary_email: email, password })
      if (response.status === 401) return false
      if (response.status !== 200) throw new Error(`Tessera answers ${response.status}`)
      await keychain.save(await response.json())
      return true
    },
    async signOut() {
      const pair = await keychain.load()
      await keychain.save(null)
      if (pair !== null) await post('/auth/token/revoke', { refresh: pair.refresh })
    },
    async fetch(url) {
      const pair = await keychain.load()
      if (pair === null) return new Response(null, { status: 401 })
      const ask = ({ access }: Pair) => fetch(url, { headers: { Authorization: `Bearer ${access}` } })
      const response = await ask(pair)
      if (response.status !== 401) return response
      refreshing ??= refreshSince(pair).finally(() => (refreshing = undefined))
      const next = await refreshing
      return next === null ? response : ask(next)
    },
  }

  /** The pair that came after one, which another request may have fetched meanwhile. */
  async function refreshSince(pair: Pair): Promise<Pair | null> {
    const current = await keychain.load()
    return current === null || current.refresh !== pair.refresh ? current : refresh(pair)
  }
}

if (import.meta.main) {
  const [email = '', password = ''] = process.argv.slice(2)
  const tessera = process.env['TESSERA'] ?? 'http://localhost:8787'
  let kept: Pair | null = null
  const client = createClient(tessera, { load: async () => kept, save: async (pair) => void (kept = pair) })
  console.log((await client.signIn(email, password)) ? 'signed in' : 'not signed in')
  console.log(await (await client.fetch(`${tessera}/auth/me`)).text())
  await client.signOut()
}
