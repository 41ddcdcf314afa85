/**
 * The Worker of `npm start`: the one that is deployed, and a page to play with it at `/dev`. It is an entry point of its
 * own, so that nothing of the page is in what is deployed; requests to any other path are for the real Worker.
 */

import { createPurge } from '../db/purge.ts'
import worker, { TokenService as DeployedTokenService } from '../index.ts'
import type { BindingProps } from '../rpc/contract.ts'
import { PLATFORM, type Runtime, runtimeFor, type Surroundings } from '../services.ts'
import { readPasswords } from './demo-accounts.ts'
import { isForPlayground } from './local.ts'
import { comeFrom, type IncomingRequest } from './places.ts'
import { createPlayground } from './playground.tsx'
import { createRun, noteEvent, notePair } from './run.ts'

const playground = createPlayground()
const run = createRun()

const surroundings: Surroundings = {
  now: () => PLATFORM.now() + run.aheadSeconds,
  log(event) {
    PLATFORM.log(event)
    noteEvent(run, surroundings.now(), event)
  },
}

export default {
  async fetch(request, env, ctx) {
    const runtime = await start(env)
    // The page of a Worker that cannot start shows the reason and no account, so that `PUBLIC_URL` need not be known.
    const settings = runtime instanceof Error ? { publicUrl: undefined, basePath: '' } : runtime.services.settings
    if (!isForPlayground(request, settings)) return answer(comeFrom(run.place, request))
    return playground.fetch(request, {
      run,
      runtime,
      now: surroundings.now,
      database: env.DB,
      passwords: readPasswords(env),
      answer,
      async runCron() {
        await worker.scheduled({ cron: '', scheduledTime: Date.now(), noRetry() {} }, env)
        // `scheduled` purges one slice of a day; a clock that moved by a day or more needs all of them.
        await createPurge(env.DB, surroundings.log, { slices: 1 })(surroundings.now(), 0)
      },
    })

    async function answer(asked: IncomingRequest): Promise<Response> {
      const response = await worker.fetch(asked, env, ctx)
      notePair(run, response)
      return response
    }
  },

  async queue(batch, env) {
    await start(env)
    await worker.queue(batch, env)
  },

  async scheduled(controller, env) {
    await start(env)
    await worker.scheduled(controller, env)
  },
} satisfies ExportedHandler<Env>

/** The entry point for other Workers, which a Worker in another `wrangler dev` is bound to as it would be to what is deployed. */
export class TokenService extends DeployedTokenService {
  constructor(ctx: ExecutionContext<BindingProps>, env: Env) {
    super(ctx, env)
    // Whoever builds the runtime decides on its clock.
    ctx.waitUntil(start(env))
  }
}

/** Builds the runtime, with the clock of this run, before the Worker would. Returns why it cannot start, which the Worker logs. */
async function start(env: Env): Promise<Runtime | Error> {
  try {
    return await runtimeFor(env, surroundings)
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
