/** Answers by their status and their code alone, for tests of what happened in between; whole answers: answers.ts. */

import { env } from 'cloudflare:workers'
import { expect, type Mock } from 'vitest'

import { readOutbox } from './mailbox.ts'
import type { Cookies, Opened } from './sessions.ts'
import { type CallOptions, pairOf, type TestWorker, worker } from './worker.ts'

export const OK = { status: 200, code: null }
export const NO_CONTENT = { status: 204, code: null }
export const USED_CODE = { status: 401, code: 'token_used' }
export const BLOCKED_CODE = { status: 401, code: 'location_blocked' }

/** The response as well, which nobody has read yet. */
export async function callForCode(path: string, options: CallOptions = {}, by: TestWorker = worker) {
  const response = await by.call(path, { headers: { Accept: 'application/json' }, ...options })
  const text = await response.clone().text()
  const code = response.status < 400 ? null : (JSON.parse(text) as { code: string }).code
  return { response, answer: { status: response.status, code } }
}

/** `next` is the pair to go on with: the same one after a refusal. */
export async function exchange(cookies: Cookies, options: CallOptions = {}, by: TestWorker = worker) {
  const { response, answer } = await callForCode('/refresh', { ...options, cookies }, by)
  return { answer, next: response.status === 200 ? pairOf(response) : cookies }
}

/** The status of what was granted, or the code of the refusal. */
export async function statusOrCode(
  path: string,
  { cookies }: Pick<Opened, 'cookies'>,
  options: CallOptions = {},
  by: TestWorker = worker,
) {
  const { answer } = await callForCode(path, { cookies, ...options }, by)
  return answer.code ?? answer.status
}

export async function listedSids({ cookies }: Opened, by: TestWorker = worker): Promise<readonly string[]> {
  const response = await by.call('/auth/sessions', { cookies })
  return (await response.json<{ sid: string }[]>()).map(({ sid }) => sid)
}

/** Why a session ended, `null` for one that lives or is not there. */
export async function reasonOf(sid: string) {
  const row = await env.DB.prepare('SELECT revoked_reason FROM sessions WHERE sid = ?')
    .bind(sid)
    .first<{ revoked_reason: string | null }>()
  return row?.revoked_reason ?? null
}

/** The mails about a session, and why the log says that its refreshes were refused or healed. */
export async function tracesOf(sid: string, logged: Mock<(event: unknown) => void>) {
  const mails = (await readOutbox()).filter((row) => String(row['dedupe_key']).endsWith(sid))
  const events = logged.mock.calls.map(([event]) => event as Readonly<Record<string, unknown>>)
  return {
    mails: mails.map((row) => row['kind']),
    causes: events.filter((event) => event['sid'] === sid && 'cause' in event).map((event) => event['cause']),
  }
}

/** Deletes with an access cookie, which has to be allowed to. */
export async function remove(path: string, token: string): Promise<void> {
  const response = await worker.call(path, { method: 'DELETE', cookies: { access_token: token } })
  expect(response.status).toBe(204)
}
