/** docs/operations.md: its example of a history is what the Worker answers, and its queries of D1 run. */

import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'

import operations from '../../../docs/operations.md?raw'
import { forgot, linkTo, reset } from '../../support/account-life.ts'
import { createAccount } from '../../support/accounts.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
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

test('every query runs on the tables that there are', async () => {
  const queries = fenced('sql')
  expect(queries.length).toBeGreaterThan(2)
  for (const query of queries) await env.DB.prepare(query).all()
})
