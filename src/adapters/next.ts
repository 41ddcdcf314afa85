/**
 * Tessera for Next.js: the proxy renews a pair that is over before anything is rendered, and what renders reads who is signed in.
 *
 *   // tessera.ts
 *   export const tessera = createTessera({ issuer: 'https://auth.example.com', app: 'https://www.example.com' })
 *   // proxy.ts
 *   export const proxy = async (request: NextRequest) => (await tessera.proxy(request)) ?? NextResponse.next()
 *   // a page, a layout, a route handler or an action
 *   const user = await tessera.user(await cookies())
 */

import type { AccessTokenClaims } from '../verifier/verifier.ts'
import { answerRefusal, createAuthorizer } from './authorize.ts'
import { createVisits, type RenewOptions } from './renew.ts'

export type { AccessTokenClaims, RenewOptions }

/** What `cookies()` of `next/headers` gives. */
interface CookieStore {
  getAll(name: string): readonly { readonly value: string }[]
}

export interface NextTessera {
  /** `undefined` for a request that may go on; else the answer: to Tessera and back, 401, 403 or 503. */
  readonly proxy: (request: Request) => Promise<Response | undefined>
  /**
   * Who is signed in, or `null`. Rejects where that cannot be told, since the keys are out of reach. A render cannot set a cookie, so it renews nothing: the proxy
   * has done so.
   */
  readonly user: (cookies: CookieStore) => Promise<AccessTokenClaims | null>
}

export function createTessera(options: RenewOptions): NextTessera {
  const visit = createVisits(options)
  const authorize = createAuthorizer({ ...options, cookies: true })
  return {
    async proxy(request) {
      const { method, url, headers } = request
      const outcome = await visit({ method, url, header: (name) => headers.get(name) })
      if ('user' in outcome) return undefined
      return 'location' in outcome ? goTo(outcome.location) : answerRefusal(outcome.refused, options.issuer)
    },
    async user(cookies) {
      const cookie = cookies.getAll('access_token').map(({ value }) => `access_token=${value}`)
      const header = (name: string) => (name === 'cookie' ? cookie.join('; ') : null)
      const outcome = await authorize({ method: 'GET', host: null, header })
      if (outcome.ok) return outcome.claims
      if (outcome.status === 503) throw new Error(outcome.detail)
      return null
    },
  }
}

function goTo(location: string): Response {
  return new Response(null, { status: 303, headers: { Location: location, 'Cache-Control': 'no-store' } })
}
