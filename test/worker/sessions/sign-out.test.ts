/** DELETE /auth/session: a browser signs out of the session of its cookie, and gives both cookies back. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createAccount, emptyTables } from '../../support/accounts.ts'
import { answerBesideCookies, DONE, USED } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { forgedCopy, twinOf } from '../../support/forge.ts'
import { callWithoutTrace, EXCHANGES, refused, renew } from '../../support/requests.ts'
import { endOf, open, type OpenedByAccount } from '../../support/sessions.ts'
import { callForCode, exchange, reasonOf, USED_CODE } from '../../support/short-answers.ts'
import { setCookies, startWorker, worker } from '../../support/worker.ts'
import { keepLog } from '../../support/log.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

describe('DELETE /auth/session', () => {
  const path = '/auth/session'
  const CLEARED = {
    access_token: { value: '', attributes: ['Max-Age=0', 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Strict'] },
    refresh_token: { value: '', attributes: ['Max-Age=0', 'Path=/refresh', 'HttpOnly', 'Secure', 'SameSite=Strict'] },
  }

  test('ends the session, takes both cookies back, and leaves every other session alone', async () => {
    const session = await open()
    const other = await open(session.account)
    at(60)
    const response = await worker.call(path, { method: 'DELETE', cookies: { access_token: session.access } })

    expect(setCookies(response)).toEqual(CLEARED)
    expect(await answerBesideCookies(response)).toEqual(DONE)
    expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + 60, revoked_reason: 'signed_out' })
    expect(await EXCHANGES.cookies(worker, session)).toEqual(refused(USED))
    expect((await EXCHANGES.cookies(worker, other)).status).toBe(200)
  })

  test.each([
    ['an expired access token', 9 * DAY_SECONDS],
    ['one that was rotated away', 200],
  ])('works with %s', async (_name, seconds) => {
    const session = await open()
    at(100)
    await renew(session)
    at(seconds)
    const response = await worker.call(path, { method: 'DELETE', cookies: { access_token: session.access } })

    expect(setCookies(response)).toEqual(CLEARED)
    expect(await answerBesideCookies(response)).toEqual(DONE)
    expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + seconds, revoked_reason: 'signed_out' })
  })

  test('answers the same a second time, and the first end stands', async () => {
    const session = await open()
    const options = { method: 'DELETE', cookies: { access_token: session.access } }
    await worker.call(path, options)
    at(60)

    expect(await answerBesideCookies(await callWithoutTrace(path, options))).toEqual(DONE)
  })

  test.each<[string, (session: OpenedByAccount) => Promise<Record<string, string>>]>([
    ['no cookie', async () => ({})],
    ['an empty cookie', async () => ({ access_token: '' })],
    ['garbage', async () => ({ access_token: 'garbage' })],
    ['a forged copy', async ({ access }) => ({ access_token: await forgedCopy(access) })],
    ['the refresh cookie alone, which browsers do not send here', async ({ refresh }) => ({ refresh_token: refresh })],
  ])('with %s ends nothing, and takes the cookies back all the same', async (_name, cookiesOf) => {
    const session = await open()
    const response = await callWithoutTrace(path, { method: 'DELETE', cookies: await cookiesOf(session) })

    expect(setCookies(response)).toEqual(CLEARED)
    expect(await answerBesideCookies(response)).toEqual(DONE)
  })

  test('signs out even where a neighbouring site planted a second cookie of that name', async () => {
    const session = await open()
    const headers = { Cookie: `access_token=planted; access_token=${session.access}` }
    const response = await worker.call(path, { method: 'DELETE', headers })

    expect(setCookies(response)).toEqual(CLEARED)
    expect(await answerBesideCookies(response)).toEqual(DONE)
    expect(await endOf(session.sid)).toEqual({ revoked_at: T0, revoked_reason: 'signed_out' })
  })

  test('takes the cookies of a plain http loopback back under the attributes that they were set with', async () => {
    const response = await worker.call(path, { method: 'DELETE', origin: 'http://localhost:8787' })

    expect(setCookies(response)).toEqual({
      access_token: { value: '', attributes: ['Max-Age=0', 'Path=/', 'HttpOnly', 'SameSite=Strict'] },
      refresh_token: { value: '', attributes: ['Max-Age=0', 'Path=/refresh', 'HttpOnly', 'SameSite=Strict'] },
    })
  })
})

test('DELETE /auth/session acts once on a session of which it gets an old and a new token', async () => {
  const { sid, cookies } = await open()
  const { next } = await exchange(cookies)
  const { database, roundTrips, reset } = countRoundTrips(env.DB)
  const counted = startWorker({ DB: database })
  const Cookie = [cookies, next].map(({ access_token }) => `access_token=${access_token}`).join('; ')
  reset()

  expect((await counted.call('/auth/session', { method: 'DELETE', headers: { Cookie } })).status).toBe(204)
  expect([roundTrips(), await reasonOf(sid)]).toEqual([1, 'signed_out'])
})

test('the other signature that anybody can make of a token, (r, n − s), is the same token: nothing goes by its text', async () => {
  const { sid, cookies } = await open()
  const twin = twinOf(cookies.access_token)
  const { database, roundTrips, reset } = countRoundTrips(env.DB)
  const counted = startWorker({ DB: database })
  const verified = await worker.call('/auth/token/verify', { method: 'POST', json: { token: twin } })
  expect([twin === cookies.access_token, verified.status]).toEqual([false, 200])
  reset()
  const headers = { Cookie: `access_token=${cookies.access_token}; access_token=${twin}` }

  expect((await counted.call('/auth/session', { method: 'DELETE', headers })).status).toBe(204)
  expect([roundTrips(), await reasonOf(sid)]).toEqual([1, 'signed_out'])
  expect((await callForCode('/auth/me', { cookies: { access_token: twin } })).answer).toEqual(USED_CODE)
})

test('DELETE /auth/session acts once a session, and on four at most', async () => {
  const account = await createAccount(env.DB)
  const sessions: OpenedByAccount[] = []
  for (let i = 0; i < 6; i += 1) sessions.push(await open(account))
  const tokens = sessions.flatMap(({ cookies }) => [cookies.access_token, cookies.access_token])
  const { database, roundTrips, reset } = countRoundTrips(env.DB)
  const counted = startWorker({ DB: database })
  const Cookie = [...Array<string>(8).fill('x.y.z'), ...tokens].map((token) => `access_token=${token}`).join('; ')
  reset()

  expect((await counted.call('/auth/session', { method: 'DELETE', headers: { Cookie } })).status).toBe(204)
  expect(roundTrips()).toBe(4)
  const ends = await Promise.all(sessions.map(({ sid }) => reasonOf(sid)))
  expect(ends).toEqual(['signed_out', 'signed_out', 'signed_out', 'signed_out', null, null])
})
