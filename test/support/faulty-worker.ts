/** The Worker over a D1 and a queue that fail as a test plans, and what is stored when they have. */

import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, vi } from 'vitest'

import { createAccount, emptyTables, type TestAccount } from './accounts.ts'
import { typeOf } from './answers.ts'
import { passSeconds, setClock, START } from './clock.ts'
import { faultyDatabase, type FaultyDatabase, faultyQueue, type FaultyQueue, skipPauses } from './faulty-bindings.ts'
import { decodeToken } from './forge.ts'
import { answerMailApi, type ApiCall } from './mailbox.ts'
import type { Tokens } from './sessions.ts'
import { HOME, type Overrides, pairOf, startWorker, type TestWorker } from './worker.ts'

export const VIAS = ['json', 'GET', 'POST'] as const

export type Via = (typeof VIAS)[number]

export const WINDOWS = [0, 10] as const

export type Window = (typeof WINDOWS)[number]

export const TIMEOUT_MILLISECONDS = 30_000

/** The Worker over a D1 and a queue that fail as planned. One for each setting: their keys are derived once. */
export interface Rig extends TestWorker {
  readonly d1: FaultyDatabase
  readonly queue: TestWorker['queue']
  readonly messages: FaultyQueue
}

export function createRig(overrides: Overrides, start: (overrides: Overrides) => TestWorker = startWorker): Rig {
  const d1 = faultyDatabase(env.DB)
  const messages = faultyQueue((batch) => worker.queue(batch))
  const worker = start({ DB: d1.database, MAIL_QUEUE: messages.producer, ...overrides })
  return { ...worker, d1, messages }
}

export const rigs = {
  0: createRig({ REFRESH_REUSE_SECONDS: '0' }),
  10: createRig({ REFRESH_REUSE_SECONDS: '10' }),
}

export const mailing = createRig({ MAIL_TRANSPORT: 'api', MAIL_API_URL: 'https://mail.example.net/emails' })

/** Everything works before each test of a file, and nothing is left after it. `own`: rigs of this file alone. */
export function startWell(own: readonly Rig[] = []): void {
  beforeEach(() => {
    setClock(START)
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    skipPauses()
  })

  afterEach(async () => {
    vi.restoreAllMocks()
    vi.useRealTimers()
    for (const { d1, messages } of [...Object.values(rigs), mailing, ...own]) {
      d1.heal()
      messages.fail(null)
      messages.messages.length = 0
    }
    await emptyTables(env.DB)
  })
}

/** Nothing fails any more, and time passes: until every mail is settled. */
export async function settleMails({ messages, scheduled }: Rig): Promise<void> {
  for (let round = 0; round < 20; round++) {
    for (const message of messages.messages.slice()) await messages.deliver(message, false)
    const left = await env.DB.prepare('SELECT id FROM notifications WHERE sent_at IS NULL AND failed_at IS NULL').all()
    if (left.results.length === 0 && messages.messages.length === 0) return
    passSeconds(901)
    await scheduled()
  }
  throw new Error('a mail was never settled')
}

/** A mail API that takes everything. */
export function mailApi(): readonly ApiCall[] {
  return answerMailApi(async () => Response.json({ id: 'accepted' }))
}

export async function signedIn(rig: Rig): Promise<{ account: TestAccount; first: Tokens }> {
  rig.d1.heal()
  const account = await createAccount(env.DB)
  return { account, first: await tokensOf(await rig.call(`/${account.guid}`), 'GET') }
}

export function refresh(rig: Rig, { access, refresh: token }: Tokens, via: Via, ip = HOME): Promise<Response> {
  if (via === 'json') return rig.call('/auth/token/refresh', { method: 'POST', json: { refresh: token }, ip })
  return rig.call('/refresh', { method: via, cookies: { access_token: access, refresh_token: token }, ip })
}

export async function tokensOf(response: Response, via: Via): Promise<Tokens> {
  if (via === 'json') {
    const { access, refresh: token } = (await response.json()) as Tokens
    return { access, refresh: token }
  }
  const { access_token, refresh_token } = pairOf(response)
  return { access: access_token, refresh: refresh_token }
}

const PROBLEMS = {
  token_used: 'Token used before',
  location_blocked: "You're location is blocked",
} as const

export async function expectRefused(response: Response, code: keyof typeof PROBLEMS, via: Via): Promise<void> {
  const detail = PROBLEMS[code]
  const body = { type: typeOf(code), title: 'Unauthorized', status: 401, detail, code }
  expect([response.status, await response.text()]).toEqual([401, via === 'GET' ? detail : JSON.stringify(body)])
}

export async function expectUnavailable(response: Response, via: Via): Promise<void> {
  const detail = 'Service unavailable'
  const body = { type: typeOf('unavailable'), title: 'Service Unavailable', status: 503, detail, code: 'unavailable' }
  expect({
    status: response.status,
    body: await response.text(),
    retryAfter: response.headers.get('Retry-After'),
    cacheControl: response.headers.get('Cache-Control'),
    cookies: response.headers.getSetCookie(),
  }).toEqual({
    status: 503,
    body: via === 'GET' ? detail : JSON.stringify(body),
    retryAfter: '1',
    cacheControl: 'no-store',
    cookies: [],
  })
}

/** A session's row, as far as these tests go. */
export function live(pair: Tokens | undefined, previous: Tokens | null) {
  const { sid, jti } = decodeToken(pair?.refresh ?? '').payload
  const previousJti = previous === null ? null : decodeToken(previous.refresh).payload['jti']
  return { sid, jti, previous_jti: previousJti, revoked_reason: null, revoked_at: null }
}

export function ended(pair: Tokens, previous: Tokens | null, reason: string, secondsLater = 0) {
  return { ...live(pair, previous), revoked_reason: reason, revoked_at: START + secondsLater }
}

export async function sessionsOf({ guid }: Pick<TestAccount, 'guid'>): Promise<readonly ReturnType<typeof live>[]> {
  const { results } = await env.DB.prepare(
    `SELECT sid, jti, previous_jti,
       coalesce(revoked_reason, iif(sid IS NOT ended_except AND s.created_at <= ended_before, 'with its account', NULL)) AS revoked_reason,
       coalesce(revoked_at, iif(sid IS NOT ended_except AND s.created_at <= ended_before, ended_before, NULL)) AS revoked_at
     FROM sessions s JOIN users u ON u.id = user_id WHERE u.guid = ? ORDER BY sid`,
  )
    .bind(guid)
    .all()
  return results as unknown as readonly ReturnType<typeof live>[]
}

export async function mailsOf({ id }: TestAccount): Promise<readonly Record<string, unknown>[]> {
  return (await env.DB.prepare('SELECT * FROM notifications WHERE user_id = ?').bind(id).all()).results
}

export function bearer({ access }: Tokens): Record<string, string> {
  return { Authorization: `Bearer ${access}` }
}

export function sidOf({ refresh: token }: Tokens): string {
  return String(decodeToken(token).payload['sid'])
}

export function range(length: number): readonly number[] {
  return Array.from({ length }, (_, i) => i)
}

export function viaOf(i: number): Via {
  return VIAS[i % VIAS.length] ?? 'json'
}

export function bySid(a: { readonly sid: unknown }, b: { readonly sid: unknown }): number {
  return String(a.sid) < String(b.sid) ? -1 : 1
}
