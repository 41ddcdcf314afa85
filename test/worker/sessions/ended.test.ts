/** Ended means ended, wherever a session is judged, by whatever it ended, and for as long as anybody may ask. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test, vi } from 'vitest'

import { createSessionStore } from '../../../src/db/sessions/store.ts'
import { createAccount, dumpTables, emptyTables, PASSWORD, type TestAccount } from '../../support/accounts.ts'
import { okJson, NO_ACCOUNT, NOT_VALID, type problem, USED } from '../../support/answers.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { claimsOf } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { admin, changeUser } from '../../support/operators.ts'
import { EXCHANGES, introspect, me, refused, renew } from '../../support/requests.ts'
import { endOf, open, type OpenedByAccount } from '../../support/sessions.ts'
import { listedSids, statusOrCode } from '../../support/short-answers.ts'
import { pairOf, startWorker, type TestWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

const INACTIVE = okJson({ active: false })

async function deactivate({ account }: OpenedByAccount) {
  await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(account.id).run()
}

async function afterRefusal({ sid }: OpenedByAccount, expected: ReturnType<typeof problem>) {
  if (expected !== NO_ACCOUNT) return expected
  expect(await endOf(sid)).toMatchObject({ revoked_reason: 'inactive' })
  return USED
}

describe('a session that is over', () => {
  const stricter = startWorker({ SESSION_MAX_SECONDS: '200' })

  const ENDS: readonly [string, ReturnType<typeof problem>, (session: OpenedByAccount) => Promise<TestWorker>][] = [
    [
      'its absolute lifetime, as it is today, is over',
      USED,
      async () => {
        at(200)
        return stricter
      },
    ],
    ['its account was deactivated', NO_ACCOUNT, (session) => deactivate(session).then(() => worker)],
    [
      'its account was deleted',
      NO_ACCOUNT,
      async ({ account }) => {
        await env.DB.prepare('DELETE FROM users WHERE id = ?').bind(account.id).run()
        return worker
      },
    ],
    [
      'it was revoked',
      USED,
      async ({ access }) => {
        await worker.call('/auth/token/revoke', { method: 'POST', json: { token: access } })
        return worker
      },
    ],
    [
      'it was purged',
      USED,
      async ({ sid }) => {
        await env.DB.prepare('DELETE FROM sessions WHERE sid = ?').bind(sid).run()
        return worker
      },
    ],
  ]

  test.each(ENDS)('because %s shows at me, introspection and both refreshes', async (_name, expected, end) => {
    const session = await open()
    at(199)
    expect((await me(session.access, stricter)).status).toBe(200)
    expect(JSON.parse((await introspect(session.refresh, stricter)).body)).toMatchObject({ active: true })
    const by = await end(session)

    expect(await me(session.access, by)).toEqual(expected)
    expect(await introspect(session.access, by)).toEqual(INACTIVE)
    expect(await introspect(session.refresh, by)).toEqual(INACTIVE)
    expect(await EXCHANGES.cookies(by, session)).toEqual(refused(expected))
    // The refusal of an inactive account ended the session.
    expect(await EXCHANGES.json(by, session)).toEqual(refused(await afterRefusal(session, expected)))
  })

  test('an account that comes back does not bring its refused sessions back', async () => {
    const [refreshed, asleep] = [await open(), await open()]
    for (const session of [refreshed, asleep]) await deactivate(session)
    await EXCHANGES.json(worker, refreshed)
    await env.DB.prepare('UPDATE users SET is_active = 1').run()

    expect(await EXCHANGES.json(worker, refreshed)).toEqual(refused(USED))
    expect((await EXCHANGES.json(worker, asleep)).status).toBe(200)
  })

  test('SESSION_MAX_SECONDS after its sign-in, whatever was refreshed: no token outlives it', async () => {
    const short = startWorker({ SESSION_MAX_SECONDS: '600' })
    const session = await open(undefined, {}, short)
    at(599)
    const last = await renew(session, {}, short)

    expect(claimsOf(last.access)).toMatchObject({ iat: T0 + 599, exp: T0 + 600 })
    expect(claimsOf(last.refresh)).toMatchObject({ iat: T0 + 599, exp: T0 + 600 })
    expect((await me(last.access, short)).status).toBe(200)
    at(600)
    expect(await me(last.access, short)).toEqual(NOT_VALID)
    expect(await introspect(last.refresh, short)).toEqual(INACTIVE)
    expect(await EXCHANGES.json(short, last)).toEqual(refused(NOT_VALID))
    expect(await EXCHANGES.cookies(short, last)).toEqual(refused(NOT_VALID))
  })
})

async function isActive(token: string): Promise<boolean> {
  const headers = { Authorization: `Bearer ${env.SERVICE_KEY}` }
  const response = await worker.call('/auth/token/introspect', { method: 'POST', headers, json: { token } })
  return (await response.json<{ active: boolean }>()).active
}

/** A session as it is judged everywhere. The refresh comes last: a good one rotates. */
async function judged(session: Pick<OpenedByAccount, 'cookies'>) {
  const { access_token: access, refresh_token: refresh } = session.cookies
  return {
    me: await statusOrCode('/auth/me', session),
    list: await statusOrCode('/auth/sessions', session),
    places: await statusOrCode('/auth/places', session),
    endOthers: await statusOrCode('/auth/sessions', session, { method: 'DELETE' }),
    introspected: [await isActive(access), await isActive(refresh)],
    refreshed: await statusOrCode('/refresh', session),
  }
}

