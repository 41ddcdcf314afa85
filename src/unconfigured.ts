/**
 * What a deployment answers that cannot start: its health, and 500 without content to everything else. Where its secrets
 * or its address were never set, a browser gets a page that says what to set: nobody can be using such a deployment, and its
 * owner opens it first. A deployment that was in use does not tell strangers why it cannot start.
 */

import { HonoBase } from 'hono/hono-base'
import { TrieRouter } from 'hono/router/trie-router'

import { basePathOf, unsetSecrets } from './config.ts'
import type { Services } from './domain/services.ts'
import { pageHeaders } from './http/answer/page-headers.ts'
import { pathBelow } from './http/request/base-path.ts'
import { answerHealth } from './http/routes/health.ts'
import { UnknownAddress } from './own-address.ts'
import { createBrokenHealthCheck } from './services.ts'

interface Unconfigured {
  readonly basePath: string
  readonly checkHealth: Services['checkHealth']
  /** The names of the secrets that were never set; none where something else is wrong. */
  readonly unset: readonly string[]
  /** The secrets are set, and the address is not. */
  readonly isNameless: boolean
}

/** The health checks of environments, since each keeps its answer for some seconds. */
const checks = new WeakMap<Env, Services['checkHealth']>()

/** Answers for an environment whose services cannot start, for the reason given. */
export async function answerUnconfigured(request: Request, env: Env, reason: unknown): Promise<Response> {
  const checkHealth = checks.get(env) ?? createBrokenHealthCheck(env, reason)
  checks.set(env, checkHealth)
  return createUnconfiguredApp().fetch(request, {
    checkHealth,
    basePath: basePathOf(env),
    unset: unsetSecrets(env),
    isNameless: reason instanceof UnknownAddress,
  })
}

/** The app of a deployment that cannot start. Built when it is needed, since no other deployment needs it. */
function createUnconfiguredApp() {
  return new HonoBase<{ Bindings: Unconfigured }>({
    router: new TrieRouter(),
    getPath: (request, options) => pathBelow(options?.env?.basePath ?? '', request),
  })
    .notFound((c) => c.body(null, 500))
    .get('/healthz', async (c) => answerHealth(await c.env.checkHealth()))
    .get(
      '*',
      async (c, next) =>
        (c.env.unset.length > 0 || c.env.isNameless) && wantsPage(c.req.raw) ? next() : c.body(null, 500),
      pageHeaders,
      async (c) => {
        const { renderAddressPage, renderSetupPage } = await import('./pages/setup-page.ts')
        const { unset, isNameless } = c.env
        const { nonce } = c.var
        return c.html(isNameless ? renderAddressPage(nonce) : renderSetupPage(unset, nonce), 500)
      },
    )
}

function wantsPage(request: Request): boolean {
  return request.method === 'GET' && /\btext\/html\b/i.test(request.headers.get('Accept') ?? '')
}
