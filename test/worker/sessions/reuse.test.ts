/**
 * A pair in two hands: which of them gives itself away, when that is a race and when reuse, and what its owner is told.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { createSessionStore } from '../../../src/db/sessions/store.ts'
import { createAccount, dumpTables } from '../../support/accounts.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { decodeToken, UUID } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { purgeAll } from '../../support/purge.ts'
import { refreshByCookies } from '../../support/requests.ts'
import {
  type Cookies,
  jtiOf,
  notificationsFor,
  open,
  openByGuid,
  type OpenedByAccount,
  sessionRow,
} from '../../support/sessions.ts'
import { exchange, OK, reasonOf, remove, tracesOf, USED_CODE } from '../../support/short-answers.ts'
import { TEXT_GRANTED, TEXT_USED, textAnswer } from '../../support/text-answers.ts'
import { ELSEWHERE, HOME, ORIGIN, pairOf, startWorker, worker } from '../../support/worker.ts'

const logged = keepLog('warn')

stopClock()

describe('reuse', () => {
  test('of the direct predecessor is a race for 10 seconds', async () => {
    const { cookies } = await openByGuid()
    const next = pairOf(await refreshByCookies(cookies))
    at(10)

    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_USED)
    expect(await textAnswer(await refreshByCookies(next))).toEqual(TEXT_GRANTED)
  })

  test('of the direct predecessor after that ends its session alone and tells its owner', async () => {
    const { guid, id, email } = await createAccount(env.DB)
    const { sid, cookies } = await openByGuid(guid)
    const other = await openByGuid(guid)
    const next = pairOf(await refreshByCookies(cookies))
    at(11)

    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_USED)
    expect(await sessionRow(sid)).toMatchObject({
      jti: jtiOf(next),
      revoked_at: T0 + 11,
      revoked_reason: 'reuse',
    })
    const stored = await notificationsFor(sid)
    expect(stored).toEqual([
      {
        id: expect.stringMatching(UUID) as string,
        kind: 'token_reused',
        user_id: id,
        recipient: email,
        facts: expect.any(String) as string,
        dedupe_key: `token_reused:${sid}`,
        created_at: T0 + 11,
      },
    ])
    expect(JSON.parse(String(stored?.[0]?.['facts']))).toMatchObject({
      at: T0 + 11,
      client: { address: HOME, asn: null, country: null, city: null, network: null, userAgent: null },
      origin: ORIGIN,
    })
    expect(await textAnswer(await refreshByCookies(next))).toEqual(TEXT_USED)
    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_USED)
    expect(await notificationsFor(sid)).toEqual(stored)
    expect(await textAnswer(await refreshByCookies(other.cookies))).toEqual(TEXT_GRANTED)
  })

  test('of an older token ends the session at once', async () => {
    const { sid, cookies } = await openByGuid()
    const next = pairOf(await refreshByCookies(cookies))
    const last = pairOf(await refreshByCookies(next))

    expect(await textAnswer(await refreshByCookies(cookies))).toEqual(TEXT_USED)
    expect(await sessionRow(sid)).toMatchObject({ revoked_at: T0, revoked_reason: 'reuse' })
    expect(await textAnswer(await refreshByCookies(last))).toEqual(TEXT_USED)
  })

  describe('within REFRESH_REUSE_SECONDS', () => {
    const lenient = startWorker({ REFRESH_REUSE_SECONDS: '5' })

    test('gets the same successor again: the refresh token byte for byte, the access token with the same claims', async () => {
      const { cookies } = await openByGuid(undefined, {}, lenient)
      at(60)
      const next = pairOf(await refreshByCookies(cookies, {}, lenient))
      at(65)
      const response = await refreshByCookies(cookies, {}, lenient)

      expect(await textAnswer(response)).toEqual(TEXT_GRANTED)
      const again = pairOf(response)
      expect(again.refresh_token).toBe(next.refresh_token)
      expect(decodeToken(again.access_token)).toEqual(decodeToken(next.access_token))
      expect(await textAnswer(await refreshByCookies(again, {}, lenient))).toEqual(TEXT_GRANTED)
    })

    test('gets nothing after the window', async () => {
      const { cookies } = await openByGuid(undefined, {}, lenient)
      const next = pairOf(await refreshByCookies(cookies, {}, lenient))
      at(6)

      expect(await textAnswer(await refreshByCookies(cookies, {}, lenient))).toEqual(TEXT_USED)
      expect(await textAnswer(await refreshByCookies(next, {}, lenient))).toEqual(TEXT_GRANTED)
    })
  })
})

describe('the token just rotated away', () => {
  test.each([0, 10])('is reuse at once when it comes from elsewhere, with a window of %i s', async (seconds) => {
    const by = startWorker({ REFRESH_REUSE_SECONDS: String(seconds) })
    const { sid, cookies } = await open(undefined, {}, by)
    const { next } = await exchange(cookies, {}, by)
    at(1)

    expect((await exchange(cookies, { ip: ELSEWHERE }, by)).answer).toEqual(USED_CODE)
    expect(await reasonOf(sid)).toBe('reuse')
    expect(await tracesOf(sid, logged)).toEqual({ mails: ['token_reused'], causes: ['reused'] })
    expect((await exchange(next, {}, by)).answer).toEqual(USED_CODE)
  })

  test('is a race from the same place, and from a place that the owner allowed', async () => {
    const { account, sid, cookies } = await open()
    await env.DB.prepare('INSERT INTO allowed_places (user_id, place, created_at, expires_at) VALUES (?, ?, ?, ?)')
      .bind(account.id, `address:${ELSEWHERE}/32`, T0, T0 + DAY_SECONDS)
      .run()
    const { next } = await exchange(cookies)
    at(10)

    for (const ip of [HOME, ELSEWHERE]) expect((await exchange(cookies, { ip })).answer).toEqual(USED_CODE)
    expect(await tracesOf(sid, logged)).toEqual({ mails: [], causes: ['race', 'race'] })
    expect((await exchange(next)).answer).toEqual(OK)
  })

  test('is reuse when its owner was faster between the two round trips of a blocked refresh', async () => {
    const { sid, cookies } = await open()
    let isFirst = true
    let owners = cookies
    const slow = new Proxy(env.DB, {
      get(target, name) {
        if (name !== 'batch') {
          const member: unknown = Reflect.get(target, name)
          return typeof member === 'function' ? member.bind(target) : member
        }
        return async (statements: D1PreparedStatement[]) => {
          const results = await target.batch(statements)
          if (isFirst) {
            isFirst = false
            owners = (await exchange(cookies)).next
          }
          return results
        }
      },
    })

    expect((await exchange(cookies, { ip: ELSEWHERE }, startWorker({ DB: slow }))).answer).toEqual(USED_CODE)
    expect(await reasonOf(sid)).toBe('reuse')
    expect(await tracesOf(sid, logged)).toEqual({ mails: ['token_reused'], causes: ['reused'] })
    expect((await exchange(owners)).answer).toEqual(USED_CODE)
  })
})

describe('a token that is not the last one of a session', () => {
  const ENDS: readonly [string, (session: OpenedByAccount, last: Cookies) => Promise<unknown>][] = [
    ['that was signed out', (_, { access_token }) => remove('/auth/session', access_token)],
    [
      'that was revoked',
      (_, { refresh_token: token }) => worker.call('/auth/token/revoke', { method: 'POST', json: { token } }),
    ],
    ['that was ended in the list', ({ sid }, { access_token }) => remove(`/auth/sessions/${sid}`, access_token)],
    [
      'that ended with all the others',
      async ({ account }) => remove('/auth/sessions', (await open(account)).cookies.access_token),
    ],
    ['that was replaced by a sign-in', ({ account }, cookies) => worker.call(`/${account.guid}`, { cookies })],
  ]

  test.each(ENDS)('%s is reuse: its owner gets one mail, and the last one is none', async (_name, end) => {
    const session = await open()
    const { next: last } = await exchange(session.cookies)
    at(60)
    await end(session, last)
    at(120)
    const before = await dumpTables(env.DB)

    expect((await exchange(last)).answer).toEqual(USED_CODE)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(await tracesOf(session.sid, logged)).toEqual({ mails: [], causes: ['ended'] })
    for (const ip of [ELSEWHERE, HOME, ELSEWHERE]) {
      expect((await exchange(session.cookies, { ip })).answer).toEqual(USED_CODE)
    }
    expect(await tracesOf(session.sid, logged)).toEqual({
      mails: ['token_reused'],
      causes: ['ended', 'reused', 'reused', 'reused'],
    })
    expect((await exchange(last)).answer).toEqual(USED_CODE)
  })

  test('that was revoked by the thief who rotated it shows by the next try of its owner', async () => {
    const { sid, cookies } = await open()
    const { next: stolen } = await exchange(cookies)
    await worker.call('/auth/token/revoke', { method: 'POST', json: { refresh: stolen.refresh_token } })

    expect((await exchange(cookies)).answer).toEqual(USED_CODE)
    expect(await tracesOf(sid, logged)).toEqual({ mails: ['token_reused'], causes: ['reused'] })
  })

  test.each(['/auth/token/revoke', 'DELETE /auth/session', 'another sign-in'])(
    'shows for as long as it would have been good, by %s as by any end, whatever was purged meanwhile',
    async (how) => {
      const { account, sid, cookies } = await open()
      const { next: stolen } = await exchange(cookies)
      const { access_token, refresh_token } = stolen
      if (how === '/auth/token/revoke') {
        await worker.call(how, { method: 'POST', json: { refresh: refresh_token } })
      } else if (how === 'another sign-in') {
        await worker.call(`/${account.guid}`, { cookies: stolen })
      } else {
        await remove('/auth/session', access_token)
      }
      for (let day = 1; day < 10; day += 1) {
        at(day * DAY_SECONDS)
        await purgeAll()
      }
      at(10 * DAY_SECONDS - 1)

      expect((await exchange(cookies)).answer).toEqual(USED_CODE)
      expect(await tracesOf(sid, logged)).toEqual({ mails: ['token_reused'], causes: ['reused'] })
    },
  )

  test('is what ends a session for reuse: nothing happens where it is the last one after all', async () => {
    const { sid, cookies, account } = await open()
    const usedJti = String(decodeToken(cookies.refresh_token).payload['jti'])
    const client = { address: ELSEWHERE, asn: null, country: null, city: null, provider: null, userAgent: null }
    const facts = { at: T0, client, origin: ORIGIN }
    const before = await dumpTables(env.DB)

    const store = createSessionStore(env.DB, () => crypto.randomUUID())
    const end = await store.endReused({
      sid,
      userId: account.id,
      guid: account.guid,
      usedJti,
      reason: 'reuse',
      now: T0,
      notice: { kind: 'token_reused', userId: account.id, dedupeKey: `token_reused:${sid}`, facts },
    })
    expect(end).toEqual({ ended: false, notificationId: null })
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('of a session of another account ends nothing and tells nobody', async () => {
    const [{ sid }, { account: other }] = [await open(), await open()]
    const client = { address: ELSEWHERE, asn: null, country: null, city: null, provider: null, userAgent: null }
    const before = await dumpTables(env.DB)

    const named = { sid, userId: other.id, guid: other.guid, reason: 'reuse' as const, now: T0 }
    const notice = {
      kind: 'token_reused' as const,
      userId: other.id,
      dedupeKey: `token_reused:${sid}`,
      facts: { at: T0, client, origin: ORIGIN },
    }
    const store = createSessionStore(env.DB, () => crypto.randomUUID())
    expect(await store.endReused({ ...named, usedJti: 'x', notice })).toEqual({ ended: false, notificationId: null })
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('of an account without an address, or not active, leaves no mail', async () => {
    const [without, inactive] = [await open(await createAccount(env.DB, { email: null })), await open()]
    for (const { cookies, sid, account } of [without, inactive]) {
      const { next } = await exchange(cookies)
      await remove('/auth/session', next.access_token)
      if (account === inactive.account) {
        await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(account.id).run()
      }
      expect((await exchange(cookies)).answer).toEqual(USED_CODE)
      expect((await tracesOf(sid, logged)).mails).toEqual([])
    }
  })
})
