/**
 * Runs in the browser, for pages whose pair is in cookies: signs in and out, and has the pair renewed when an answer says that it is
 * over. No script ever sees a token.
 */

export interface Session {
  readonly signIn: (email: string, password: string) => Promise<boolean>
  readonly signOut: () => Promise<void>
  /** `fetch` that renews the pair where that is needed, once for all requests that wait for it. */
  readonly fetch: (url: string, init?: RequestInit) => Promise<Response>
}

/** `tessera` is its address, such as https://auth.example.com, or a path such as /tessera on the same host. */
export function createSession(tessera: string): Session {
  let refreshing: Promise<boolean> | undefined

  function call(path: string, init: RequestInit): Promise<Response> {
    return fetch(tessera + path, { credentials: 'include', ...init })
  }

  async function refresh(): Promise<boolean> {
    const { ok, status } = await call('/refresh', { method: 'POST' })
    // Only a 401 says that the pair is over. Anything else is trouble, which a later request may find gone.
    if (!ok && status !== 401) throw new Error(`Tessera answers ${status}`)
    return ok
  }

  return {
    async signIn(email, password) {
      const headers = { 'Content-Type': 'application/json' }
      const body = JSON.stringify({ primary_email: email, password })
      return (await call('/auth/session', { method: 'POST', headers, body })).ok
    },
    async signOut() {
      await call('/auth/session', { method: 'DELETE' })
    },
    async fetch(url, init) {
      const ask = () => fetch(url, { credentials: 'include', ...init })
      const response = await ask()
      if (response.status !== 401) return response
      refreshing ??= refresh().finally(() => (refreshing = undefined))
      return (await refreshing) ? ask() : response
    },
  }
}
