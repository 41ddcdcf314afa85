/**
 * REFRESH_REUSE_SECONDS: within the window, the token just rotated away gets the same successor again, whatever carries it.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { dumpTables, emptyTables } from '../../support/accounts.ts'
import { NO_ACCOUNT, USED } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { claimsOf, decodeToken, UUID } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { EXCHANGES, refused, renew } from '../../support/requests.ts'
import { endOf, LIVE, open, sessionRow, type Tokens } from '../../support/sessions.ts'
import { type CallOptions, ELSEWHERE, HOME, startWorker, type TestWorker } from '../../support/worker.ts'

const logged = keepLog('warn')

stopClock()
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

/** The log of this test about a session. */
function causes(sid: string): readonly unknown[] {
  return logged.mock.calls
    .map(([event]) => event as Readonly<Record<string, unknown>>)
    .filter((event) => event['sid'] === sid && 'cause' in event)
    .map((event) => event['cause'])
}

function expectSame(got: Tokens | null, next: Tokens): void {
  expect(got?.refresh).toBe(next.refresh)
  expect(got && decodeToken(got.access)).toEqual(decodeToken(next.access))
}

describe('within REFRESH_REUSE_SECONDS', () => {
  const replaying = startWorker({ REFRESH_REUSE_SECONDS: '10' })

  describe.each(['cookies', 'json'] as const)('in %s, the token just rotated away', (transport) => {
    const refresh = EXCHANGES[transport]

    async function rotated(options: CallOptions = {}, by: TestWorker = replaying) {
      const session = await open(undefined, options, by)
      at(400)
      const { tokens } = await refresh(by, session, options)
      if (tokens === null) throw new Error('not rotated')
      return { session, next: tokens }
    }

    test('gets the same pair again, as often as it comes, and nothing is written', async () => {
      const { session, next } = await rotated()
      const before = await dumpTables(env.DB)

      for (const seconds of [400, 401, 405, 410]) {
        at(seconds)
        const again = await refresh(replaying, session)
        expect(again.status).toBe(200)
        expectSame(again.tokens, next)
      }
      expect(await dumpTables(env.DB)).toEqual(before)
      expect(causes(session.sid)).toEqual(['replayed', 'replayed', 'replayed', 'replayed'])
      const { guid, sid } = session
      expect(logged.mock.calls).toContainEqual([{ event: 'refreshed', cause: 'replayed', guid, sid }])
      expect((await refresh(replaying, next)).status).toBe(200)
    })

    test('and eight parallel callers all get one pair, and again', async () => {
      const session = await open(undefined, {}, replaying)
      at(400)
      const first = await Promise.all(Array.from({ length: 8 }, () => refresh(replaying, session)))
      at(403)
      const second = await Promise.all(Array.from({ length: 8 }, () => refresh(replaying, session)))
      const next = first[0]?.tokens ?? session

      expect(next.refresh).not.toBe(session.refresh)
      for (const { status, tokens } of [...first, ...second]) {
        expect(status).toBe(200)
        expectSame(tokens, next)
      }
      expect(causes(session.sid)).toEqual(Array.from({ length: 15 }, () => 'replayed'))
      expect((await refresh(replaying, next)).status).toBe(200)
    })

    test('gets nothing once its successor was rotated: then it is reuse', async () => {
      const { session, next } = await rotated()
      const { tokens: third } = await refresh(replaying, next)

      expect(await refresh(replaying, session)).toEqual(refused(USED))
      expect(causes(session.sid)).toEqual(['reused'])
      expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + 400, revoked_reason: 'reuse' })
      expect(await refresh(replaying, third ?? next)).toEqual(refused(USED))
    })

    test('gets nothing after the window: then it is reuse', async () => {
      const { session, next } = await rotated()
      at(411)

      expect(await refresh(replaying, session)).toEqual(refused(USED))
      expect(causes(session.sid)).toEqual(['reused'])
      expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + 411, revoked_reason: 'reuse' })
      expect(await refresh(replaying, next)).toEqual(refused(USED))
    })

    test('gets nothing after a window of 5 s, where it is still a race', async () => {
      const short = startWorker({ REFRESH_REUSE_SECONDS: '5' })
      const { session, next } = await rotated({}, short)
      at(405)
      expectSame((await refresh(short, session)).tokens, next)
      at(406)

      expect(await refresh(short, session)).toEqual(refused(USED))
      expect(causes(session.sid)).toEqual(['replayed', 'race'])
      expect((await refresh(short, next)).status).toBe(200)
    })

    test('ends the session where it comes from elsewhere, however short or long ago', async () => {
      const long = startWorker({ REFRESH_REUSE_SECONDS: '60' })
      const { session, next } = await rotated({}, long)
      at(401)
      expectSame((await refresh(long, session)).tokens, next)

      expect(await refresh(long, session, { ip: ELSEWHERE })).toEqual(refused(USED))
      expect(causes(session.sid)).toEqual(['replayed', 'reused'])
      expect(await endOf(session.sid)).toEqual({ revoked_at: T0 + 401, revoked_reason: 'reuse' })
      expect(await refresh(long, next)).toEqual(refused(USED))
    })

    test('gets nothing for a session that was ended, or an account that was deactivated', async () => {
      const [one, two] = [await rotated(), await rotated()]
      await replaying.call('/auth/token/revoke', { method: 'POST', json: { token: one.next.refresh } })
      await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(two.session.account.id).run()

      expect(await refresh(replaying, one.session)).toEqual(refused(USED))
      expect(await refresh(replaying, two.session)).toEqual(refused(NO_ACCOUNT))
    })

    test('is in the same place as the place policy has it', async () => {
      const { session, next } = await rotated({ ip: '2001:db8:1:2::7' })

      expectSame((await refresh(replaying, session, { ip: '2001:db8:1:2::8' })).tokens, next)
      expect(await refresh(replaying, session, { ip: '2001:db8:1:3::7' })).toEqual(refused(USED))
    })

    test('costs one round trip', async () => {
      const { session } = await rotated()
      const { database, roundTrips, reset } = countRoundTrips(env.DB)
      const counted = startWorker({ REFRESH_REUSE_SECONDS: '10', DB: database })
      reset()

      expect((await refresh(counted, session)).status).toBe(200)
      expect(roundTrips()).toBe(1)
    })
  })

  test('a pair that one transport rotated is replayed by the other', async () => {
    const session = await open(undefined, {}, replaying)
    at(400)
    const { tokens: next } = await EXCHANGES.cookies(replaying, session)
    const { tokens: again } = await EXCHANGES.json(replaying, session)

    expect(again?.refresh).toBe(next?.refresh)
  })

  test('nothing is stored but jti and times', async () => {
    const session = await open(undefined, {}, replaying)
    at(400)
    const next = await renew(session, {}, replaying)
    await renew(session, {}, replaying)
    const { jti } = claimsOf(next.refresh)

    expect(await sessionRow(session.sid)).toEqual({
      sid: session.sid,
      user_id: session.account.id,
      jti,
      issued_at: T0 + 400,
      previous_jti: session.jti,
      rotated_at: T0 + 400,
      expires_at: T0 + 400 + 10 * DAY_SECONDS,
      created_at: T0,
      ...LIVE,
      ip: HOME,
      asn: null,
      country: null,
      city: null,
      network: null,
      user_agent: null,
      visit_ip: null,
      visit_country: null,
      visit_city: null,
      visit_network: null,
      visit_user_agent: null,
      bound_key: null,
      bound_by: null,
      bound_proof: null,
    })
    expect(jti).toMatch(UUID)
  })
})
