/**
 * Tessera for SvelteKit: a handle that renews a pair that is over before anything is rendered, and tells what renders who is signed in.
 *
 *   // src/hooks.server.ts
 *   export const handle = tessera({ issuer: 'https://auth.example.com', app: 'https://www.example.com', redirect })
 *   // a load function or an endpoint
 *   const { user } = locals
 */

import type { AccessTokenClaims } from '../verifier/verifier.ts'
import { answerRefusal } from './authorize.ts'
import { createVisits, type RenewOptions } from './renew.ts'

export type { AccessTokenClaims }

export interface SvelteKitOptions extends RenewOptions {
  /** `redirect` of `@sveltejs/kit`, which throws: its answer to a request for data alone is the framework's own. */
  readonly redirect: (status: 303, location: string, options: { readonly external: true }) => never
  /** Paths that everybody may see: `['/', '/sign-in']`. Whose token is good is known there, too; one that is over is not renewed there. */
  readonly open?: readonly string[]
}

/** What SvelteKit calls a `RequestEvent`, as far as this needs it. */
interface SvelteKitEvent {
  readonly request: Request
  readonly url: URL
  readonly isDataRequest: boolean
  /** `user`: `null` where nobody is signed in; `undefined` where that cannot be told, since the keys are out of reach. */
  readonly locals: { user?: AccessTokenClaims | null | undefined }
}

/** Sets `locals.user`; answers by itself where nobody is signed in. */
export function tessera({ redirect, open = [], ...options }: SvelteKitOptions) {
  const visit = createVisits(options)
  return async <Event extends SvelteKitEvent>(input: {
    readonly event: Event
    readonly resolve: (event: Event) => Response | Promise<Response>
  }): Promise<Response> => {
    const { event, resolve } = input
    const { request, url, isDataRequest, locals } = event
    const { method, headers } = request
    const navigation = isDataRequest ? { isNavigation: true } : {}
    const outcome = await visit({ method, url: url.href, header: (name) => headers.get(name), ...navigation })
    const isUnknown = 'refused' in outcome && outcome.refused.status === 503
    locals.user = 'user' in outcome ? outcome.user : isUnknown ? undefined : null
    if ('user' in outcome || open.includes(url.pathname)) return resolve(event)
    return 'location' in outcome
      ? redirect(303, outcome.location, { external: true })
      : answerRefusal(outcome.refused, options.issuer)
  }
}