const OVER = {
  me: 'token_used',
  list: 'token_used',
  places: 'token_used',
  endOthers: 'token_used',
  introspected: [false, false],
  refreshed: 'token_used',
}

const LIVE = { me: 200, list: 200, places: 200, endOthers: 204, introspected: [true, true], refreshed: 200 }

function setEnded(account: TestAccount, before: number, except: string | null = null) {
  return env.DB.prepare('UPDATE users SET ended_before = ?, ended_except = ? WHERE id = ?')
    .bind(before, except, account.id)
    .run()
}

describe('a session that was opened until ended_before of its account', () => {
  test('is over everywhere, to the second, but for the one that is named; and nobody else is', async () => {
    const account = await createAccount(env.DB)
    const [first, kept] = [await open(account), await open(account)]
    at(1)
    const [second, foreign] = [await open(account), await open()]
    at(2)
    const third = await open(account)
    await setEnded(account, T0 + 1, kept.sid)

    expect(await judged(first)).toEqual(OVER)
    expect(await judged(second)).toEqual(OVER)
    expect((await listedSids(third)).toSorted()).toEqual([kept.sid, third.sid].toSorted())
    expect(await statusOrCode(`/auth/sessions/${second.sid}`, third, { method: 'DELETE' })).toBe('not_found')
    for (const session of [foreign, kept]) expect(await judged(session)).toEqual(LIVE)
  })

  test('does not come back, whatever it asked for at the moment at which it ended', async () => {
    const account = await createAccount(env.DB)
    const thief = await open(account)
    at(1)
    await setEnded(account, T0 + 1)
    const before = await dumpTables(env.DB)

    // As when its token was looked at before, and its wish was carried out after.
    const store = createSessionStore(env.DB, () => crypto.randomUUID())
    expect(
      await store.endOthers({ sid: thief.sid, userId: account.id }, T0 + 1, { sessionMaxSeconds: 7_776_000 }),
    ).toBe(false)
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('is over by the SESSION_MAX_SECONDS of today for whoever ends sessions, as for whoever lists them', async () => {
    const account = await createAccount(env.DB)
    const [old, young] = [await open(account), await open(account)]
    at(200)
    const caller = await open(account)
    const stricter = startWorker({ SESSION_MAX_SECONDS: '200' })

    expect(await listedSids(caller, stricter)).toEqual([caller.sid])
    expect(await statusOrCode(`/auth/sessions/${old.sid}`, caller, { method: 'DELETE' }, stricter)).toBe('not_found')
    expect(await statusOrCode(`/auth/sessions/${old.sid}`, caller, { method: 'DELETE' })).toBe(204)

    // As when the token of the one that is kept was looked at a moment ago, and it has become too old since.
    const store = createSessionStore(env.DB, () => crypto.randomUUID())
    const before = await dumpTables(env.DB)
    const kept = { sid: young.sid, userId: account.id }
    expect(await store.endOthers(kept, T0 + 200, { sessionMaxSeconds: 200 })).toBe(false)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await store.endOthers(kept, T0 + 200, { sessionMaxSeconds: 201 })).toBe(true)
  })

  test('is not listed once it is over, though it is the one that is named, and though nobody ended it', async () => {
    const account = await createAccount(env.DB)
    const kept = await open(account)
    expect(await statusOrCode('/auth/sessions', kept, { method: 'DELETE' })).toBe(204)
    at(200)
    const caller = await open(account)
    expect(await listedSids(caller)).toContain(kept.sid)
    expect(await listedSids(caller, startWorker({ SESSION_MAX_SECONDS: '200' }))).toEqual([caller.sid])

    // To the second: a session ends when its refresh token does.
    const other = await open(account)
    const expire = env.DB.prepare('UPDATE sessions SET expires_at = ? WHERE sid = ?')
    await expire.bind(T0 + 200, kept.sid).run()
    await expire.bind(T0 + 201, other.sid).run()
    expect((await listedSids(caller)).toSorted()).toEqual([caller.sid, other.sid].toSorted())
  })

  test('a sign-in of that very second lives, and ends with the next end', async () => {
    const account = await createAccount(env.DB)
    const old = await open(account)
    await setEnded(account, T0)
    const young = await open(account)

    expect(await statusOrCode('/refresh', old)).toBe('token_used')
    expect(await statusOrCode('/auth/me', young)).toBe(200)
    const other = await open(account)
    expect(await statusOrCode('/auth/sessions', other, { method: 'DELETE' })).toBe(204)
    expect(await statusOrCode('/refresh', young)).toBe('token_used')
    expect(await statusOrCode('/auth/me', await open(account))).toBe(200)
    expect(await statusOrCode('/refresh', other)).toBe(200)
  })

  test('a sign-in by password lives, too, before ended_before is over', async () => {
    const account = await createAccount(env.DB)
    await setEnded(account, T0 + 5)
    const json = { primary_email: account.email, password: PASSWORD }
    const cookies = pairOf(await worker.call('/auth/session', { method: 'POST', json }))

    expect(await judged({ cookies })).toEqual(LIVE)
  })

  test('ending all others reaches those that were opened by a clock ahead of ours', async () => {
    const account = await createAccount(env.DB)
    at(3)
    const ahead = await open(account)
    at(0)
    const current = await open(account)

    expect(await statusOrCode('/auth/sessions', current, { method: 'DELETE' })).toBe(204)
    expect(await statusOrCode('/refresh', ahead)).toBe('token_used')
    expect(await statusOrCode('/refresh', current)).toBe(200)
  })
})

describe('by an operator', () => {
  beforeEach(() => {
    vi.useRealTimers()
  })

  test("somebody's sessions end, the one that had ended all others included, and they may sign in again", async () => {
    const account = await createAccount(env.DB)
    const [one, thief, foreign] = [await open(account), await open(account), await open()]
    expect(await statusOrCode('/auth/sessions', thief, { method: 'DELETE' })).toBe(204)
    await admin('DELETE', `/users/${account.guid}/sessions`)

    for (const session of [one, thief]) expect(await judged(session)).toEqual(OVER)
    for (const session of [await open(account), foreign]) expect(await judged(session)).toEqual(LIVE)
  })

  test('an account that was deactivated and activated again brings no session back', async () => {
    const account = await createAccount(env.DB)
    const session = await open(account)
    await changeUser(account.guid, { active: false })
    expect(await statusOrCode('/auth/me', session)).toBe('token_used')
    await changeUser(account.guid, { active: true })

    expect(await judged(session)).toEqual(OVER)
    expect(await judged(await open(account))).toEqual(LIVE)
  })
})
