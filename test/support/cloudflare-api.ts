/**
 * A stand-in for Cloudflare: as much of its API as a deploy uses, with an account behind it, and the addresses at which its
 * Workers answer. What it takes and refuses follows the calls in wrangler's source; D1 is SQLite, as it is there.
 */

import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DatabaseSync } from 'node:sqlite'

import { createLocalPasswords } from '../../scripts/local-passwords.ts'
import { COMPILE_CACHE } from './checkout.ts'

export const ACCOUNT = '0123456789abcdef0123456789abcdef'
export const TOKEN = 'token-of-the-stand-in'

export interface Binding {
  readonly name: string
  readonly type: string
  readonly text?: string
  readonly id?: string
  readonly queue_name?: string
}

export interface StandInWorker {
  bindings: readonly Binding[]
  workersDev: boolean
  previewUrls: boolean
  schedules: readonly string[]
  uploads: number
  /** How many static assets its newest version has. */
  assets?: number
}

interface StandInQueue {
  readonly queue_id: string
  readonly queue_name: string
  readonly consumers: {
    consumer_id: string
    type: 'worker'
    script: string
    dead_letter_queue?: string
    settings: object
  }[]
}

export interface Call {
  readonly method: string
  /** Below the account, or below the root. */
  readonly path: string
  readonly body: string
}

export interface Refusal {
  readonly status: number
  readonly code: number
  readonly message: string
}

/** Thrown by what answers a call. */
class Refused extends Error {
  readonly refusal: Refusal
  constructor(status: number, code: number, message: string) {
    super(message)
    this.refusal = { status, code, message }
  }
}

export interface CloudflareApi {
  readonly url: string
  /** Every call that changed, or was meant to change something, in order. */
  readonly changes: Call[]
  readonly databases: Map<string, { name: string; location: string | undefined; sqlite: DatabaseSync }>
  readonly queues: StandInQueue[]
  readonly workers: Map<string, StandInWorker>
  /** Hostname to Worker. */
  readonly domains: Map<string, string>
  readonly zones: { id: string; name: string; status: string }[]
  readonly senders: string[]
  /** What accounts the token may see. */
  readonly accounts: { id: string; name: string }[]
  /** `null`: none was chosen. */
  subdomain: string | null
  /** Of a plan that pays for the CPU of a password. */
  hasCpuForPasswords: boolean
  /** Refuses a call before it is carried out. */
  refuse: (call: Call) => Refusal | null
  /** Runs after a change was carried out and before it is answered. `true`: it never is. */
  afterChange: (call: Call) => boolean
  readonly close: () => Promise<void>
}

type Handler = (match: readonly string[], call: Call, query: URLSearchParams, form: () => Promise<FormData>) => unknown

/** Starts the stand-in on a port of its own. */
export async function startCloudflareApi(): Promise<CloudflareApi> {
  const api: Omit<CloudflareApi, 'url' | 'close'> = {
    changes: [],
    databases: new Map(),
    queues: [],
    workers: new Map(),
    domains: new Map(),
    zones: [{ id: 'zone-1', name: 'example.com', status: 'active' }],
    senders: ['example.com'],
    accounts: [{ id: ACCOUNT, name: 'Acme' }],
    subdomain: 'acme',
    hasCpuForPasswords: true,
    refuse: () => null,
    afterChange: () => false,
  }
  const routes = routesOf(api)

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const bytes = Buffer.concat(chunks)
    const url = new URL(request.url ?? '/', 'http://stand-in')
    if (url.pathname.startsWith('/origin/')) return serve(api, url.pathname, bytes.toString(), response)

    const path = url.pathname.replace(`/accounts/${ACCOUNT}`, '')
    const call = { method: request.method ?? 'GET', path, body: bytes.toString('latin1') }
    const isChange = call.method !== 'GET' && !/^\s*SELECT/i.test(sqlOf(call))
    try {
      // Static assets are sent with the token that their session has given.
      const isAsset = path === '/workers/assets/upload'
      if (!isAsset && request.headers.authorization !== `Bearer ${TOKEN}`)
        throw new Refused(400, 6003, 'Invalid request headers')
      if (isChange) api.changes.push(call)
      const refusal = api.refuse(call)
      if (refusal !== null) throw new Refused(refusal.status, refusal.code, refusal.message)
      const [handler, match] = find(routes, call)
      const contentType = request.headers['content-type'] ?? ''
      const form = () => new Response(new Uint8Array(bytes), { headers: { 'Content-Type': contentType } }).formData()
      const result = await handler(match, call, url.searchParams, form)
      if (isChange && api.afterChange(call)) return void request.socket.destroy()
      send(response, 200, { success: true, errors: [], messages: [], result, ...pageOf(result) })
    } catch (error) {
      const { status, code, message } =
        error instanceof Refused ? error.refusal : { status: 500, code: 1, message: String(error) }
      send(response, status, { success: false, errors: [{ code, message }], messages: [], result: null })
    }
  }

  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(api, {
    url,
    close: () =>
      new Promise<void>((done) => {
        server.closeAllConnections()
        server.close(() => done())
      }),
  })
}

