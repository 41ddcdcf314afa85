/** A client of `/admin`: one request and its answer, or the one line that says why there is none. */

import * as z from 'zod/mini'

import type { Target } from './target.ts'
import { UsersProblem } from './problem.ts'

const TIMEOUT_MS = 30_000

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export interface Asked {
  readonly query?: Query
  readonly body?: unknown
}

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

export interface Client {
  /** The checked answer; for one without a body that of `null`. Throws `UsersProblem`, which is a `Refusal` where the server says why. */
  readonly ask: <T extends z.ZodMiniType>(
    schema: T,
    method: Method,
    path: string,
    asked?: Asked,
  ) => Promise<z.output<T>>
  /** Every entry of a list, page by page; `limit` at most. Resolves to whether there are more. */
  readonly list: <T extends z.ZodMiniType>(
    noun: string,
    schema: T,
    path: string,
    query: Query,
    limit: number,
    take: (entries: readonly z.output<T>[]) => void,
  ) => Promise<boolean>
  readonly target: Target
}

/** An error of the table in docs/api.md. */
export class Refusal extends UsersProblem {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

const PAGE = 100

const Problem = z.object({
  code: z.string(),
  detail: z.string(),
  errors: z.optional(z.record(z.string(), z.array(z.string()))),
})
type Problem = z.infer<typeof Problem>

export function createClient(target: Target): Client {
  async function ask<T extends z.ZodMiniType>(
    schema: T,
    method: Method,
    path: string,
    { query = {}, body }: Asked = {},
  ): Promise<z.output<T>> {
    const response = await send(target, method, `${path}${searchOf(query)}`, {
      ...(body !== undefined && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const text = await response.text().catch((error: unknown) => {
      throw new Unreachable(target, error)
    })
    if (!response.ok) throw explainRefusal(target, response, text)
    const result = schema.safeParse(text === '' ? null : parseJson(text))
    if (result.success) return result.data
    const [issue] = result.error.issues
    throw new UsersProblem(
      `${target.url} answers ${method} ${path} in another form than this version knows (${issue?.path.join('.') ?? ''}).`,
    )
  }

  return {
    target,
    ask,
    async list(noun, schema, path, query, limit, take) {
      const Page = z.object({ [noun]: z.array(schema), next: z.nullable(z.string()) })
      let cursor: string | undefined
      for (let left = limit; ;) {
        const asked = { ...query, cursor, limit: Math.min(PAGE, left) }
        const page = (await ask(Page, 'GET', path, { query: asked })) as {
          readonly next: string | null
          readonly [noun: string]: unknown
        }
        const entries = page[noun] as readonly z.output<typeof schema>[]
        take(entries)
        left -= entries.length
        if (page.next === null) return false
        // A page may be shorter than its limit, and even empty, while others follow.
        if (left <= 0) return true
        cursor = page.next
      }
    },
  }
}

/** One request with the key. Redirects are not followed, since the key would go along. Throws `UsersProblem` where nothing answers. */
export async function send(
  target: Target,
  method: string,
  path: string,
  init: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string },
): Promise<Response> {
  const headers = {
    ...init.headers,
    Authorization: `Bearer ${target.key}`,
    Accept: 'application/json',
    'User-Agent': 'npm run users',
  }
  return fetch(`${target.url}/admin${path}`, {
    method,
    headers,
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(init.body !== undefined && { body: init.body }),
  }).catch((error: unknown) => {
    throw new Unreachable(target, error)
  })
}

/** Nothing answers, or not in time. */
export class Unreachable extends UsersProblem {
  /** Without what may be done about it. */
  readonly reason: string

  constructor({ url, isLocal }: Target, error: unknown) {
    const reason = `${url} does not answer (${reasonOf(error)})`
    super(isLocal ? `${reason}: is \`npm start\` running?` : `${reason}.`, { cause: error })
    this.reason = reason
  }
}

/** The reason for a failed `fetch`, which only its cause has. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `not within ${TIMEOUT_MS / 1000} s`
  const { cause } = error
  if (!(cause instanceof Error)) return error.message
  return cause.message === '' && 'code' in cause ? String(cause.code) : cause.message
}

/** The line for an answer that is no 2xx. */
export function explainRefusal(target: Target, response: Response, text: string): UsersProblem {
  const problem = Problem.safeParse(parseJson(text)).data
  const { status } = response
  if (problem === undefined) {
    return new UsersProblem(
      `${target.url} answers ${status}, and is no Tessera of this version${status < 400 ? ', or has moved' : ''}.`,
    )
  }
  return new Refusal(problem.code, wordsOf(target, response, problem))
}

function wordsOf({ url, keySource }: Target, response: Response, { code, detail, errors = {} }: Problem): string {
  switch (code) {
    case 'not_authenticated':
    case 'forbidden':
      return `${url} does not take the service key of ${keySource}: it is another one, or lacks the scope admin.${hintOf(keySource)}`
    case 'not_found':
      return `${url} has none of that name.`
    case 'too_many_requests':
      return `Too many requests: try again in ${response.headers.get('Retry-After') ?? 'some'} s.`
    case 'unavailable':
      return `${url} is out of order just now (503): try again.`
    default: {
      const reasons = Object.entries(errors).map(([field, texts]) => `${field} ${texts.join(', ')}`)
      return reasons.length === 0 ? `${detail}.` : `${detail}: ${reasons.join('; ').replace(/\.$/, '')}.`
    }
  }
}

function hintOf(keySource: string): string {
  return keySource === '.dev.vars' ? ' `npm start` reads that file when it starts.' : ''
}

function searchOf(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return search === '' ? '' : `?${search}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
