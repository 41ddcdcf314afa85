/** The Worker: its entry points, wired to the services of its environment. Nothing is decided here. */

import { createApp, setCommonHeaders } from './app.ts'
import { sweep } from './mail/queue.ts'
import { addressOf, answerMisdirected, UnknownAddress } from './own-address.ts'
import { readyRuntime, reportFailedStart, type Runtime, runtimeFor, servicesFor } from './services.ts'

export { TokenService } from './token-service.ts'

const app = createApp()

/** The end of the dead letter queue's name, by which it is recognized; each deployment has its own start. */
const DEAD_LETTER_SUFFIX = '-dead'

export default {
  async fetch(request, env, ctx) {
    let runtime = readyRuntime(env)
    if (runtime === undefined) {
      try {
        runtime = await runtimeFor(env)
      } catch (error) {
        return setCommonHeaders(await giveReason(request, env, error), request)
      }
    }
    const answer = await serve(request, env, ctx, runtime)
    const sending = runtime.events?.sendNoted()
    if (sending) ctx.waitUntil(sending)
    return setCommonHeaders(answer, request, runtime.services.settings.corsOrigins)
  },

  async queue(batch, env) {
    const { delivery } = await runtimeFor(env)
    // What makes and sends mails is loaded with the first of them: an isolate that answers requests rarely sends one.
    const { deliver, giveUp } = await import('./mail/delivery.ts')
    await (batch.queue.endsWith(DEAD_LETTER_SUFFIX) ? giveUp : deliver)(delivery, batch)
  },

  async scheduled({ scheduledTime }, env) {
    const { services, delivery, events, purge } = await runtimeFor(env)
    // All run to their end, whatever becomes of the others. Then a failure is thrown, so that the cron run counts as failed.
    const results = await Promise.allSettled([
      sweep(delivery),
      events?.sweep(),
      purge(services.now(), scheduledTime / 1000),
    ])
    for (const result of results) if (result.status === 'rejected') throw result.reason
  },
} satisfies ExportedHandler<Env>

/** Answers under the address of this deployment alone. The host is checked before anything else of the request. */
function serve(request: Request, env: Env, ctx: ExecutionContext, runtime: Runtime): Response | Promise<Response> {
  const services = servicesFor(request, runtime.services)
  const address = addressOf(request.url, services.settings.publicUrl)
  if (address === 'own') return app.fetch(request, services, ctx)
  if (address === 'foreign') return answerMisdirected(request, services)
  return giveReason(request, env, new UnknownAddress())
}

/** Every answer of a deployment that cannot start; the log says in one line why. */
async function giveReason(request: Request, env: Env, reason: unknown): Promise<Response> {
  reportFailedStart(reason)
  const { answerUnconfigured } = await import('./unconfigured.ts')
  return answerUnconfigured(request, env, reason)
}
