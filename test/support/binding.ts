/** The binding of Tessera, as another Worker has it, over a Worker of the test's own settings. */

import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'

import { TokenService } from '../../src/index.ts'
import type { BindingProps, Method, TokenServiceBinding } from '../../src/rpc/contract.ts'
import { HOME, ORIGIN, startWorker, type TestWorker } from './worker.ts'

/** A deployment that knows its address, which a call cannot show it. */
export const addressed = startWorker({ PUBLIC_URL: ORIGIN })

/** All that there is to call, with a name for the ledger. */
export const EVERYTHING = {
  name: 'orders-api',
  methods: ['verify', 'keys', 'introspect', 'issue', 'refresh', 'revokeUser'],
} as const satisfies BindingProps

/** The facts of a client at home. */
export const FACTS = { ip: HOME, country: 'IS', asn: 64_496, city: 'Reykjavík', userAgent: 'curl/8.9.1' }

/** The binding of a Worker whose configuration has these props. What a call leaves to be done afterwards is done when it returns. */
export function bindTo(
  { bindings }: Pick<TestWorker, 'bindings'> = addressed,
  props: unknown = EVERYTHING,
  Service = TokenService,
): TokenServiceBinding {
  async function call(method: Method, values: readonly never[]): Promise<never> {
    const ctx = createExecutionContext()
    Object.defineProperty(ctx, 'props', { value: props })
    const service: Readonly<Record<Method, (...all: readonly never[]) => Promise<unknown>>> = new Service(ctx, bindings)
    const answer = await service[method](...values)
    await waitOnExecutionContext(ctx)
    // Over a binding, an answer is a copy: what cannot be copied does not arrive.
    return structuredClone(answer) as never
  }
  return {
    verify: (...values) => call('verify', values as never),
    keys: (...values) => call('keys', values),
    introspect: (...values) => call('introspect', values as never),
    issue: (...values) => call('issue', values as never),
    refresh: (...values) => call('refresh', values as never),
    revokeUser: (...values) => call('revokeUser', values as never),
  }
}
