/**
 * A client of Cloudflare's API. A deploy looks things up here, since the errors of the API have codes and those of wrangler are
 * prose. Migrating and deploying are left to wrangler, as the same user.
 */

import * as z from 'zod/mini'

import { runWrangler } from '../wrangler.ts'
import { DeployProblem } from './problem.ts'
import { explainApiError, NOT_LOGGED_IN } from './explain.ts'

const API_TIMEOUT_MS = 30_000

const Credential = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['api_token', 'oauth']), token: z.string() }),
  z.object({ type: z.literal('api_key'), key: z.string(), email: z.string() }),
])
export type Credential = z.infer<typeof Credential>

const Envelope = z.object({
  success: z.boolean(),
  errors: z.nullish(z.array(z.object({ code: z.number(), message: z.string() }))),
  result: z.unknown(),
})

/** A refusal of the API. */
export class CloudflareError extends Error {
  override readonly name = 'CloudflareError'
  readonly code: number
  readonly path: string

  constructor(code: number, path: string, message: string) {
    super(message)
    this.code = code
    this.path = path
  }
}

export interface Cloudflare {
  /** Asks the API, and returns its checked result. Throws `CloudflareError`, and `DeployProblem` where the API cannot be reached or answers in another form. */
  readonly ask: <T extends z.ZodMiniType>(schema: T, path: string, request?: Request) => Promise<z.output<T>>
}

interface Request {
  readonly method?: 'POST'
  readonly query?: Readonly<Record<string, string>>
  readonly body?: object
}

/** The credential that wrangler uses: a token of the environment, or that of its login. Throws `DeployProblem`. */
export async function findCredential(): Promise<Credential> {
  const { CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_API_KEY: key } = process.env
  if (token !== undefined && token !== '' && key === undefined) return { type: 'api_token', token }
  const { ok, output } = await runWrangler(['auth', 'token', '--json'], false)
  const json = /\{[^{}]*\}/.exec(output)?.[0]
  if (!ok || json === undefined) throw new DeployProblem(NOT_LOGGED_IN)
  return Credential.parse(JSON.parse(json))
}

/** The environment with which wrangler acts as the same user, also where the credential came from a `.env` file that a later command does not read. */
export function wranglerEnvironment(credential: Credential): Readonly<Record<string, string>> {
  switch (credential.type) {
    case 'api_token':
      return { CLOUDFLARE_API_TOKEN: credential.token }
    case 'api_key':
      return { CLOUDFLARE_API_KEY: credential.key, CLOUDFLARE_EMAIL: credential.email }
    case 'oauth':
      return {}
  }
}

export function createCloudflare(credential: Credential): Cloudflare {
  const base = process.env['CLOUDFLARE_API_BASE_URL'] ?? 'https://api.cloudflare.com/client/v4'
  const headers = { ...authorization(credential), 'Content-Type': 'application/json' }
  return {
    async ask(schema, path, { method = 'GET', query = {}, body } = {}) {
      const search = new URLSearchParams(query).toString()
      const response = await fetch(`${base}${path}${search === '' ? '' : `?${search}`}`, {
        method,
        headers,
        signal: AbortSignal.timeout(API_TIMEOUT_MS),
        ...(body && { body: JSON.stringify(body) }),
      }).catch((error: unknown) => {
        throw new DeployProblem(`Cloudflare's API cannot be reached: ${reasonOf(error)}.`)
      })
      const envelope = Envelope.safeParse(await response.json().catch(() => null))
      if (!envelope.success) {
        throw new DeployProblem(
          `Cloudflare's API is out of order (${response.status}). Try again: it goes on from here.`,
        )
      }
      const [error] = envelope.data.errors ?? []
      if (!envelope.data.success) {
        throw new CloudflareError(error?.code ?? response.status, path, error?.message ?? `status ${response.status}`)
      }
      return schema.parse(envelope.data.result)
    },
  }
}

function authorization(credential: Credential): Readonly<Record<string, string>> {
  return credential.type === 'api_key'
    ? { 'X-Auth-Key': credential.key, 'X-Auth-Email': credential.email }
    : { Authorization: `Bearer ${credential.token}` }
}

/** The reason for a failed `fetch`, which only its cause has. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}

const Accounts = z.array(z.object({ id: z.string(), name: z.string() }))
export type Accounts = z.infer<typeof Accounts>

/** The accounts that this user may deploy to. */
export function listAccounts(cloudflare: Cloudflare): Promise<Accounts> {
  return cloudflare.ask(Accounts, '/accounts', { query: { per_page: '50' } })
}

/** One line for an error of a deploy; `null` for one that is a bug of this script. */
export function explain(error: unknown): string | null {
  if (error instanceof DeployProblem) return error.message
  return error instanceof CloudflareError ? explainApiError(error.code, error.path, error.message) : null
}
