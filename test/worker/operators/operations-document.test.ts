/** docs/operations.md: its example of a history is what the Worker answers, and its queries of D1 find what they say. */

import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'

import operations from '../../../docs/operations.md?raw'
import { forgot, linkTo, reset } from '../../support/account-life.ts'
import { createAccount } from '../../support/accounts.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { FAR, FIREFOX } from '../../support/links.ts'
import { keepLog } from '../../support/log.ts'
import { admin } from '../../support/operators.ts'
import { refreshByJson, renew } from '../../support/requests.ts'
import { open } from '../../support/sessions.ts'
import { ELSEWHERE, startWorker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

interface Example {
  readonly guid: string
  readonly sessions: readonly { readonly sid: string }[]
}

function fenced(language: string): readonly string[] {
  return [...operations.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm'))].map(([, code = '']) => code)
}

test('the example of "why was I signed out?" is what is answered', async () => {
  const example = JSON.parse(fenced('json')[0] ?? '') as Example
  // The mails are marked by the test, and by no consumer.
  const by = startWorker({ MAIL_QUEUE: { send: async () => undefined } })
  const email = 'alba@example.com'
  const account = await createAccount(env.DB, { guid: example.guid, email })
  const device = { headers: { 'User-Agent': FIREFOX }, cf: { ...FAR, country: 'IS', city: 'Reykjavík' } } as const

  const blocked = await open(account, device, by)
  at(3600)
  const next = await renew(blocked, device, by)
  at(7380)
  await refreshByJson(next.refresh, { ip: ELSEWHERE, cf: FAR }, by)
  await env.DB.prepare('UPDATE notifications SET sent_at = ?')
    .bind(T0 + 7381)
    .run()
  at(7500)
  const opened = await open(account, device, by)
  at(7800)
  await forgot(email, {}, by)
  await reset(await linkTo(email, 'reset_password', 'reset_password'), undefined, by)
  at(7860)
  const last = await open(account, device, by)

  const response = await admin('GET', `/users/${example.guid}/history`, undefined, by)
  const names = new Map(
    [last.sid, opened.sid, blocked.sid].map((sid, i) => [sid, example.sessions[i]?.sid ?? sid] as const),
  )
  const text = (await response.text()).replaceAll(
    /"sid":"([^"]+)"/g,
    (_all, sid: string) => `"sid":"${names.get(sid)}"`,
  )
  expect(JSON.parse(text)).toEqual(example)
})

/** Rows that the queries are about, and rows that they are not: an hour and two months ago. */
async function prepareRows(): Promise<readonly [string, string]> {
  const [one, other] = [await createAccount(env.DB), await createAccount(env.DB)]
  // The queries ask the clock of the database.
  const now = Number(await env.DB.prepare('SELECT unixepoch() AS now').first('now'))
  const [recently, before] = [now - 3600, now - 60 * DAY_SECONDS]
  const current = env.DB.prepare(
    `INSERT INTO sessions (sid, user_id, jti, issued_at, expires_at, created_at, ip, revoked_at, revoked_reason)
     SELECT 'now-' || ?1 || ?2 || ?3, ?1, 'j', ?2, ?2, ?2, '', ?2, ?3`,
  )
  const past = env.DB.prepare(
    `INSERT INTO past_sessions (sid, user_id, opened_at, last_used_at, expired_at, ended_at, end_reason, kept_at)
     SELECT 'past-' || ?1 || ?2 || ?3, ?1, ?2, ?2, ?2, ?2, ?3, ?2`,
  )
  const event = env.DB.prepare(
    `INSERT INTO events (user_id, type, reason, at, facts, ended_before) VALUES (?1, ?2, ?3, ?4, '{}', ?5)`,
  )
  await env.DB.batch([
    ...['sessions', 'past_sessions', 'events'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
    current.bind(one.id, recently, 'reuse'),
    current.bind(one.id, recently, 'location'),
    current.bind(one.id, before, 'reuse'),
    past.bind(one.id, recently, 'reuse'),
    past.bind(one.id, before, 'reuse'),
    past.bind(one.id, recently, 'signed_out'),
    past.bind(other.id, recently, 'reuse'),
    event.bind(one.id, 'sessions_ended', 'owner', recently, recently),
    event.bind(other.id, 'sessions_ended', 'owner', recently, recently),
    event.bind(other.id, 'password_changed', 'reset', recently, recently),
    event.bind(other.id, 'sessions_ended', 'owner', before, before),
    event.bind(other.id, 'email_changed', 'confirmed', recently, null),
  ])
  return [one.guid, other.guid]
}

test('every query answers what stands above it', async () => {
  const [one, other] = await prepareRows()
  const answers: unknown[] = []
  for (const query of fenced('sql')) answers.push((await env.DB.prepare(query).all()).results)
  expect(answers).toEqual([
    [
      { revoked_reason: 'location', sessions: 1 },
      { revoked_reason: 'reuse', sessions: 1 },
    ],
    [
      { guid: one, times: 2 },
      { guid: other, times: 1 },
    ],
    [
      { type: 'password_changed', reason: 'reset', times: 1 },
      { type: 'sessions_ended', reason: 'owner', times: 2 },
    ],
  ])
})
