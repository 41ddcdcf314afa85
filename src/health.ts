/**
 * The health of a deployment, part by part. Anybody may ask, so asking often must cost little: an answer is kept for some
 * seconds, and only a new one asks D1 and the queue, or writes to the log.
 */

import type { Config } from './config.ts'
import { eventQueueOf } from './event-binding.ts'
import { isMigrated } from './db/migration-check.ts'
import { describeError } from './domain/describe-error.ts'
import type { Condition, Health, Part } from './domain/health.ts'
import { inTime } from './domain/in-time.ts'
import { type Log, NOT_MIGRATED } from './log.ts'

/** A part is well when its probe returns; what the probe throws says what is wrong, for the log. */
export type Probes = Readonly<Partial<Record<Part, () => unknown>>>

interface HealthDeps {
  /** Seconds since 1970. */
  readonly now: () => number
  readonly log: Log
}

/** How long one isolate gives the same answer. */
const FRESH_SECONDS = 5
/** A part that takes longer is not well. */
const PATIENCE_MILLISECONDS = 2000

/** Probes for the bindings, which can be asked whatever the configuration is. */
export function bindingProbes(env: Env): Probes {
  return {
    async database() {
      if (!(await isMigrated(env.DB))) throw new Error(NOT_MIGRATED)
    },
    queue: () => Promise.all([env.MAIL_QUEUE.metrics(), askEvents(env)]),
  }
}

async function askEvents(env: Env): Promise<void> {
  try {
    await eventQueueOf(env)?.metrics()
  } catch (error) {
    throw new Error('EVENTS', { cause: error })
  }
}

/** Probes for what a configuration that could be read has decided. Keys have been derived by then. */
export function configuredProbes(env: Env, config: Config): Probes {
  return {
    ...bindingProbes(env),
    configuration: () => undefined,
    keys: () => undefined,
    sender() {
      if (config.MAIL_TRANSPORT === 'cloudflare' && !isBound(env.EMAIL)) throw new Error('No send_email binding EMAIL')
      // Locally every mail is kept to be read, whoever sends it.
      if (config.PUBLIC_URL?.startsWith('https:') && /@example\.(?:com|net|org)>?$/.test(config.MAIL_FROM)) {
        throw new Error('MAIL_FROM is still the sample. Set it to an address of a domain that is onboarded')
      }
    },
  }
}

/** Asks every probe at once. A part without a probe is `unknown`. */
export function createHealthCheck(probes: Probes, { now, log }: HealthDeps): () => Promise<Health> {
  let known: { readonly health: Health; readonly until: number } | undefined

  async function probe(part: Part): Promise<Condition> {
    const ask = probes[part]
    if (ask === undefined) return 'unknown'
    try {
      await inTime((async () => ask())(), PATIENCE_MILLISECONDS)
      return 'ok'
    } catch (error) {
      log({ event: 'not_healthy', part, error: describeError(error) })
      return 'not ok'
    }
  }

  return async () => {
    if (known !== undefined && now() < known.until) return known.health
    // A caller who asks while a check runs gets the previous answer, so that a slow part is not asked once for each caller.
    if (known !== undefined) known = { health: known.health, until: now() + FRESH_SECONDS }
    const [configuration, keys, database, queue, sender] = await Promise.all([
      probe('configuration'),
      probe('keys'),
      probe('database'),
      probe('queue'),
      probe('sender'),
    ])
    const health: Health = { configuration, keys, database, queue, sender }
    known = { health, until: now() + FRESH_SECONDS }
    return health
  }
}

/** Whether a deployment has a binding. Its type says that it has, and does not know of a deployment that lacks it. */
function isBound(binding: unknown): boolean {
  return binding !== undefined && binding !== null
}