function find(
  routes: readonly (readonly [string, RegExp, Handler])[],
  call: Call,
): readonly [Handler, readonly string[]] {
  for (const [method, pattern, handler] of routes) {
    const match = method === call.method ? pattern.exec(call.path) : null
    if (match !== null) return [handler, match.slice(1).map(decodeURIComponent)]
  }
  throw new Refused(404, 7000, `No route for that URI: ${call.method} ${call.path}`)
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}

function pageOf(result: unknown): object {
  if (!Array.isArray(result)) return {}
  return { result_info: { page: 1, per_page: 100, count: result.length, total_count: result.length, total_pages: 1 } }
}

/** The environment of a command that runs in a checkout, with the stand-in for Cloudflare. */
export function commandEnvironment(checkout: string, { url }: CloudflareApi): Readonly<Record<string, string>> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: checkout,
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    CLOUDFLARE_API_BASE_URL: url,
    CLOUDFLARE_API_TOKEN: TOKEN,
    CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
  }
}

/** The SQL of a query; of anything else, nothing. */
export function sqlOf({ path, body }: Call): string {
  return /^\/d1\/database\/[^/]+\/query$/.test(path) ? (JSON.parse(body) as { sql: string }).sql : ''
}

function json(call: Call): Record<string, unknown> {
  // A body is kept byte by byte, since an upload has WebAssembly in it.
  return JSON.parse(Buffer.from(call.body, 'latin1').toString()) as Record<string, unknown>
}

