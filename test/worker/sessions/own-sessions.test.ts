/** /auth/sessions: an owner sees the sessions of the account, and ends one of them or all others. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { dumpTables, emptyTables, insertPlace } from '../../support/accounts.ts'
import { answerBesideCookies, DONE, okJson, NOT_FOUND, USED } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { callWithoutTrace, EXCHANGES, me, refused, renew } from '../../support/requests.ts'
import { endOf, LIVE, open, type OpenedByAccount, type Tokens } from '../../support/sessions.ts'
import { type CallOptions, ELSEWHERE, HOME, setCookies, startWorker, worker } from '../../support/worker.ts'
import { keepLog } from '../../support/log.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

interface Described {
  readonly place?: Readonly<Record<string, unknown>>
  readonly visit?: Readonly<Record<string, unknown>>
  readonly rest?: Readonly<Record<string, unknown>>
}

function describedSession(session: OpenedByAccount, expected: Described) {
  const place = { ip: HOME, city: null, country: null, network: null, user_agent: null, ...expected.place }
  return {
    sid: session.sid,
    created_at: T0,
    last_used_at: T0,
    expires_at: T0 + 10 * DAY_SECONDS,
    ...place,
    bound: null,
    last_seen: { ...place, ...expected.visit },
    current: false,
    ...expected.rest,
  }
}

describe('GET /auth/sessions', () => {
  const path = '/auth/sessions'

  test("lists the account's own live sessions, the last used one first, and marks the current one", async () => {
    const cf = { asn: 64_496, country: 'IS', city: 'Reykjavík', asOrganization: 'Example Net' } as const
    const phone = await open(undefined, { cf, headers: { 'User-Agent': 'Phone/1' }, ip: '2001:DB8::7' })
    const { account } = phone
    at(10)
    const laptop = await open(account)
    at(20)
    const tablet = await open(account, { ip: ELSEWHERE, headers: { 'User-Agent': 'x'.repeat(300) } })
    const [ended, over] = [await open(account), await open(account)]
    await open() // somebody else's
    await worker.call('/auth/token/revoke', { method: 'POST', json: { token: ended.access } })
    await env.DB.prepare('UPDATE sessions SET expires_at = ? WHERE sid = ?')
      .bind(T0 + 20, over.sid)
      .run()
    at(30)
    await renew(laptop, { ip: HOME, cf: { country: 'NO', city: 'Oslo' } })
    const expected = [
      describedSession(laptop, {
        place: { city: 'Oslo', country: 'NO' },
        rest: { created_at: T0 + 10, last_used_at: T0 + 30, expires_at: T0 + 30 + 10 * DAY_SECONDS },
      }),
      describedSession(tablet, {
        place: { ip: ELSEWHERE, user_agent: 'x'.repeat(256) },
        rest: {
          created_at: T0 + 20,
          last_used_at: T0 + 20,
          expires_at: T0 + 20 + 10 * DAY_SECONDS,
          current: true,
        },
      }),
      describedSession(phone, {
        place: {
          ip: '2001:db8::7',
          city: 'Reykjavík',
          country: 'IS',
          network: 'Example Net',
          user_agent: 'Phone/1',
        },
      }),
    ]

    const headers = { Authorization: `Bearer ${tablet.access}` }
    expect(await answerBesideCookies(await callWithoutTrace(path, { headers, ip: ELSEWHERE }))).toEqual(
      okJson(expected),
    )
    const home = { cookies: { access_token: phone.access }, ip: '2001:db8::7' }
    expect(await answerBesideCookies(await callWithoutTrace(path, home))).toEqual(
      okJson(expected.map((one) => ({ ...one, current: one.sid === phone.sid }))),
    )
  })

  test('leaves out what is over by the SESSION_MAX_SECONDS of today', async () => {
    const old = await open()
    at(200)
    const recent = await open(old.account)
    const stricter = startWorker({ SESSION_MAX_SECONDS: '250' })
    at(250)
    const listed = await stricter.call(path, { headers: { Authorization: `Bearer ${recent.access}` } })

    expect(await listed.json()).toEqual([
      describedSession(recent, {
        rest: {
          created_at: T0 + 200,
          last_used_at: T0 + 200,
          expires_at: T0 + 200 + 10 * DAY_SECONDS,
          current: true,
        },
      }),
    ])
  })

  test('shows a visit, from where and with which device, until the session is at home again', async () => {
    const cf = { asn: 64_511, country: 'NZ', city: 'Nelson', asOrganization: 'Far Net' } as const
    const session = await open(undefined, { headers: { 'User-Agent': 'Home/1' } })
    await insertPlace(env.DB, session.account, `address:${ELSEWHERE}/32`, {
      createdAt: T0,
      expiresAt: T0 + DAY_SECONDS,
    })
    at(10)
    const visitor = await renew(session, { ip: ELSEWHERE, cf, headers: { 'User-Agent': 'Visitor/1' } })
    const rest = { last_used_at: T0 + 10, expires_at: T0 + 10 + 10 * DAY_SECONDS, current: true }

    expect(await listedFor(visitor)).toEqual([
      describedSession(session, {
        place: { user_agent: 'Home/1' },
        visit: { ip: ELSEWHERE, city: 'Nelson', country: 'NZ', network: 'Far Net', user_agent: 'Visitor/1' },
        rest,
      }),
    ])
    const back = await renew(visitor, { headers: { 'User-Agent': 'Home/2' } })
    expect(await listedFor(back)).toEqual([describedSession(session, { place: { user_agent: 'Home/2' }, rest })])
  })
})

async function listedFor({ access }: Tokens) {
  const response = await worker.call('/auth/sessions', { headers: { Authorization: `Bearer ${access}` } })
  return response.json()
}

function removeSession(by: OpenedByAccount, sid: string, options: CallOptions = {}) {
  const cookies = { access_token: by.access }
  return worker.call(`/auth/sessions/${sid}`, { cookies, ...options, method: 'DELETE' })
}

describe('DELETE /auth/sessions/{sid}', () => {
  test('ends one of the account, and no other', async () => {
    const current = await open()
    const [lost, kept, foreign] = [await open(current.account), await open(current.account), await open()]
    at(60)
    const response = await removeSession(current, lost.sid)

    expect(setCookies(response)).toEqual({})
    expect(await answerBesideCookies(response)).toEqual(DONE)
    expect(await endOf(lost.sid)).toEqual({ revoked_at: T0 + 60, revoked_reason: 'revoked' })
    for (const { sid } of [current, kept, foreign]) expect(await endOf(sid)).toEqual(LIVE)
    expect(await EXCHANGES.json(worker, lost)).toEqual(refused(USED))
  })

  test('may end the current one', async () => {
    const current = await open()

    expect(await answerBesideCookies(await removeSession(current, current.sid))).toEqual(DONE)
    expect(await me(current.access)).toEqual(USED)
  })

  test('takes a bearer token as well as the cookie', async () => {
    const current = await open()
    const other = await open(current.account)
    const headers = { Authorization: `Bearer ${current.access}` }
    const path = `/auth/sessions/${other.sid}`

    expect(await answerBesideCookies(await worker.call(path, { method: 'DELETE', headers }))).toEqual(DONE)
    expect(await endOf(other.sid)).toEqual({ revoked_at: T0, revoked_reason: 'revoked' })
  })

  test('answers 404, and changes nothing, for a session that is not a live one of the account', async () => {
    const current = await open()
    const [foreign, ended, expired] = [await open(), await open(current.account), await open(current.account)]
    expect((await removeSession(current, ended.sid)).status).toBe(204)
    await env.DB.prepare('UPDATE sessions SET expires_at = ? WHERE sid = ?').bind(T0, expired.sid).run()
    const sids = {
      foreign: foreign.sid,
      ended: ended.sid,
      expired: expired.sid,
      unknown: crypto.randomUUID(),
      'no sid at all': 'x',
      'any of them': '%25',
      'not text': '%E0%A4%A',
    }

    for (const [name, sid] of Object.entries(sids)) {
      const path = `/auth/sessions/${sid}`
      const response = await callWithoutTrace(path, { method: 'DELETE', cookies: { access_token: current.access } })
      expect({ name, ...(await answerBesideCookies(response)) }).toEqual({ name, ...NOT_FOUND })
    }
  })
})

describe('DELETE /auth/sessions', () => {
  test.each<[string, (token: string) => CallOptions]>([
    ['the cookie', (token) => ({ cookies: { access_token: token } })],
    ['a bearer token', (token) => ({ headers: { Authorization: `Bearer ${token}` } })],
  ])('ends all of the account but the one that asks, by %s', async (_name, optionsFor) => {
    const current = await open()
    const others = [await open(current.account), await open(current.account), await open(current.account)]
    const foreign = await open()
    at(60)

    expect(
      await answerBesideCookies(
        await worker.call('/auth/sessions', { ...optionsFor(current.access), method: 'DELETE' }),
      ),
    ).toEqual(DONE)
    for (const other of others) {
      expect(await me(other.access)).toEqual(USED)
      expect(await EXCHANGES.json(worker, other)).toEqual(refused(USED))
    }
    expect((await EXCHANGES.cookies(worker, foreign)).status).toBe(200)
    expect((await EXCHANGES.cookies(worker, current)).status).toBe(200)
  })

  test('leaves alone what had ended before, and answers the same where there is nothing to end', async () => {
    const current = await open()
    const ended = await open(current.account)
    await worker.call('/auth/token/revoke', { method: 'POST', json: { token: ended.access } })
    at(60)

    const { sessions: before } = await dumpTables(env.DB)
    const options = { method: 'DELETE', cookies: { access_token: current.access } }
    for (let i = 0; i < 2; i += 1)
      expect(await answerBesideCookies(await worker.call('/auth/sessions', options))).toEqual(DONE)
    expect((await dumpTables(env.DB))['sessions']).toEqual(before)
    expect((await me(current.access)).status).toBe(200)
  })
})
