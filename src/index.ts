/** The Worker: its entry points, wired to the services of its environment. Nothing is decided here. */

import { createApp, setCommonHeaders } from './app.ts'
import { ConfigError } from './config.ts'
import { deliver, giveUp, sweep } from './mail/delivery.ts'
import { readyRuntime, type Runtime, runtimeFor } from './services.ts'

const app = createApp()

/** As wrangler.toml names it. */
const DEAD_LETTER_QUEUE = 'tessera-mail-dead'

export default {
  async fetch(request, env, ctx) {
    const runtime = readyRuntime(env) ?? (await configured(env))
    // Whoever calls cannot mend a deployment: they get no more than the status.
    if (runtime === null) return setCommonHeaders(new Response(null, { status: 500 }))
    return setCommonHeaders(await app.fetch(request, runtime.services, ctx))
  },

  async queue(batch, env) {
    const { delivery } = await runtimeFor(env)
    await (batch.queue === DEAD_LETTER_QUEUE ? giveUp : deliver)(delivery, batch)
  },

  async scheduled(_event, env) {
    const { services, delivery, purge } = await runtimeFor(env)
    // Each runs to its end, whatever becomes of the other; then a failure may show as one.
    const results = await Promise.allSettled([sweep(delivery), purge(services.now())])
    for (const result of results) if (result.status === 'rejected') throw result.reason
  },
} satisfies ExportedHandler<Env>

/** `null` when this deployment cannot start; the log says in one line why. */
async function configured(env: Env): Promise<Runtime | null> {
  try {
    return await runtimeFor(env)
  } catch (error) {
    console.error(error instanceof ConfigError ? error.message : `Start-up failed: ${String(error)}`)
    return null
  }
}
