/**
 * The API Worker of the examples beside Tessera, in one workerd. Between them stands a switch, a Worker that passes calls on to one of several
 * deployments over one database and counts them: what changes is the configuration of Tessera, while the isolate of the API lives on.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { build } from 'esbuild'
import { convertV4MiniflareOptions, Miniflare, type Response } from 'miniflare'

import { bundle } from '../../bench/build.ts'
import { readWorkerOptions } from '../../bench/worker-options.ts'
import type { Answer, IssuedPair } from '../../src/rpc/contract.ts'
import { TEST_BINDINGS } from './bindings.ts'
import { ROOT } from './markdown.ts'

export const ISSUER = 'https://auth.example.com'

/** Secrets of a deployment, as a rotation has them one after the other. */
export type Secrets = Readonly<Record<`AUTH_SECRET${string}`, string>>

const SWITCH = `import { WorkerEntrypoint } from 'cloudflare:workers'
let to = ''
const calls = {}
const pass = (env, method, values) => {
  calls[method] = (calls[method] ?? 0) + 1
  if (to === 'down') throw new Error('Network connection lost.')
  return env[to][method](...values)
}
export class TokenService extends WorkerEntrypoint {
  keys() { return pass(this.env, 'keys', []) }
  introspect(token) { return pass(this.env, 'introspect', [token]) }
}
export default {
  async fetch(request, env) {
    const { to: next, method, values } = await request.json()
    if (next !== undefined) to = next
    return Response.json(method === undefined ? calls : await env[to][method](...values))
  },
}`

export interface ApiWorld {
  /** From now on calls go to the deployment of this name, or to none: `down`. */
  readonly turnTo: (deployment: string) => Promise<void>
  /** How often each method was called through the binding of an API. */
  readonly calls: () => Promise<Readonly<Record<string, number>>>
  /** Calls the current deployment as a Worker that may call everything. */
  readonly call: <Value>(method: string, ...values: readonly unknown[]) => Promise<Answer<Value>>
  /** A pair of a new session at the current deployment. */
  readonly issue: () => Promise<IssuedPair>
  /** A request to an API, the one of this name. */
  readonly ask: (token: string, method?: 'GET' | 'DELETE', api?: string) => Promise<Response>
  /** The addresses that an API has fetched. */
  readonly fetched: readonly string[]
  readonly stop: () => Promise<void>
}

/** Starts deployments by name, and APIs by name, none of which has verified anything. */
export async function startApiWorld(
  deployments: Readonly<Record<string, Secrets>>,
  apis: readonly string[],
): Promise<ApiWorld> {
  const storage = mkdtempSync(join(tmpdir(), 'api-world-'))
  const fetched: string[] = []
  const configured = readWorkerOptions()
  const { modules } = await bundle('tessera', join(ROOT, '.wrangler/test-api-world'))
  const tessera = Object.entries(deployments).map(([name, secrets]) => ({
    ...configured,
    name,
    ratelimits: {},
    queueConsumers: {},
    // One database, whatever the deployment.
    d1Databases: { DB: 'tessera' },
    modules: modules.map(({ name: path, type, contents }) => ({ type, path: join(storage, path), contents })),
    modulesRoot: storage,
    bindings: { ...configured.bindings, ...TEST_BINDINGS, ISSUE_ACCESS: 'service', PUBLIC_URL: ISSUER, ...secrets },
  }))
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, 'examples/api-worker/index.ts')],
    bundle: true,
    format: 'esm',
    write: false,
  })
  const compatibilityDate = configured.compatibilityDate
  const everything = { name: 'switch', methods: ['issue', 'refresh', 'revokeUser', 'introspect', 'keys', 'verify'] }
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: [
        {
          name: 'switch',
          compatibilityDate,
          modules: [{ type: 'ESModule', path: 'switch.js', contents: SWITCH }],
          serviceBindings: Object.fromEntries(
            Object.keys(deployments).map((name) => [name, { name, entrypoint: 'TokenService', props: everything }]),
          ),
        },
        ...tessera,
        ...apis.map((name) => ({
          name,
          compatibilityDate,
          modules: [{ type: 'ESModule' as const, path: 'api.js', contents: outputFiles[0]?.contents ?? '' }],
          bindings: { ISSUER },
          serviceBindings: { TESSERA: { name: 'switch', entrypoint: 'TokenService' } },
          outboundService(request: { readonly url: string }) {
            fetched.push(request.url)
            return new globalThis.Response(null, { status: 404 }) as never
          },
        })),
      ],
      resourcePersistencePath: storage,
      cf: false,
      telemetry: { enabled: false },
    }),
  )
  const database = await miniflare.getD1Database('DB', Object.keys(deployments)[0] ?? '')
  for (const file of readdirSync(join(ROOT, 'migrations')).filter((name) => name.endsWith('.sql'))) {
    const statements = readFileSync(join(ROOT, 'migrations', file), 'utf8').split('--> statement-breakpoint')
    await database.batch(statements.map((statement) => database.prepare(statement)))
  }

  async function order(json: unknown): Promise<unknown> {
    const worker = await miniflare.getWorker('switch')
    const response = await worker.fetch('http://switch/', { method: 'POST', body: JSON.stringify(json) })
    return response.json()
  }
  const world: ApiWorld = {
    fetched,
    turnTo: async (deployment) => void (await order({ to: deployment })),
    calls: async () => (await order({})) as Readonly<Record<string, number>>,
    call: async (method, ...values) => (await order({ method, values })) as never,
    async issue() {
      const answer = await world.call<IssuedPair>('issue', crypto.randomUUID(), { ip: '203.0.113.7' })
      if (!answer.ok) throw new Error(`not issued: ${answer.code}`)
      return answer
    },
    async ask(token, method = 'GET', api = apis[0] ?? '') {
      const worker = await miniflare.getWorker(api)
      return worker.fetch('https://api.example.com/orders', { method, headers: { Authorization: `Bearer ${token}` } })
    },
    async stop() {
      await miniflare.dispose()
      rmSync(storage, { recursive: true, force: true })
    },
  }
  return world
}
