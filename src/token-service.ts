/**
 * The entry point for other Workers of the account, which call it over a service binding: docs/service-binding.md. What answers them is loaded
 * with the first call.
 */

import { WorkerEntrypoint } from 'cloudflare:workers'

import type { AnswerOf } from './rpc/answer.ts'
import type { BindingProps, Method, TokenServiceBinding } from './rpc/contract.ts'
import { reportFailedStart, runtimeFor } from './services.ts'

type Values<Name extends Method> = Parameters<TokenServiceBinding[Name]>

export class TokenService extends WorkerEntrypoint<Env, BindingProps> implements TokenServiceBinding {
  verify(...values: Values<'verify'>) {
    return this.#answer('verify', values)
  }

  keys(...values: Values<'keys'>) {
    return this.#answer('keys', values)
  }

  introspect(...values: Values<'introspect'>) {
    return this.#answer('introspect', values)
  }

  issue(...values: Values<'issue'>) {
    return this.#answer('issue', values)
  }

  refresh(...values: Values<'refresh'>) {
    return this.#answer('refresh', values)
  }

  revokeUser(...values: Values<'revokeUser'>) {
    return this.#answer('revokeUser', values)
  }

  // A method of TypeScript's `private` could be called over the binding; one of the language's own cannot.
  async #answer<Name extends Method>(method: Name, values: readonly unknown[]): Promise<AnswerOf<Name>> {
    const { answerCall } = await import('./rpc/answer.ts')
    return answerCall(method, values, this.ctx, () => runtimeFor(this.env), reportFailedStart)
  }
}
