/**
 * The Worker, called as Cloudflare calls it, with the real bindings of this ring and settings of the test's choice.
 * Requests come from one place unless a test says otherwise.
 */

import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'

import entryPoint from '../../src/index.ts'
import type { TEST_BINDINGS } from './bindings.ts'

/** A name of this machine, since the ring binds `ISSUE_ACCESS=open`; under https, so that cookies are what they are in production. */
export const ORIGIN = 'https://auth.localhost'
export const HOME = '203.0.113.7'
export const ELSEWHERE = '198.51.100.23'

/** Settings and bindings that a test replaces; everything else is what the ring binds. */
export type Overrides = Partial<
  Record<keyof typeof TEST_BINDINGS, string> &
    Record<'DB' | 'ASSETS' | 'MAIL_QUEUE' | 'EVENTS' | 'EMAIL' | 'RATE_BY_ADDRESS' | 'RATE_BY_ACCOUNT', unknown>
>

export interface CallOptions {
  readonly method?: string
  readonly ip?: string | null
  readonly cf?: Partial<IncomingRequestCfProperties>
  readonly headers?: HeadersInit
  /** Sent as JSON. */
  readonly json?: unknown
  readonly body?: BodyInit
  readonly cookies?: Readonly<Record<string, string>>
  readonly origin?: string
}

export interface TestWorker {
  readonly bindings: Env
  readonly call: (path: string, options?: CallOptions) => Promise<Response>
  readonly queue: (batch: MessageBatch) => Promise<void>
  /** The run of the cron trigger that is due at `scheduledAt`, in seconds since 1970: now, where a test does not say. */
  readonly scheduled: (scheduledAt?: number) => Promise<void>
}

/**
 * A Worker of its own: its configuration is parsed and its keys are derived once, at the first call. Nobody follows its events, whatever
 * wrangler.toml says, unless the test does. `descriptors` are for tests that want to see a binding being read; `entry` is for those of
 * another entry point.
 */
export function startWorker(
  overrides: Overrides = {},
  descriptors: PropertyDescriptorMap = {},
  entry: Pick<typeof entryPoint, 'fetch' | 'queue' | 'scheduled'> = entryPoint,
): TestWorker {
  const bindings = Object.defineProperties({ ...env, EVENTS: undefined, ...overrides } as Env, descriptors)

  return {
    bindings,
    async call(path, options = {}) {
      const ctx = createExecutionContext()
      const response = await entry.fetch(request(path, options), bindings, ctx)
      await waitOnExecutionContext(ctx)
      return response
    },
    queue: (batch) => entry.queue(batch, bindings),
    async scheduled(scheduledAt = Date.now() / 1000) {
      await entry.scheduled({ cron: '*/5 * * * *', scheduledTime: scheduledAt * 1000, noRetry() {} }, bindings)
    },
  }
}

/** The Worker with the settings of this ring, which most tests ask. */
export const worker = startWorker()

function request(path: string, options: CallOptions) {
  const { method = 'GET', ip = HOME, cf, json, body, cookies, origin = ORIGIN } = options
  const headers = new Headers(options.headers)
  if (ip !== null) headers.set('CF-Connecting-IP', ip)
  if (json !== undefined && !headers.has('Content-Type')) headers.set('Content-Type', 'application/json')
  if (cookies !== undefined) {
    headers.set(
      'Cookie',
      Object.entries(cookies)
        .map(([name, value]) => `${name}=${value}`)
        .join('; '),
    )
  }
  const content = json === undefined ? body : JSON.stringify(json)
  return new Request<unknown, IncomingRequestCfProperties>(`${origin}${path}`, {
    method,
    headers,
    redirect: 'manual',
    ...(content !== undefined && { body: content }),
    ...(cf !== undefined && { cf: cf as IncomingRequestCfProperties }),
  })
}

/** The cookies that a response sets, by name, with their attributes as they were sent. */
export function setCookies(
  response: Response,
): Readonly<Record<string, { value: string; attributes: readonly string[] }>> {
  return Object.fromEntries(
    response.headers.getSetCookie().map((line) => {
      const [pair = '', ...attributes] = line.split('; ')
      return [pair.slice(0, pair.indexOf('=')), { value: pair.slice(pair.indexOf('=') + 1), attributes }]
    }),
  )
}

/** The pair that a response hands out in cookies, as a browser would send it back. */
export function pairOf(response: Response): { access_token: string; refresh_token: string } {
  const { access_token, refresh_token } = setCookies(response)
  if (!access_token || !refresh_token) throw new Error(`no pair in a ${response.status}`)
  return { access_token: access_token.value, refresh_token: refresh_token.value }
}
