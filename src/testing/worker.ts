/**
 * The Worker of `tessera/testing`: the one that is deployed, with a clock that can be moved. It is an entry point of its own, so that nothing
 * of it is in what is deployed; and deployed itself, or given a real secret, it answers nothing.
 */

import { createPurge } from '../db/purge.ts'
import worker from '../index.ts'
import { PLATFORM, type Runtime, runtimeFor, type Surroundings } from '../services.ts'
import { answerControl, isControl } from './control.ts'
import { migrateOnce, type TestingEnv } from './migrate.ts'
import { isTestSecret, realSecrets } from './secrets.ts'

const DAY_SECONDS = 86_400

let aheadSeconds = 0

const surroundings: Surroundings = {
  now: () => PLATFORM.now() + aheadSeconds,
  // The output of a test is for what the test has to say.
  log() {},
}

export default {
  async fetch(request, env, ctx) {
    const refusal = refusalOf(env, request)
    if (refusal !== null) return new Response(`${refusal}\n`, { status: 503, headers: { 'Cache-Control': 'no-store' } })
    const runtime = await start(env)
    if (!isControl(request, env)) return worker.fetch(request, env, ctx)
    return answerControl(request, { database: env.DB, runtime, travel: (seconds) => travel(seconds, env) })
  },

  async queue(batch, env) {
    requireTest(env)
    await start(env)
    await worker.queue(batch, env)
  },

  async scheduled(controller, env) {
    requireTest(env)
    await start(env)
    await worker.scheduled(controller, env)
  },
} satisfies ExportedHandler<TestingEnv>

/** Why this Worker answers nothing, or `null`. A `CF-Ray` is what every request through Cloudflare's network has. */
function refusalOf(env: TestingEnv, request?: Request): string | null {
  const what = 'This is the Worker of tessera/testing, which is for tests alone, and answers nothing here'
  if (!isTestSecret(env.AUTH_SECRET)) return `${what}: AUTH_SECRET is none that the kit has made.`
  const [real] = realSecrets({ ...env, ACCESS_TOKEN_RSA_KEY: undefined })
  if (real !== undefined) return `${what}: ${real}.`
  if (request?.headers.has('CF-Ray') === true) return `${what}: it was deployed.`
  return null
}

function requireTest(env: TestingEnv): void {
  const refusal = refusalOf(env)
  if (refusal !== null) throw new Error(refusal)
}

/** Builds the runtime, with the clock of the test, before the Worker would. Returns why it cannot start. */
async function start(env: TestingEnv): Promise<Runtime | Error> {
  try {
    await migrateOnce(env)
    return await runtimeFor(env, surroundings)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** Moves the clock on. The cron trigger would have run in the meantime, and deleted what is over. */
async function travel(seconds: number, env: TestingEnv): Promise<void> {
  aheadSeconds += seconds
  const now = surroundings.now()
  await worker.scheduled({ cron: '', scheduledTime: now * 1000, noRetry() {} }, env)
  // One run purges a slice of a day; a clock that moved by a day has had all of them.
  if (seconds >= DAY_SECONDS) await createPurge(env.DB, surroundings.log, { slices: 1 })(now, 0)
}
