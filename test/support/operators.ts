/** What operators ask for, and what the ledger and the events have of it afterwards. */

import { env } from 'cloudflare:workers'

import { SERVICE } from './requests.ts'
import { type CallOptions, type TestWorker, worker } from './worker.ts'

/** A user as an answer has it. */
export interface UserAnswer extends Readonly<Record<string, unknown>> {
  readonly guid: string
  readonly user_id: number
  readonly email: string
}

/** A request below /admin, by the service key. */
export function admin(
  method: string,
  path: string,
  json?: unknown,
  by: TestWorker = worker,
  options: CallOptions = {},
) {
  const body = json === undefined ? {} : { json }
  return by.call(`/admin${path}`, { headers: SERVICE, ...options, ...body, method })
}

/** Makes a user; fails where that is not made. */
export async function addUser(fields: Readonly<Record<string, unknown>> = {}, by?: TestWorker): Promise<UserAnswer> {
  const response = await admin('POST', '/users', { primary_email: `${crypto.randomUUID()}@example.com`, ...fields }, by)
  if (response.status !== 201) throw new Error(`not made but ${response.status}: ${await response.text()}`)
  return (await response.json<{ user: UserAnswer }>()).user
}

/** Changes a user; fails where that is not done. */
export async function changeUser(guid: string, fields: unknown, by?: TestWorker): Promise<UserAnswer> {
  const response = await admin('PATCH', `/users/${guid}`, fields, by)
  if (response.status !== 200) throw new Error(`not changed but ${response.status}: ${await response.text()}`)
  return (await response.json<{ user: UserAnswer }>()).user
}

/** What the ledger has of an account: each act and its facts, the first one first. */
export async function actsOn(userId: number): Promise<readonly (readonly [string, unknown])[]> {
  const { results } = await env.DB.prepare('SELECT action, facts FROM audit WHERE user_id = ? ORDER BY id')
    .bind(userId)
    .all<{ action: string; facts: string }>()
  return results.map(({ action, facts }) => [action, JSON.parse(facts)])
}

/** What happened to an account: each event with its reason, the first one first. */
export async function eventsOf(userId: number) {
  const { results } = await env.DB.prepare(
    'SELECT type, reason, sid, facts, ended_before, due_at FROM events WHERE user_id = ? ORDER BY id',
  )
    .bind(userId)
    .all()
  return results
}
