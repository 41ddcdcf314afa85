/** POST /auth/token/refresh: one refresh token for the next pair. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { createAccount, dumpTables } from '../../support/accounts.ts'
import {
  answer,
  BLOCKED,
  describeAccount,
  granted,
  MALFORMED,
  NO_ACCOUNT,
  NOT_VALID,
  UNAVAILABLE,
  USED,
} from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { claimsOf, UUID } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { post, refreshByJson } from '../../support/requests.ts'
import { openByGuid, type Tokens } from '../../support/sessions.ts'
import { ELSEWHERE } from '../../support/worker.ts'

stopClock()
keepLog('warn')

describe('POST /auth/token/refresh', () => {
  test('exchanges the token for the next pair of the same session', async () => {
    const account = await createAccount(env.DB, { group: 'editors' })
    const first = await openByGuid(account.guid)
    at(400)
    const next = await granted(await refreshByJson(first.refresh), describeAccount(account))

    const { jti } = claimsOf(next.access)
    expect(jti).toMatch(UUID)
    expect(jti).not.toBe(claimsOf(first.access)['jti'])
    expect(claimsOf(next.access)).toEqual({ ...claimsOf(first.access), jti, iat: T0 + 400, exp: T0 + 700 })
    expect(claimsOf(next.refresh)).toEqual({
      ...claimsOf(first.refresh),
      jti,
      iat: T0 + 400,
      exp: T0 + 400 + 10 * DAY_SECONDS,
    })
  })

  test('describes an account without an e-mail', async () => {
    const { access, refresh: token } = await openByGuid()

    await granted(await refreshByJson(token), { email: null, user_id: claimsOf(access)['id'], group: 'user' })
  })

  test('signs the group that the account has by now', async () => {
    const account = await createAccount(env.DB)
    const { refresh: token } = await openByGuid(account.guid)
    await env.DB.prepare(`UPDATE users SET "group" = 'editors' WHERE id = ?`).bind(account.id).run()
    const next = await granted(await refreshByJson(token), { ...describeAccount(account), group: 'editors' })

    expect(claimsOf(next.access)).toMatchObject({ group: 'editors' })
  })

  test('refuses a used token, and the session lives on', async () => {
    const { refresh: token } = await openByGuid()
    const { refresh: next } = (await (await refreshByJson(token)).json()) as Tokens
    const before = await dumpTables(env.DB)

    expect(await answer(await refreshByJson(token))).toEqual(USED)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect((await refreshByJson(next)).status).toBe(200)
  })

  test('ends the session of a token that comes back later', async () => {
    const { refresh: token } = await openByGuid()
    const { refresh: next } = (await (await refreshByJson(token)).json()) as Tokens
    at(11)

    expect(await answer(await refreshByJson(token))).toEqual(USED)
    expect(await answer(await refreshByJson(next))).toEqual(USED)
  })

  test('refuses a token at its expiry, one second after it was good', async () => {
    const [one, two] = [await openByGuid(), await openByGuid()]
    at(10 * DAY_SECONDS - 1)
    expect((await refreshByJson(one.refresh)).status).toBe(200)
    at(10 * DAY_SECONDS)

    expect(await answer(await refreshByJson(two.refresh))).toEqual(NOT_VALID)
  })

  test('blocks a live token from another address, and ends its session', async () => {
    const { refresh: token } = await openByGuid()

    expect(await answer(await refreshByJson(token, { ip: ELSEWHERE }))).toEqual(BLOCKED)
    expect(await answer(await refreshByJson(token))).toEqual(USED)
  })

  test('refuses an account that was deactivated, and ends the session', async () => {
    const { guid, refresh: token } = await openByGuid()
    await env.DB.prepare('UPDATE users SET is_active = 0 WHERE guid = ?').bind(guid).run()

    expect(await answer(await refreshByJson(token))).toEqual(NO_ACCOUNT)
    await env.DB.prepare('UPDATE users SET is_active = 1 WHERE guid = ?').bind(guid).run()
    expect(await answer(await refreshByJson(token))).toEqual(USED)
  })

  test.each([
    ['no address', null, UNAVAILABLE],
    ['an address that is none', 'somewhere', MALFORMED],
  ])('from %s changes nothing', async (_name, ip, expected) => {
    const { refresh: token } = await openByGuid()
    const before = await dumpTables(env.DB)

    expect(await answer(await refreshByJson(token, { ip }))).toEqual(expected)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect((await refreshByJson(token)).status).toBe(200)
  })

  test('takes the refresh token of a browser, and gives no cookie for it', async () => {
    const { refresh: token } = await openByGuid()
    const response = await post('/auth/token/refresh', { refresh: token }, { cookies: { refresh_token: token } })

    expect(response.status).toBe(200)
    expect(response.headers.getSetCookie()).toEqual([])
  })

  test('reads no cookie', async () => {
    const { access, refresh: token } = await openByGuid()
    const cookies = { access_token: access, refresh_token: token }
    const response = await post('/auth/token/refresh', {}, { cookies })

    expect(response.status).toBe(400)
    expect((await refreshByJson(token)).status).toBe(200)
  })
})
