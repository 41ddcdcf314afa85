/** A bundle in a workerd of its own, with the bindings of `wrangler.toml`, asked on a socket that leads straight to it. */

import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import type { Bundle } from './build.ts'
import { childrenNamed } from './cpu.ts'
import { readWorkerOptions } from './worker-options.ts'

export interface Served {
  readonly name: string
  readonly pid: number
  readonly port: number
  readonly database: () => Promise<D1Database>
  readonly stop: () => Promise<void>
}

export interface ServeOptions {
  /** Where its D1 lies; it is the only one that uses it. */
  readonly storage: string
  /** Copied to `storage` first. */
  readonly template?: string
  readonly bindings?: Readonly<Record<string, string>>
  /** The Worker takes mails off the queue. */
  readonly consumesQueues?: boolean
  /** Lets `inspectHeap` look into it. */
  readonly inspectorPort?: number
}

/** Starts a workerd and waits until it takes requests. Only one at a time may start, since its process is known by being the new one. */
export async function serve({ name, modules }: Bundle, options: ServeOptions): Promise<Served> {
  const { storage, template, bindings = {}, consumesQueues = false, inspectorPort } = options
  if (template !== undefined && !existsSync(storage)) cpSync(template, storage, { recursive: true })
  mkdirSync(storage, { recursive: true })
  const configured = readWorkerOptions()
  const before = childrenNamed('workerd')
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...configured,
      name,
      // All requests of a benchmark come from one address.
      ratelimits: {},
      ...(!consumesQueues && { queueConsumers: {} }),
      modules: modules.map(({ name: path, type, contents }) => ({ type, path: join(storage, path), contents })),
      modulesRoot: storage,
      bindings: { ...configured.bindings, ...bindings },
      resourcePersistencePath: storage,
      unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      ...(inspectorPort !== undefined && { inspectorPort }),
      cf: false,
      telemetry: { enabled: false },
    }),
  )
  const url = await miniflare.unsafeGetDirectURL(name)
  const [pid, ...others] = childrenNamed('workerd').filter((child) => !before.includes(child))
  if (pid === undefined || others.length > 0) throw new Error(`which workerd is ${name}?`)
  return {
    name,
    pid,
    port: Number(url.port),
    database: () => miniflare.getD1Database('DB', name),
    stop: () => miniflare.dispose(),
  }
}
