/**
 * Composition root: from the bindings of one environment to the services that the rules ask for. Built once per
 * isolate, so no request pays for parsing the configuration, deriving keys or building SQL.
 */

import { type Config, ConfigError, parseConfig, serviceKeysOf, settingsOf, verifyingSecretsOf } from './config.ts'
import { createAccountStore } from './db/accounts/store.ts'
import { createAttemptStore } from './db/accounts/attempts.ts'
import type { Purge } from './db/purge.ts'
import { createSessionStore } from './db/sessions/store.ts'
import { createEventFeed, type NotedFeed } from './domain/events/event-outbox.ts'
import { createDoubts } from './domain/sessions/doubts.ts'
import { createServiceKeyCheck } from './domain/operators/service-key.ts'
import { deriveKeys } from './domain/tokens/keys.ts'
import { importRsaKey, type Pkcs8 } from './domain/tokens/rsa-key.ts'
import type { AccessKey } from './domain/tokens/token-key.ts'
import { signLink } from './domain/mails/links.ts'
import { subjectOf } from './domain/accounts/attempts.ts'
import { createPasswords } from './domain/accounts/passwords.ts'
import type { Services } from './domain/services.ts'
import { createTokens } from './domain/tokens/tokens.ts'
import type { EventMessage } from './domain/events/event-message.ts'
import { eventQueueOf } from './event-binding.ts'
import type { EventSender } from './event-sender.ts'
import { bindingProbes, configuredProbes, createHealthCheck, type Probes } from './health.ts'
import type { DeliveryDeps } from './mail/delivery.ts'
import { nameSender } from './mail/sender.ts'
import { announce, announceAll, type QueueDeps } from './mail/queue.ts'
import { withRay } from './log.ts'
import { deferred, once } from './once.ts'
import { createRateLimits } from './rate-limits.ts'
import type { Transport } from './mail/transports/transport.ts'
import { passwordPrimitives } from './password-primitives.ts'

/** What one isolate needs: to answer requests, to empty the outbox, to delete what is over. */
export interface Runtime {
  readonly services: Services
  readonly delivery: DeliveryDeps & QueueDeps
  /** `null`: no queue of events is bound. */
  readonly events: EventSender | null
  readonly purge: Purge
}

/** What a runtime needs besides bindings: the clock, in seconds since 1970, and the log. */
export type Surroundings = Pick<Services, 'now' | 'log'>

/** The clock and the log of the platform. */
export const PLATFORM: Surroundings = {
  now: () => Math.floor(Date.now() / 1000),
  log: (event) => console.warn(event),
}

const ready = new WeakMap<Env, Runtime>()
const starting = new WeakMap<Env, Promise<Runtime>>()

/** The runtime of an environment if it is built already, so that a warm request awaits no promise. */
export function readyRuntime(env: Env): Runtime | undefined {
  return ready.get(env)
}

/**
 * The runtime of an environment, built if need be, in the surroundings of whoever asks first. Rejects with `ConfigError`
 * when it is not configured.
 */
export function runtimeFor(env: Env, surroundings = PLATFORM): Promise<Runtime> {
  const known = starting.get(env)
  if (known !== undefined) return known
  const runtime = createRuntime(env, surroundings)
  starting.set(env, runtime)
  runtime.then(
    (built) => ready.set(env, built),
    // A failed start is forgotten, so that the next request starts again: what was missing may be there by then.
    () => starting.delete(env),
  )
  return runtime
}

/** Says in the log, in one line, why an environment has no runtime. */
export function reportFailedStart(reason: unknown): void {
  console.error(reason instanceof ConfigError ? reason.message : `Start-up failed: ${String(reason)}`)
}

/** The services of one request: what its rules log names the request. */
export function servicesFor({ headers }: Request, services: Services): Services {
  const ray = headers.get('CF-Ray')
  return ray === null ? services : { ...services, log: withRay(services.log, ray) }
}

/** The health of an environment that has no runtime, and why it has none. */
export function createBrokenHealthCheck(env: Env, error: unknown): Services['checkHealth'] {
  const fail = () => {
    throw error
  }
  const isConfigured = !(error instanceof ConfigError)
  const broken: Probes = isConfigured ? { configuration: () => undefined, keys: fail } : { configuration: fail }
  return createHealthCheck({ ...bindingProbes(env), ...broken }, PLATFORM)
}