function routesOf(api: Omit<CloudflareApi, 'url' | 'close'>): readonly (readonly [string, RegExp, Handler])[] {
  const workerOf = (name: string | undefined) => {
    const worker = api.workers.get(name ?? '')
    if (worker === undefined) throw new Refused(404, 10007, 'This Worker does not exist on your account.')
    return worker
  }

  /** Static assets, by their hashes: which were uploaded, and which belong to the session that a token was given for. */
  const storedAssets = new Set<string>()
  const sessions = new Map<string, readonly string[]>()
  const missingOf = (hashes: readonly string[]) => hashes.filter((hash) => !storedAssets.has(hash))
  const openSession = (hashes: readonly string[]) => {
    const jwt = `session-${randomUUID()}`
    sessions.set(jwt, hashes)
    const missing = missingOf(hashes)
    return { jwt, buckets: missing.length === 0 ? [] : [missing] }
  }
  const assetsOf = (jwt: string) => {
    const hashes = sessions.get(jwt)
    if (hashes === undefined || missingOf(hashes).length > 0) throw new Refused(400, 100310, 'Assets are incomplete')
    return hashes.length
  }

  /** Uploads code; with it come its bindings, its static assets, and the bindings that it keeps. */
  const upload = async (name: string, form: () => Promise<FormData>) => {
    const part = (await form()).get('metadata')
    const metadata = JSON.parse(typeof part === 'string' ? part : ((await part?.text()) ?? '{}')) as {
      bindings: readonly Binding[]
      keep_bindings?: readonly string[]
      assets?: { jwt: string }
    }
    const before = api.workers.get(name)
    for (const { name: binding, type, id, queue_name: queue } of metadata.bindings) {
      if (type === 'd1' && !api.databases.has(id ?? '')) {
        throw new Refused(400, 10021, `binding ${binding} of type d1 must have a valid \`id\` specified`)
      }
      if (type === 'queue' && !api.queues.some(({ queue_name: known }) => known === queue)) {
        throw new Refused(400, 100100, `Queue ${String(queue)} does not exist`)
      }
    }
    const given = metadata.bindings.map((binding) => {
      if (binding.type !== 'inherit') return binding
      const inherited = before?.bindings.find(({ name: known }) => known === binding.name)
      if (inherited === undefined) throw new Refused(400, 10057, `binding ${binding.name} has nothing to inherit`)
      return inherited
    })
    const names = new Set(given.map((binding) => binding.name))
    const kept = before?.bindings.filter(
      (binding) => !names.has(binding.name) && (metadata.keep_bindings ?? []).includes(binding.type),
    )
    api.workers.set(name, {
      workersDev: false,
      previewUrls: false,
      schedules: [],
      ...before,
      uploads: (before?.uploads ?? 0) + 1,
      assets: metadata.assets === undefined ? 0 : assetsOf(metadata.assets.jwt),
      bindings: [...given, ...(kept ?? [])],
    })
    return {
      id: randomUUID(),
      etag: 'etag',
      deployment_id: randomUUID().replaceAll('-', ''),
      startup_time_ms: 12,
      resources: { script: { etag: 'etag' } },
    }
  }

  const script = '/workers/scripts/([^/]+)'
  return [
    ['GET', /^\/accounts$/, () => api.accounts],
    ['GET', /^\/memberships$/, () => api.accounts.map((account) => ({ id: `m-${account.id}`, account, roles: [] }))],
    ['GET', /^\/zones$/, (_match, _call, query) => api.zones.filter(({ name }) => name === query.get('name'))],
    [
      'GET',
      /^\/zones\/([^/]+)\/email\/sending\/subdomains$/,
      () => api.senders.map((name) => ({ name, enabled: true, tag: name })),
    ],

    [
      'GET',
      /^\/d1\/database$/,
      (_match, _call, query) =>
        [...api.databases]
          .filter(([, { name }]) => name.includes(query.get('name') ?? ''))
          .map(([uuid, { name }]) => ({ uuid, name })),
    ],
    [
      'POST',
      /^\/d1\/database$/,
      (_match, call) => {
        const { name, primary_location_hint: location } = json(call) as { name: string; primary_location_hint?: string }
        if ([...api.databases.values()].some((database) => database.name === name)) {
          throw new Refused(400, 7502, 'A database with that name already exists')
        }
        const uuid = randomUUID()
        api.databases.set(uuid, { name, location, sqlite: new DatabaseSync(':memory:') })
        return { uuid, name }
      },
    ],
    [
      'POST',
      /^\/d1\/database\/([^/]+)\/query$/,
      ([id], call) => {
        const database = api.databases.get(id ?? '')
        if (database === undefined) throw new Refused(404, 7404, 'The database could not be found')
        const { sql, params = [] } = json(call) as { sql: string; params?: (string | number | null)[] }
        return [
          {
            results: run(database.sqlite, sql, params),
            success: true,
            meta: { duration: 1, rows_read: 1, rows_written: 1 },
          },
        ]
      },
    ],

    [
      'GET',
      /^\/queues$/,
      (_match, _call, query) => {
        const names = query.getAll('name')
        return api.queues.filter(({ queue_name: name }) => names.length === 0 || names.includes(name))
      },
    ],
    [
      'POST',
      /^\/queues$/,
      (_match, call) => {
        const { queue_name: name } = json(call) as { queue_name: string }
        if (api.queues.some(({ queue_name: known }) => known === name))
          throw new Refused(409, 11009, 'Queue name is taken')
        const queue = { queue_id: randomUUID(), queue_name: name, consumers: [] }
        api.queues.push(queue)
        return queue
      },
    ],
    [
      'POST',
      /^\/queues\/([^/]+)\/consumers$/,
      ([id], call) => {
        const queue = api.queues.find(({ queue_id: known }) => known === id)
        if (queue === undefined) throw new Refused(404, 11000, 'Queue not found')
        if (queue.consumers.length > 0) throw new Refused(400, 11004, 'workers.api.error.consumer_exists')
        const { script_name: consumer, ...rest } = json(call) as {
          script_name: string
          settings: object
          dead_letter_queue?: string
        }
        if (
          rest.dead_letter_queue !== undefined &&
          !api.queues.some(({ queue_name: name }) => name === rest.dead_letter_queue)
        ) {
          throw new Refused(400, 100107, 'The dead letter queue does not exist')
        }
        queue.consumers.push({ ...rest, consumer_id: randomUUID(), type: 'worker', script: consumer })
        return queue.consumers[0]
      },
    ],
    [
      'PUT',
      /^\/queues\/([^/]+)\/consumers\/([^/]+)$/,
      ([id]) => api.queues.find(({ queue_id: known }) => known === id)?.consumers[0],
    ],

    [
      'GET',
      /^\/workers\/subdomain$/,
      () => {
        if (api.subdomain === null) throw new Refused(404, 10007, 'You do not have a workers.dev subdomain.')
        return { subdomain: api.subdomain }
      },
    ],
    [
      'GET',
      /^\/workers\/domains$/,
      (_match, _call, query) =>
        [...api.domains]
          .filter(([hostname]) => hostname === query.get('hostname'))
          .map(([hostname, service]) => ({ id: hostname, hostname, service })),
    ],
    [
      'GET',
      /^\/workers\/services\/([^/]+)$/,
      ([name]) => (
        workerOf(name),
        {
          default_environment: {
            environment: 'production',
            script: { tag: name, tags: null, last_deployed_from: 'wrangler' },
          },
        }
      ),
    ],
    [
      'GET',
      /^\/workers\/workers\/([^/]+)$/,
      ([name]) => ({
        id: name,
        name,
        subdomain: { enabled: workerOf(name).workersDev, previews_enabled: workerOf(name).previewUrls },
      }),
    ],
    [
      'GET',
      new RegExp(`^${script}/settings$`),
      ([name]) => ({
        bindings: workerOf(name).bindings.map(({ text, ...binding }) =>
          binding.type === 'secret_text' ? binding : { ...binding, ...(text !== undefined && { text }) },
        ),
      }),
    ],
    [
      'GET',
      new RegExp(`^${script}/secrets$`),
      ([name]) =>
        workerOf(name)
          .bindings.filter(({ type }) => type === 'secret_text')
          .map(({ name: secret, type }) => ({ name: secret, type })),
    ],
    [
      'POST',
      new RegExp(`^${script}/assets-upload-session$`),
      (_match, call) => {
        const { manifest } = json(call) as { manifest: Record<string, { hash: string }> }
        return openSession([...new Set(Object.values(manifest).map(({ hash }) => hash))])
      },
    ],
    [
      'POST',
      /^\/workers\/assets\/upload$/,
      async (_match, _call, _query, form) => {
        for (const hash of (await form()).keys()) storedAssets.add(hash)
        return { jwt: [...sessions.keys()].at(-1) }
      },
    ],
    ['GET', new RegExp(`^${script}/deployments$`), ([name]) => (workerOf(name), { deployments: [] })],
    ['PUT', new RegExp(`^${script}$`), ([name = ''], _call, _query, form) => upload(name, form)],
    [
      'POST',
      new RegExp(`^${script}/versions$`),
      ([name = ''], _call, _query, form) => (workerOf(name), upload(name, form)),
    ],
    ['POST', new RegExp(`^${script}/deployments$`), ([name]) => (workerOf(name), { id: randomUUID() })],
    ['PATCH', new RegExp(`^${script}/script-settings$`), ([name]) => (workerOf(name), {})],
    [
      'POST',
      new RegExp(`^${script}/subdomain$`),
      ([name], call) => {
        const { enabled, previews_enabled: previews } = json(call) as { enabled: boolean; previews_enabled: boolean }
        Object.assign(workerOf(name), { workersDev: enabled, previewUrls: previews })
        return { enabled, previews_enabled: previews }
      },
    ],
    [
      'POST',
      new RegExp(`^${script}/domains/changeset$`),
      ([name]) => (workerOf(name), { added: [], removed: [], updated: [], conflicting: [] }),
    ],
    [
      'PUT',
      new RegExp(`^${script}/domains/records$`),
      ([name = ''], call) => {
        workerOf(name)
        const { origins } = json(call) as { origins: readonly { hostname: string }[] }
        for (const { hostname } of origins) {
          if (!api.zones.some((zone) => hostname.endsWith(zone.name)))
            throw new Refused(400, 100114, 'No zone for this hostname')
          api.domains.set(hostname, name)
        }
        return {}
      },
    ],
    [
      'PUT',
      new RegExp(`^${script}/schedules$`),
      ([name], call) => {
        workerOf(name).schedules = (JSON.parse(call.body) as readonly { cron: string }[]).map(({ cron }) => cron)
        return { schedules: [] }
      },
    ],
  ]
}

