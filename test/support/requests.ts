/** The requests that many tests make, one function each. What comes back is for the test to judge. */

import { env } from 'cloudflare:workers'
import { expect } from 'vitest'

import { dumpBesideAttempts, dumpTables, PASSWORD } from './accounts.ts'
import { answerBesideCookies, type problem } from './answers.ts'
import { TEST_BINDINGS } from './bindings.ts'
import { type Cookies, type Tokens, tokensIn } from './sessions.ts'
import { type CallOptions, pairOf, type TestWorker, worker } from './worker.ts'

export const SERVICE = bearer(TEST_BINDINGS.SERVICE_KEY)

/** What a back end sends for its client. */
export function onBehalfOf(address: string, more: Readonly<Record<string, string>> = {}) {
  return { ...SERVICE, 'Tessera-Client-IP': address, ...more }
}

export function bearer(token: string) {
  return { Authorization: `Bearer ${token}` }
}

export interface BodyOptions extends Omit<CallOptions, 'headers'> {
  readonly headers?: Readonly<Record<string, string>>
}

export function form(fields: Readonly<Record<string, string>>): BodyOptions {
  return {
    body: new URLSearchParams(fields).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  }
}

export function post(path: string, json: unknown, options: CallOptions = {}, by: TestWorker = worker) {
  return by.call(path, { ...options, method: 'POST', json })
}

export function signInByJson(email: string | null, password: string = PASSWORD, by: TestWorker = worker) {
  return post('/auth/token', { primary_email: email, password }, {}, by)
}

export function refreshByCookies(cookies: Partial<Cookies>, options: CallOptions = {}, by: TestWorker = worker) {
  return by.call('/refresh', { ...options, cookies })
}

export function refreshByJson(refresh: string, options: CallOptions = {}, by: TestWorker = worker) {
  return post('/auth/token/refresh', { refresh }, options, by)
}

/** How a pair is exchanged, by each transport: one answer, whatever carries the tokens. */
export const EXCHANGES = {
  cookies: async (by: TestWorker, { access, refresh }: Tokens, options: CallOptions = {}) => {
    const headers = { Accept: 'application/json' }
    const response = await refreshByCookies(
      { access_token: access, refresh_token: refresh },
      { headers, ...options },
      by,
    )
    const tokens = response.status === 200 ? tokensIn(pairOf(response)) : null
    return { ...(await answerBesideCookies(response)), tokens }
  },
  json: async (by: TestWorker, { refresh }: Tokens, options: CallOptions = {}) => {
    const got = await answerBesideCookies(await refreshByJson(refresh, options, by))
    return { ...got, tokens: got.status === 200 ? (JSON.parse(got.body) as Tokens) : null }
  },
} as const

/** The answer of an exchange that was refused. */
export function refused(refusal: ReturnType<typeof problem>) {
  return { ...refusal, tokens: null }
}

/** Exchanges a pair that has to be good. */
export async function renew(tokens: Tokens, options: CallOptions = {}, by: TestWorker = worker): Promise<Tokens> {
  const { status, tokens: next } = await EXCHANGES.json(by, tokens, options)
  if (next === null) throw new Error(`no pair in a ${status}`)
  return next
}

export function verify(token: string, by: TestWorker = worker) {
  return post('/auth/token/verify', { token }, {}, by)
}

export async function introspect(token: string, by: TestWorker = worker) {
  return answerBesideCookies(await post('/auth/token/introspect', { token }, { headers: SERVICE }, by))
}

export async function me(token: string, by: TestWorker = worker) {
  return answerBesideCookies(await by.call('/auth/me', { headers: bearer(token) }))
}

/** Calls, and sees that nothing was written. */
export function callWithoutTrace(path: string, options: CallOptions, by: TestWorker = worker) {
  return callAndCompare(dumpTables, path, options, by)
}

/** Calls, and sees that nothing was written but that somebody tried to sign in. */
export function callWhichCounts(path: string, options: CallOptions, by: TestWorker = worker) {
  return callAndCompare(dumpBesideAttempts, path, options, by)
}

async function callAndCompare(dump: typeof dumpTables, path: string, options: CallOptions, by: TestWorker) {
  const before = await dump(env.DB)
  const response = await by.call(path, options)
  expect(await dump(env.DB)).toEqual(before)
  return response
}
