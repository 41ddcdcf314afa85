/** DELETE /admin/sessions: the sessions of everybody end, a part of the accounts with each call. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { WINDOW_ACCOUNTS } from '../../../src/db/operators/all-sessions.ts'
import { createAccount, emptyTables } from '../../support/accounts.ts'
import { answerBesideCookies, FORBIDDEN, NOT_AUTHENTICATED, okJson } from '../../support/answers.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { keepLog } from '../../support/log.ts'
import { admin, eventsOf } from '../../support/operators.ts'
import { bearer, callWithoutTrace, refreshByJson } from '../../support/requests.ts'
import { open, openByGuid } from '../../support/sessions.ts'
import { startWorker } from '../../support/worker.ts'

stopClock()
keepLog('warn')
beforeEach(() => emptyTables(env.DB))

async function endAll(cursor?: string, by?: ReturnType<typeof startWorker>) {
  const response = await admin('DELETE', `/sessions${cursor === undefined ? '' : `?cursor=${cursor}`}`, undefined, by)
  return answerBesideCookies(response)
}

/** Accounts without sessions, so that others are further behind. */
async function fill(count: number): Promise<void> {
  await env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
     INSERT INTO users (guid, created_at, updated_at) SELECT printf('00000000-0000-0000-0000-%012d', i), 1, 1 FROM n`,
  )
    .bind(count)
    .run()
}

describe('DELETE /admin/sessions', () => {
  test('ends those of everybody, and nobody is kept from signing in again', async () => {
    const [one, two] = [await open(), await openByGuid()]
    const { guid } = await createAccount(env.DB)

    expect(await endAll()).toEqual(okJson({ ended: 2, next: null }))
    expect((await refreshByJson(one.refresh)).status).toBe(401)
    expect((await refreshByJson(two.refresh)).status).toBe(401)
    const again = await openByGuid(one.guid)
    const first = await openByGuid(guid)
    expect((await refreshByJson(again.refresh)).status).toBe(200)
    expect((await refreshByJson(first.refresh)).status).toBe(200)
  })

  test('ends the one, too, that its owner had kept', async () => {
    const kept = await open()
    await openByGuid(kept.guid)
    const ended = await startWorker().call('/auth/sessions', { method: 'DELETE', headers: bearer(kept.access) })
    expect(ended.status).toBe(204)

    expect(await endAll()).toEqual(okJson({ ended: 1, next: null }))
    expect((await refreshByJson(kept.refresh)).status).toBe(401)
  })

  test('is told to the history of those who had one, and to the ledger, once a call', async () => {
    const { account } = await open()
    const without = await createAccount(env.DB)

    await endAll()
    expect(await eventsOf(account.id)).toMatchObject([{ type: 'sessions_ended', reason: 'operator', ended_before: T0 }])
    expect(await eventsOf(without.id)).toEqual([])
    const { results } = await env.DB.prepare('SELECT action, actor, user_id, facts, at FROM audit').all()
    expect(results).toEqual([
      { action: 'all_sessions_ended', actor: 'service', user_id: null, facts: '{"after":0}', at: T0 },
    ])
    // Whoever had none any more is not written again.
    expect(await endAll()).toEqual(okJson({ ended: 0, next: null }))
    expect(await eventsOf(account.id)).toHaveLength(1)
  })

  test('goes on behind a part of the accounts, in one round trip each', async () => {
    const first = await open()
    await fill(WINDOW_ACCOUNTS - 1)
    const last = await open()
    const counting = countRoundTrips(env.DB)
    const counted = startWorker({ DB: counting.database })

    const part = await endAll(undefined, counted)
    const border = last.account.id - 1
    expect(part).toEqual(okJson({ ended: 1, next: String(border) }))
    expect(counting.roundTrips()).toBe(1)
    expect((await refreshByJson(first.refresh)).status).toBe(401)
    const next = await refreshByJson(last.refresh)
    expect(next.status).toBe(200)
    expect(await endAll(String(border))).toEqual(okJson({ ended: 1, next: null }))
    const { refresh } = await next.json<{ refresh: string }>()
    expect((await refreshByJson(refresh)).status).toBe(401)
  })

  test('is for operators alone', async () => {
    const { refresh } = await open()
    const without = await callWithoutTrace('/admin/sessions', { method: 'DELETE' })
    expect(await answerBesideCookies(without)).toEqual(NOT_AUTHENTICATED)
    const wrong = await callWithoutTrace('/admin/sessions', { method: 'DELETE', headers: bearer(refresh) })
    expect(await answerBesideCookies(wrong)).toEqual(FORBIDDEN)
  })
})