/** Runs one statement with its values, or several as one transaction. */
function run(sqlite: DatabaseSync, sql: string, params: (string | number | null)[]): readonly unknown[] {
  try {
    if (!/;\s*\S/.test(sql)) return sqlite.prepare(sql).all(...params)
    sqlite.exec(`BEGIN; ${sql}; COMMIT`)
    return []
  } catch (error) {
    if (sqlite.isTransaction) sqlite.exec('ROLLBACK')
    throw new Refused(400, 7500, String(error))
  }
}

/** What a caller gets at `https://HOST`: as Tessera answers, from what was deployed. */
async function serve(
  api: Omit<CloudflareApi, 'url' | 'close'>,
  pathname: string,
  body: string,
  response: ServerResponse,
): Promise<void> {
  const [, , host = '', ...rest] = pathname.split('/')
  const [label = '', subdomain] = host.split('.')
  const attached = api.domains.get(host)
  const byLabel = subdomain === api.subdomain && api.workers.get(label)?.workersDev === true ? label : undefined
  const worker = api.workers.get(attached ?? byLabel ?? '')
  if (worker === undefined) return void response.writeHead(404).end('There is nothing here yet')
  const secret = worker.bindings.find(({ name }) => name === 'AUTH_SECRET')?.text
  const path = rest.join('/')
  if (path === 'healthz') {
    const configuration = secret === undefined ? 'not ok' : 'ok'
    const checks = { configuration, keys: 'ok', database: 'ok', queue: 'ok', sender: 'ok' }
    return send(response, secret === undefined ? 503 : 200, { checks })
  }
  if (secret === undefined || path !== 'auth/token') return void response.writeHead(500).end()
  if (!api.hasCpuForPasswords) return void response.writeHead(503).end('error code: 1102')
  const { primary_email: email, password } = JSON.parse(body) as { primary_email: string; password: string }
  const database = api.databases.get(worker.bindings.find(({ type }) => type === 'd1')?.id ?? '')
  const row = database?.sqlite
    .prepare('SELECT password_hash FROM users WHERE primary_email = ? AND is_active = 1 AND confirmed_at IS NOT NULL')
    .get(email)
  const { matches } = await (
    await createLocalPasswords()
  ).verify(password, (row?.['password_hash'] as string | undefined) ?? null)
  send(response, matches ? 200 : 401, matches ? { access: 'a', refresh: 'r' } : { code: 'no_active_account' })
}
