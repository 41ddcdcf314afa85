/** A forged token, presented on every route that takes one, in the place of one of a genuine pair. */

import { expect } from 'vitest'

import { answer, asText, COMMON, problem } from './answers.ts'
import { counted, reset, roundTrips } from './counted-worker.ts'
import { decodeToken, forge, strangerKeys, testKeys } from './forge.ts'
import { keepLog } from './log.ts'
import { pairOf, type TestWorker } from './worker.ts'

/** What the tests of a file that imports this one logged: no token may show in it. */
const logged = keepLog('warn')

export const TYPES = ['access', 'refresh'] as const

export type TokenType = (typeof TYPES)[number]

export type Claims = Record<string, unknown>

export interface Genuine {
  readonly access: string
  readonly refresh: string
  readonly claims: Readonly<Record<TokenType, Claims>>
}

export async function openGenuine(by: TestWorker = counted): Promise<Genuine> {
  const { access_token: access, refresh_token: refresh } = pairOf(await by.call(`/${crypto.randomUUID()}`))
  const claims = { access: decodeToken(access).payload, refresh: decodeToken(refresh).payload }
  return { access, refresh, claims }
}

/** A refusal in both forms: on `GET /refresh`, and everywhere else. */
function inBothForms(refusal: ReturnType<typeof problem>) {
  return { text: asText(refusal), problem: refusal }
}

export const MALFORMED = inBothForms(problem(400, 'Bad Request', 'Wrong data structure', 'wrong_data_structure'))
export const NOT_VALID = inBothForms(problem(401, 'Unauthorized', 'Not valid token', 'token_not_valid'))
export const NOT_A_PAIR = inBothForms(problem(401, 'Unauthorized', 'Not valid token pair', 'token_pair_not_valid'))

export const GOOD = { status: 200, headers: COMMON, body: '' }

export interface Expected {
  readonly cookie: typeof MALFORMED.text
  readonly json: typeof MALFORMED.problem
  readonly verify: typeof MALFORMED.problem | typeof GOOD
}

export function everywhere(refusal: typeof MALFORMED): Expected {
  return { cookie: refusal.text, json: refusal.problem, verify: refusal.problem }
}

export function refreshWith(cookies: Readonly<Record<string, string>>, ip?: string, by: TestWorker = counted) {
  return by.call('/refresh', { cookies, ...(ip !== undefined && { ip }) })
}

export function postToken(path: 'refresh' | 'verify', token: string, ip?: string, by: TestWorker = counted) {
  const json = path === 'refresh' ? { refresh: token } : { token }
  return by.call(`/auth/token/${path}`, { method: 'POST', json, ...(ip !== undefined && { ip }) })
}

/** Presents a token in the place of one of a genuine pair, on every route that takes it. */
export async function present(
  type: TokenType,
  forged: string,
  genuine: Genuine,
  ip?: string,
  by: TestWorker = counted,
) {
  const cookies = { access_token: genuine.access, refresh_token: genuine.refresh, [`${type}_token`]: forged }
  return {
    cookie: await answer(await refreshWith(cookies, ip, by)),
    json: await answer(await postToken('refresh', forged, ip, by)),
    verify: await answer(await postToken('verify', forged, ip, by)),
  }
}

export async function expectAlive({ access, refresh }: Genuine, by: TestWorker = counted): Promise<void> {
  const response = await refreshWith({ access_token: access, refresh_token: refresh }, undefined, by)
  expect(response.status).toBe(200)
}

function expectNotLogged(token: string): void {
  const log = JSON.stringify(logged.mock.calls)
  const secrets = token.split('.').filter((part) => part.length >= 12)
  expect(secrets.filter((part) => log.includes(part))).toEqual([])
}

export async function expectRefused(
  type: TokenType,
  make: (genuine: Genuine, type: TokenType) => string | Promise<string>,
  expected: Expected,
  by: TestWorker = counted,
): Promise<void> {
  const genuine = await openGenuine(by)
  const forged = await make(genuine, type)
  reset()

  expect(await present(type, forged, genuine, undefined, by)).toEqual(expected)
  expect(roundTrips()).toBe(0)
  expectNotLogged(forged)
  await expectAlive(genuine, by)
}

/** A token under our own key, with our own header unless the row has another. */
export function sign(type: TokenType, payload: unknown, header: unknown = ownHeader(type)): Promise<string> {
  return forge(header, payload, testKeys[type].signing)
}

export function ownHeader(type: TokenType) {
  const { alg, kid } = testKeys[type].signing
  return { alg, typ: 'JWT', kid }
}

/** A token under the same kind of key of another deployment, named as if it were ours. */
export function signAsStranger(
  type: TokenType,
  payload: unknown,
  header: Record<string, unknown> = {},
): Promise<string> {
  return forge({ ...ownHeader(type), ...header }, payload, strangerKeys[type].signing)
}

export function parts(token: string): [header: string, payload: string, signature: string] {
  const [header = '', payload = '', signature = ''] = token.split('.')
  return [header, payload, signature]
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export type Row = readonly [name: string, make: (genuine: Genuine, type: TokenType) => string | Promise<string>]
