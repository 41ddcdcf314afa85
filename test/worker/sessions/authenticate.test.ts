/** Routes that an access token opens: whose it is, and what it is good for to an API that was sent one. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createAccount, dumpTables, emptyTables } from '../../support/accounts.ts'
import { answerBesideCookies, okJson, MALFORMED, NOT_AUTHENTICATED, NOT_VALID, USED } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { forgedCopy } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { callWithoutTrace, me, renew, SERVICE } from '../../support/requests.ts'
import { open } from '../../support/sessions.ts'
import { BLOCKED_CODE, callForCode, NO_CONTENT, OK, remove, tracesOf, USED_CODE } from '../../support/short-answers.ts'
import { type CallOptions, ELSEWHERE, HOME, startWorker, type TestWorker, worker } from '../../support/worker.ts'

const logged = keepLog('warn')

stopClock()
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

describe('GET /auth/me', () => {
  test.each([
    ['confirmed', 1_700_000_000, true],
    ['unconfirmed', null, false],
  ])('shows an account that is %s', async (_name, confirmedAt, confirmed) => {
    const account = await createAccount(env.DB, { confirmedAt, group: 'editors' })
    const { access } = await open(account)
    const { email, id, guid, group } = account
    const expected = okJson({ email, user_id: id, guid, group, confirmed })

    expect(await me(access)).toEqual(expected)
    expect(await answerBesideCookies(await worker.call('/auth/me', { cookies: { access_token: access } }))).toEqual(
      expected,
    )
  })

  test('shows an account without an e-mail', async () => {
    const account = await createAccount(env.DB, { email: null, confirmedAt: null })
    const { access } = await open(account)

    expect(await me(access)).toEqual(
      okJson({ email: null, user_id: account.id, guid: account.guid, group: 'user', confirmed: false }),
    )
  })

  test('asks the header before the cookie, and does not fall back to it', async () => {
    const [one, two] = [await open(), await open()]
    const cookies = { access_token: two.access }
    const both = await worker.call('/auth/me', { headers: { Authorization: `Bearer ${one.access}` }, cookies })

    expect(await both.json()).toMatchObject({ guid: one.account.guid })
    const bad = await worker.call('/auth/me', { headers: { Authorization: 'Bearer garbage' }, cookies })
    expect(await answerBesideCookies(bad)).toEqual(MALFORMED)
  })

  test('takes a session whose token was rotated, for as long as that token lasts', async () => {
    const { access, refresh } = await open()
    at(299)
    await renew({ access, refresh })

    expect((await me(access)).status).toBe(200)
    at(300)
    expect(await me(access)).toEqual(NOT_VALID)
  })
})

describe('a protected route', () => {
  const ROUTES = [
    ['GET', '/auth/me'],
    ['GET', '/auth/sessions'],
    ['DELETE', '/auth/sessions'],
    ['DELETE', '/auth/sessions/6f9619ff-8b86-4011-b42d-00c04fc964ff'],
    ['GET', '/auth/places'],
    ['DELETE', '/auth/places/1'],
  ] as const

  test.each(ROUTES)('%s %s refuses whoever is not signed in', async (method, path) => {
    const session = await open()
    const ended = await open()
    await env.DB.prepare("UPDATE sessions SET revoked_at = ?, revoked_reason = 'revoked' WHERE sid = ?")
      .bind(T0, ended.sid)
      .run()
    const callers: readonly [string, CallOptions, unknown][] = [
      ['no token', {}, NOT_AUTHENTICATED],
      ['an empty cookie', { cookies: { access_token: '' } }, NOT_AUTHENTICATED],
      ['another scheme', { headers: { Authorization: 'Basic eDp5' } }, NOT_AUTHENTICATED],
      ['a refresh cookie', { cookies: { refresh_token: session.refresh } }, NOT_AUTHENTICATED],
      ['garbage', { headers: { Authorization: 'Bearer garbage' } }, MALFORMED],
      ['a refresh token', { headers: { Authorization: `Bearer ${session.refresh}` } }, NOT_VALID],
      ['the service key', { headers: SERVICE }, MALFORMED],
      ['a forged copy', { headers: { Authorization: `Bearer ${await forgedCopy(session.access)}` } }, NOT_VALID],
      ['a session that has ended', { cookies: { access_token: ended.access } }, USED],
    ]

    for (const [name, options, expected] of callers) {
      const response = await callWithoutTrace(path, { ...options, method })
      expect({ name, ...(await answerBesideCookies(response)) }).toEqual({ name, ...(expected as object) })
    }
    at(300)
    const expired = await callWithoutTrace(path, { method, cookies: { access_token: session.access } })
    expect(await answerBesideCookies(expired)).toEqual(NOT_VALID)
  })
})

/** A session, what an access token of it could govern, and the token. */
async function governed(options: CallOptions = {}, by: TestWorker = worker) {
  const session = await open(undefined, options, by)
  const other = await open(session.account, options, by)
  const place = await env.DB.prepare(
    'INSERT INTO allowed_places (user_id, place, created_at, expires_at) VALUES (?, ?, ?, ?) RETURNING id',
  )
    .bind(session.account.id, 'address:192.0.2.9/32', T0, T0 + DAY_SECONDS)
    .first<{ id: number }>()
  const fill = (path: string) => path.replace(':sid', other.sid).replace(':id', String(place?.id))
  const headers = { Authorization: `Bearer ${session.cookies.access_token}` }
  return { session, fill, headers }
}