async function createRuntime(env: Env, { now, log }: Surroundings): Promise<Runtime> {
  const config = parseConfig(env)
  const signing = { alg: config.ACCESS_TOKEN_ALG, rsa: await importRsaKeys(config) }
  const keys = await deriveKeys(config.AUTH_SECRET, verifyingSecretsOf(config), signing)
  const tokens = createTokens(keys, config.ACCESS_TOKEN_TYP)
  const settings = settingsOf(config)
  const eventQueue = eventQueueOf(env)
  // A deployment by an older wrangler.toml does not bind them.
  const { ASSETS: assets }: Partial<Env> = env
  const feed = createEventFeed(eventQueue !== undefined)
  const followed = eventQueue === undefined ? null : await follow(env, eventQueue, feed, { now, log })
  const delivery: Runtime['delivery'] = {
    outbox: deferred(async () => (await import('./db/mails/outbox.ts')).createOutbox(env.DB)),
    transport: transportOf(config, env),
    queue: env.MAIL_QUEUE,
    signLink: (purpose, notice) => signLink({ tokens, settings }, purpose, notice),
    settings,
    now,
    log,
  }
  const purge = once(async () => (await import('./db/purge.ts')).createPurge(env.DB, log, feed))
  const services: Services = {
    settings,
    tokens,
    passwords: createPasswords(passwordPrimitives),
    isCommonPassword,
    isLeakedPassword,
    sessions: createSessionStore(env.DB, newId, { feed, told: followed?.told ?? null }),
    accounts: createAccountStore(env.DB),
    accountChanges: once(async () =>
      (await import('./db/accounts/changes.ts')).createAccountChangeStore(env.DB, newId, feed),
    ),
    operators: once(async () => (await import('./db/operators/store.ts')).createOperatorStore(env.DB, newId, feed)),
    attempts: createAttemptStore(env.DB, newId),
    subjectOf: (email) => subjectOf(keys.subject, email),
    links: deferred(async () => (await import('./db/mails/links.ts')).createLinkStore(env.DB, feed)),
    places: deferred(async () => (await import('./db/places.ts')).createAllowedPlaceStore(env.DB)),
    doubts: createDoubts(),
    rates: createRateLimits(env, settings.publicUrl, log),
    findServiceKey: await createServiceKeyCheck(serviceKeysOf(config)),
    announce: (mail) => announce(delivery, mail),
    announceAll: (mails) => announceAll(delivery, mails),
    checkHealth: createHealthCheck(configuredProbes(env, config), { now, log }),
    fetchAsset: (path, headers) => assets?.fetch(`https://assets${path}`, { headers }),
    now,
    newId,
    log,
  }
  return {
    services,
    delivery,
    events: followed?.sender ?? null,
    purge: async (...when) => (await purge())(...when),
  }
}

/** What only a deployment with a queue of events needs: the events of single sessions, and what sends all. */
async function follow({ DB }: Env, queue: Queue<EventMessage>, feed: NotedFeed, surroundings: Surroundings) {
  const [{ prepareSessionEvents }, { createEventSender }] = await Promise.all([
    import('./db/events/session-events.ts'),
    import('./event-sender.ts'),
  ])
  return { told: prepareSessionEvents(DB), sender: createEventSender(DB, queue, feed, surroundings) }
}

/** The RSA keys that are set, the current one first. Only their import shows whether the numbers of each belong together. */
function importRsaKeys(config: Config): Promise<readonly AccessKey[]> {
  const { ACCESS_TOKEN_RSA_KEY: current, ACCESS_TOKEN_RSA_KEY_PREVIOUS: previous } = config
  return Promise.all([
    ...(current === undefined ? [] : [importOf('ACCESS_TOKEN_RSA_KEY', current)]),
    ...previous.map((key, i) => importOf(`ACCESS_TOKEN_RSA_KEY_PREVIOUS.${i}`, key)),
  ])
}

async function importOf(setting: string, key: Pkcs8): Promise<AccessKey> {
  try {
    return await importRsaKey(key)
  } catch {
    throw new ConfigError(`Configuration: ${setting} is damaged: it cannot be imported`)
  }
}

function newId(): string {
  return crypto.randomUUID()
}

function transportOf(config: Config, env: Env): Transport {
  const { MAIL_TRANSPORT, MAIL_API_URL: url, MAIL_API_KEY: key } = config
  const from = nameSender(config.MAIL_FROM, config.APP_NAME)
  switch (MAIL_TRANSPORT) {
    case 'cloudflare':
      return async (mail) => {
        const { cloudflareTransport } = await import('./mail/transports/cloudflare.ts')
        return cloudflareTransport(env.EMAIL, from)(mail)
      }
    case 'api':
      if (url === undefined) throw new ConfigError('MAIL_API_URL is needed by MAIL_TRANSPORT=api')
      return async (mail) => {
        const { apiTransport } = await import('./mail/transports/api.ts')
        return apiTransport({ url, key, from })(mail)
      }
  }
}

// Only the requests that set a password load the list, and what reads it.
async function isCommonPassword(password: string): Promise<boolean> {
  const [rules, { default: list }] = await Promise.all([
    import('./domain/accounts/most-used-passwords.ts'),
    import('./domain/accounts/most-used-passwords.bin'),
  ])
  return rules.isCommonPassword(new Uint8Array(list), password)
}

async function isLeakedPassword(password: string): Promise<boolean> {
  const leaks = await import('./leaked-passwords.ts')
  return leaks.isLeakedPassword(password)
}
