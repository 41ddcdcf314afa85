/**
 * A client of Tessera, for browsers, apps, Node and Workers: `fetch` for whoever is signed in. It refreshes once for all requests and tabs that
 * wait for it, and asks again with the same token where an answer got lost. No trouble makes it throw a pair away: only a refusal of Tessera
 * says that somebody has to sign in.
 */

import type { ErrorCode, Pair, Problem, User } from './contract.ts'
import type { Prover } from './dpop.ts'
import { createRefresh, readPair } from './refresh.ts'
import { createService, unauthenticated } from './service.ts'
import { inMemory, type SecureStore, type Storage } from './storage.ts'
import { byCookies, byJson } from './transport.ts'
import { createVault } from './vault.ts'

export { inCookies, inLocalStorage, inMemory, inSecureStore } from './storage.ts'
export type { ErrorCode, Problem, Prover, SecureStore, Storage, User }

export interface ClientOptions {
  /** The address of Tessera: `https://auth.example.com`, or a path such as `/tessera` on the page's own host. */
  readonly url: string
  /** Where the pair is kept: `inMemory()`, unless told otherwise. */
  readonly storage?: Storage
  /**
   * Origins that get the access token, beside that of Tessera and of the page: `['https://api.example.com']`. In cookies, the browser decides
   * who gets what.
   */
  readonly apis?: readonly string[]
  /** Binds sessions to a key (RFC 9449), where the pair is not in cookies: `dpopInBrowser()` of `tessera/dpop`. */
  readonly dpop?: Prover
  /** Called when Tessera has refused the pair, with the reason: somebody has to sign in. `signOut` does not call it. */
  readonly onSignedOut?: (code: ErrorCode) => void
  /** What sends the requests: `fetch`, unless told otherwise. */
  readonly fetch?: (request: Request) => Promise<Response>
}

/** Whether somebody is signed in now; if not, why. */
export type SignIn = { readonly ok: true } | ({ readonly ok: false } & Problem)

export interface Client {
  /** Opens a session. A refusal is a value; rejects where there is no answer. */
  readonly signIn: (email: string, password: string) => Promise<SignIn>
  /** Forgets the pair, and ends its session. `false`: Tessera could not be told, and the session goes on until it expires. */
  readonly signOut: () => Promise<boolean>
  /**
   * `fetch` with the access token. A 401 is the last word: somebody has to sign in. Where Tessera is in trouble, its own 429 or 503 is the answer, or
   * the promise rejects as that of `fetch` does; the pair is still good then. Rejects with a `TypeError` for an origin that may not have the token.
   */
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>
  /** Who is signed in, as Tessera knows it, or `null`. Rejects where that cannot be told. */
  readonly user: () => Promise<User | null>
}

/** For how long an API that refuses a new access token is not sent a newer one, in milliseconds. */
const USELESS_MS = 30_000

/** Throws a `TypeError` for an address that is none. */
export function createClient(options: ClientOptions): Client {
  const { storage = inMemory(), apis = [], onSignedOut } = options
  const location: { href: string } | undefined = Reflect.get(globalThis, 'location')
  const here = location?.href
  const url = new URL(options.url, here).href.replace(/\/$/, '')
  const { inCookies: withCookies = false } = storage
  const transport = withCookies ? byCookies : byJson
  // A browser binds what is in its cookies by itself.
  const dpop = withCookies ? undefined : options.dpop
  // Looked up at each request, since others may have replaced it: those who record, and those who test.
  const send = options.fetch ?? ((request: Request) => fetch(request))
  const vault = createVault(storage, url)
  const ask = createService({ send, url, withCookies, dpop })
  const refresh = createRefresh({ ask, transport, vault, lock: `tessera ${url}`, dpop, onSignedOut })
  /** The pair whose access token was refused although it was new. */
  let useless: { readonly refresh: string; readonly until: number } | undefined

  /** The pair after this one, if it is of the same account: another tab may have signed in somebody else. */
  async function next(used: Pair): Promise<Pair | Response> {
    const outcome = await refresh(used)
    if (outcome instanceof Response) return outcome.clone()
    return outcome.sub === used.sub ? outcome : unauthenticated()
  }

  /** In cookies, those that Tessera could not take back are not used until it can. */
  async function signOut(): Promise<boolean> {
    const pair = await vault.load()
    const isForgotten = vault.put(withCookies ? 'out' : null)
    // Tessera is told, also where storage cannot forget the pair.
    await isForgotten.catch(() => {})
    const isOver =
      (pair === null && !withCookies) || (await ask(transport.signOut(pair)).catch(() => null))?.ok === true
    await isForgotten
    if (withCookies && isOver) await vault.put(null)
    return isOver
  }

  async function fetchAs(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init)
    const { origin } = new URL(request.url)
    const isKnown = [url, here, ...apis].some((known) => known !== undefined && new URL(known).origin === origin)
    if (!withCookies && !isKnown) throw new TypeError(`${origin} is not among \`apis\``)
    let pair = await vault.load()
    if (pair === null) {
      // Somebody signed out while Tessera could not be told.
      if (withCookies) await signOut()
      return unauthenticated()
    }
    if (pair.over <= Date.now()) {
      const outcome = await next(pair)
      if (outcome instanceof Response) return outcome
      pair = outcome
    }
    const answer = await send(transport.attach(request.clone(), pair))
    const isUseless = useless?.refresh === pair.refresh && Date.now() < useless.until
    if (answer.status !== 401 || isUseless) return answer
    const outcome = await next(pair)
    if (outcome instanceof Response) return outcome
    await answer.body?.cancel()
    const second = await send(transport.attach(request, outcome))
    if (second.status === 401) useless = { refresh: outcome.refresh, until: Date.now() + USELESS_MS }
    return second
  }

  return {
    async signIn(email, password) {
      const body = { primary_email: email, password }
      const answer = await ask({ path: transport.signInPath, body })
      if (!answer.ok) {
        const problem: Problem = await answer.json()
        return { ...problem, ok: false }
      }
      const pair = await readPair(answer, { transport, dpop })
      if (dpop !== undefined && pair.key === undefined) {
        // Something on the way took the proof away, and whoever did so could use the pair.
        await ask(transport.signOut(pair))
        throw new Error('Not bound to the key')
      }
      await vault.put(pair)
      return { ok: true }
    },
    signOut,
    fetch: fetchAs,
    async user() {
      const answer = await fetchAs(`${url}/auth/me`)
      if (answer.status === 401) return null
      if (!answer.ok) throw new Error(`Tessera: ${answer.status}`)
      return answer.json()
    },
  }
}
