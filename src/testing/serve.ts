/** The Worker of the kit in a workerd of its own, on a free port of this machine, with a database and queues in memory. */

import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import type { Readable } from 'node:stream'

import type * as MiniflareModule from 'miniflare'

import {
  CONTROL_KEY_HEADER,
  CONTROL_PATH,
  type ControlAnswer,
  type ControlRequest,
  type MailState,
  type Migration,
} from './control-contract.ts'
import { watchOver } from './watch-over.ts'

/** What scripts/testing-worker.ts makes of wrangler.toml and the migrations. */
export interface PackedWorker {
  readonly options: {
    readonly compatibilityDate: string
    readonly compatibilityFlags: readonly string[]
    readonly bindings: Readonly<Record<string, string>>
    readonly d1Databases: unknown
    readonly queueProducers: unknown
    readonly queueConsumers: Readonly<Record<string, object>>
  }
  readonly migrations: readonly Migration[]
}

/** A mail as Tessera handed it over. `id` is that of its row in the outbox. */
export interface DeliveredMail {
  readonly id: string
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html: string
}

/** Where a request comes from, as Cloudflare's edge would say. */
export interface Place {
  readonly address: string
  readonly country: string
  readonly city: string
  readonly asn: number
  readonly provider: string
}

export interface Served {
  readonly origin: string
  /** Asks Tessera for a path, from a place. */
  readonly ask: (path: string, init: RequestInit, place: Place) => Promise<Response>
  /** Asks the Worker of the kit, and not Tessera. Resolves to the newest mail, where one was asked for. */
  readonly control: (asked: ControlRequest) => Promise<MailState | null>
  /** Mails by the id of their rows. */
  readonly mails: ReadonlyMap<string, DeliveredMail>
  readonly stop: () => Promise<void>
}

/** Where a browser and an application of this machine are: an address of their own, a network for private use (RFC 6996). */
export const HOME: Place = {
  address: '127.0.0.1',
  country: 'US',
  city: 'Austin',
  asn: 64_512,
  provider: 'Example Home',
}

const NAME = 'tessera-testing'
/** How long a queue waits for more mails, in seconds: a test has one, and waits for it. */
const BATCH_SECONDS = 0.02
const ENTRY = 'index.js'
const MODULE_TYPES: Readonly<Record<string, 'ESModule' | 'Data' | 'Text' | 'CompiledWasm'>> = {
  '.js': 'ESModule',
  '.bin': 'Data',
  '.txt': 'Text',
  '.wasm': 'CompiledWasm',
}

/** Starts a workerd, and resolves once Tessera answers. Throws where it cannot start from these bindings, with the reason. */
export async function serve(bindings: Readonly<Record<string, string>>, port: number): Promise<Served> {
  const { convertV4MiniflareOptions, Log, LogLevel, Miniflare, Response: Answer } = await loadMiniflare()
  const folder = join(import.meta.dirname, 'testing')
  const { options, migrations }: PackedWorker = JSON.parse(readFileSync(join(folder, 'worker.json'), 'utf8'))
  const controlKey = crypto.randomUUID()
  const mails = new Map<string, DeliveredMail>()
  const started = watchOver()
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...(options as object),
      name: NAME,
      modules: modulesIn(join(folder, 'worker')),
      modulesRoot: join(folder, 'worker'),
      queueConsumers: Object.fromEntries(
        Object.entries(options.queueConsumers).map(([queue, how]) => [
          queue,
          { ...how, maxBatchTimeout: BATCH_SECONDS },
        ]),
      ),
      bindings: { ...options.bindings, ...bindings, TESTING: JSON.parse(JSON.stringify({ controlKey, migrations })) },
      // Only this machine reaches it, and by one address: `localhost` may be two, and a session has one.
      host: HOME.address,
      port,
      cf: cfOf(HOME),
      telemetry: { enabled: false },
      log: new Log(LogLevel.NONE),
      handleStructuredLogs() {},
      handleRuntimeStdio(...streams: readonly Readable[]) {
        // Nobody reads the log of Tessera, and an unread stream would fill and stop it.
        for (const stream of streams) stream.resume()
      },
      // Everything that Tessera would ask of the Internet ends here. Its mails are all that is answered.
      async outboundService(request) {
        const id = request.headers.get('Idempotency-Key')
        if (id === null) return new Answer('tessera/testing reaches nothing outside', { status: 502 })
        const mail: Omit<DeliveredMail, 'id'> = JSON.parse(await request.text())
        mails.set(id, { ...mail, id })
        return new Answer(null, { status: 204 })
      },
    }),
  )
  const stop = async () => {
    await miniflare.dispose()
    started.end()
  }
  try {
    const { port: taken } = await miniflare.ready
    started.found()
    const origin = `http://localhost:${taken}`
    const served: Served = {
      origin,
      async ask(path, { method = 'GET', headers, body }, place) {
        const sent = new Headers(headers)
        sent.set('CF-Connecting-IP', place.address)
        const init = { method, headers: [...sent], ...(typeof body === 'string' && { body }), cf: cfOf(place) }
        return toResponse(await miniflare.dispatchFetch(`${origin}${path}`, init as MiniflareModule.RequestInit))
      },
      async control(asked) {
        const headers = { [CONTROL_KEY_HEADER]: controlKey }
        const answer = await miniflare.dispatchFetch(`${origin}${CONTROL_PATH}`, {
          method: 'POST',
          headers,
          body: JSON.stringify(asked),
        })
        if (!answer.ok) throw new Error(`tessera/testing: ${answer.status} ${await answer.text()}`)
        const body: ControlAnswer = JSON.parse(await answer.text())
        if ('error' in body) throw new Error(`Tessera does not start. ${body.error}`)
        return body.mail
      },
      mails,
      stop,
    }
    await served.control({})
    return served
  } catch (error) {
    await stop()
    throw error
  }
}

/** miniflare comes with wrangler, beside it or inside it, as the package manager likes. */
async function loadMiniflare(): Promise<typeof MiniflareModule> {
  let wrangler: string
  try {
    wrangler = createRequire(import.meta.url).resolve('wrangler/package.json')
  } catch (cause) {
    throw new Error(
      'tessera/testing runs Tessera in workerd, which comes with wrangler: npm install --save-dev wrangler',
      { cause },
    )
  }
  return import(createRequire(wrangler).resolve('miniflare'))
}

function modulesIn(folder: string) {
  const names = readdirSync(folder)
  // The first one is the entry.
  return [ENTRY, ...names.filter((name) => name !== ENTRY)].map((name) => ({
    type: MODULE_TYPES[extname(name)] ?? 'Data',
    path: join(folder, name),
  }))
}

function cfOf({ country, city, asn, provider }: Place) {
  return { country, city, asn, asOrganization: provider }
}

async function toResponse(answer: MiniflareModule.Response): Promise<Response> {
  const headers = new Headers([...answer.headers])
  const { status } = answer
  const text = await answer.text()
  return new Response([204, 304].includes(status) ? null : text, { status, headers })
}
