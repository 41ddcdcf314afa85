/** The answer to a call of another Worker: what its method came to, or why it was refused, as a value. Loaded with the first call. */

import type { Services } from '../domain/services.ts'
import { TesseraError } from '../errors.ts'
import { asTesseraError, logRefusal } from '../log-refusal.ts'
import type { Method, Refusal, TokenServiceBinding } from './contract.ts'
import { METHODS } from './methods.ts'
import { requireMethod } from './permission.ts'

export type AnswerOf<Name extends Method> = Awaited<ReturnType<TokenServiceBinding[Name]>>

/** The call as the platform knows it. */
interface Surroundings {
  /** What the configuration of the caller says of its binding. */
  readonly props: unknown
  /** Takes work that goes on after the answer. */
  readonly waitUntil: (work: Promise<unknown>) => void
}

/** What a call needs of this deployment. */
interface Started {
  readonly services: Services
  /** `null`: nobody follows events. */
  readonly events: { readonly sendNoted: () => Promise<void> | null } | null
}

/**
 * Answers a call. Never rejects: where `start` does, the answer is `unavailable`, and `report` is told why. Refusals are lines of the log, as those
 * of HTTP, with the route `rpc/` and the method.
 */
export async function answerCall<Name extends Method>(
  method: Name,
  values: readonly unknown[],
  ctx: Surroundings,
  start: () => Promise<Started>,
  report: (reason: unknown) => void,
): Promise<AnswerOf<Name>> {
  const started = await start().catch(report)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every method may answer a refusal
  if (!started) return describeRefusal(new TesseraError('unavailable')) as AnswerOf<Name>
  const { services, events } = started
  const answer = await answerFrom(services, method, values, ctx)
  const sending = events?.sendNoted()
  if (sending) ctx.waitUntil(sending)
  return answer
}

async function answerFrom<Name extends Method>(
  services: Services,
  method: Name,
  values: readonly unknown[],
  ctx: Surroundings,
): Promise<AnswerOf<Name>> {
  try {
    const props = requireMethod(ctx.props, method)
    const call = { services, props, afterwards: (work: Promise<void>) => ctx.waitUntil(work) }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the answer of the method of this name, and that it is one
    return { ...(await METHODS[method](call, ...values)), ok: true } as AnswerOf<Name>
  } catch (thrown) {
    const error = asTesseraError(thrown)
    logRefusal(services.log, error, () => `rpc/${method}`)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
    return describeRefusal(error) as AnswerOf<Name>
  }
}

function describeRefusal({ code, status, message, fields, retryAfterSeconds }: TesseraError): Refusal {
  return {
    ok: false,
    code,
    status,
    detail: message,
    ...(fields !== undefined && { errors: fields }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  }
}