describe('an access token that an API was sent', () => {
  const GOVERNING = [
    ['GET', '/auth/sessions'],
    ['DELETE', '/auth/sessions'],
    ['DELETE', '/auth/sessions/:sid'],
    ['GET', '/auth/places'],
    ['DELETE', '/auth/places/:id'],
  ] as const

  test.each(GOVERNING)('does not govern its account from elsewhere: %s %s', async (method, path) => {
    const { session, fill: target, headers } = await governed()
    const before = await dumpTables(env.DB)
    const { answer } = await callForCode(target(path), { method, headers, ip: ELSEWHERE })

    expect(answer).toEqual(BLOCKED_CODE)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await tracesOf(session.sid, logged)).toEqual({ mails: [], causes: ['moved'] })
    const expected = method === 'GET' ? OK : NO_CONTENT
    expect((await callForCode(target(path), { method, headers })).answer).toEqual(expected)
    const visit = await governed()
    expect((await callForCode(visit.fill(path), { method, headers: visit.headers, ip: '192.0.2.9' })).answer).toEqual(
      expected,
    )
  })

  test.each([
    ['address', '203.0.113.8', {}, false],
    ['subnet', '203.0.113.8', {}, true],
    ['subnet', '203.0.114.7', {}, false],
    ['asn', ELSEWHERE, { asn: 64_496, country: 'NZ' }, true],
    ['asn', ELSEWHERE, { asn: 64_511, country: 'IS' }, false],
    ['asn', ELSEWHERE, {}, false],
    ['country', ELSEWHERE, { asn: 64_511, country: 'IS' }, true],
    ['country', ELSEWHERE, { asn: 64_496, country: 'NZ' }, false],
    ['country', HOME, {}, true],
    ['off', '2001:db8::1', {}, true],
  ] as const)('goes by the policy %s, from %s %j', async (policy, ip, cf, isIn) => {
    const by = startWorker({ LOCATION_POLICY: policy })
    const { headers } = await governed({ ip: HOME, cf: { asn: 64_496, country: 'IS' } }, by)

    expect((await callForCode('/auth/sessions', { headers, ip, cf }, by)).answer).toEqual(isIn ? OK : BLOCKED_CODE)
  })

  test.each([
    ['address', BLOCKED_CODE],
    ['country', OK],
  ])('goes by the places that count under %s today, not by a wider one that was allowed', async (policy, expected) => {
    const by = startWorker({ LOCATION_POLICY: policy })
    const { session, headers } = await governed({}, by)
    await env.DB.prepare('INSERT INTO allowed_places (user_id, place, created_at, expires_at) VALUES (?, ?, ?, ?)')
      .bind(session.account.id, 'country:NZ', T0, T0 + DAY_SECONDS)
      .run()

    const options = { headers, ip: ELSEWHERE, cf: { country: 'NZ' } } as const
    expect((await callForCode('/auth/sessions', options, by)).answer).toEqual(expected)
  })

  test('is told first whatever else is wrong with it', async () => {
    const { session, headers } = await governed()
    await remove('/auth/session', session.cookies.access_token)

    expect((await callForCode('/auth/sessions', { headers, ip: ELSEWHERE })).answer).toEqual(USED_CODE)
    expect((await callForCode('/auth/sessions', { ip: ELSEWHERE })).answer.code).toBe('not_authenticated')
  })

  test('still says whose it is, may be checked, and may be given up, from anywhere', async () => {
    const { session, headers } = await governed()
    const token = session.cookies.access_token
    const service = { Authorization: `Bearer ${env.SERVICE_KEY}` }

    expect((await callForCode('/auth/me', { headers, ip: ELSEWHERE })).answer).toEqual(OK)
    const introspected = await worker.call('/auth/token/introspect', {
      method: 'POST',
      headers: service,
      json: { token },
      ip: ELSEWHERE,
    })
    expect(await introspected.json()).toMatchObject({ active: true })
    expect(
      (await callForCode('/auth/token/revoke', { method: 'POST', json: { token }, ip: ELSEWHERE })).answer,
    ).toEqual(NO_CONTENT)
  })

  test('asks D1 once more than before for nothing', async () => {
    const { headers } = await governed()
    const { database, roundTrips, reset } = countRoundTrips(env.DB)
    const counted = startWorker({ DB: database })
    reset()
    await callForCode('/auth/sessions', { headers, ip: ELSEWHERE }, counted)

    expect(roundTrips()).toBe(1)
  })
})
