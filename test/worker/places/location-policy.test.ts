/**
 * LOCATION_POLICY: which move ends a session under each policy, and what becomes of sessions when the policy changes.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { emptyTables } from '../../support/accounts.ts'
import { BLOCKED, USED } from '../../support/answers.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { claimsOf } from '../../support/forge.ts'
import { EXCHANGES, refused, renew } from '../../support/requests.ts'
import { endOf, LIVE, open } from '../../support/sessions.ts'
import { type CallOptions, ELSEWHERE, HOME, startWorker, type TestWorker } from '../../support/worker.ts'
import { keepLog } from '../../support/log.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

describe('LOCATION_POLICY', () => {
  const POLICIES = ['address', 'subnet', 'asn', 'country', 'off'] as const
  type Policy = (typeof POLICIES)[number]
  const workers = Object.fromEntries(POLICIES.map((policy) => [policy, startWorker({ LOCATION_POLICY: policy })])) as {
    readonly [Name in Policy]: TestWorker
  }
  const at4 = { ip: '203.0.113.7', cf: { asn: 64_496, country: 'IS' } } as const
  const at6 = { ip: '2001:db8:1:2::7', cf: { asn: 64_496, country: 'IS' } } as const
  const far = { asn: 64_511, country: 'NZ' } as const

  const MOVES: readonly [string, CallOptions, CallOptions, readonly Policy[]][] = [
    ['stays where it is', at4, at4, POLICIES],
    ['keeps its address, of which Cloudflare says something else', at4, { ...at4, cf: far }, POLICIES],
    ['keeps its address, of which nothing is known any more', at4, { ip: at4.ip }, POLICIES],
    ['keeps its address, written as IPv6', at4, { ...at4, ip: '::FFFF:203.0.113.7', cf: far }, POLICIES],
    ['moves within a /24', at4, { ip: '203.0.113.255', cf: far }, ['subnet', 'off']],
    ['moves to the next /24', at4, { ip: '203.0.114.7', cf: far }, ['off']],
    ['moves within a /64', at6, { ip: '2001:DB8:1:2:FFFF::1', cf: far }, POLICIES],
    ['moves within a /48', at6, { ip: '2001:db8:1:3::7', cf: far }, ['subnet', 'off']],
    ['moves to the next /48', at6, { ip: '2001:db8:2:2::7', cf: far }, ['off']],
    ['changes from IPv4 to IPv6', at4, { ...at6, cf: far }, ['off']],
    ['moves within its network', at4, { ip: ELSEWHERE, cf: { asn: 64_496, country: 'NZ' } }, ['asn', 'off']],
    ['moves within its country', at4, { ip: ELSEWHERE, cf: { asn: 64_511, country: 'IS' } }, ['country', 'off']],
    ['moves within both', at4, { ip: ELSEWHERE, cf: at4.cf }, ['asn', 'country', 'off']],
    ['moves to where nothing is known', at4, { ip: ELSEWHERE }, ['off']],
    ['moves out of where nothing was known', { ip: HOME }, { ip: ELSEWHERE, cf: at4.cf }, ['off']],
    ['moves from unknown to unknown', { ip: HOME }, { ip: ELSEWHERE }, ['off']],
  ]
  const rows = MOVES.flatMap(([name, from, to, allowing]) =>
    POLICIES.map((policy) => [name, policy, allowing.includes(policy) ? 'kept' : 'blocked', from, to] as const),
  )

  test.each(rows)('a client that %s is, under %s, %s', async (_name, policy, outcome, from, to) => {
    const by = workers[policy]
    const session = await open(undefined, from, by)
    const got = await EXCHANGES.json(by, session, to)

    if (outcome === 'kept') {
      expect(got.status).toBe(200)
      expect(await endOf(session.sid)).toEqual(LIVE)
      // It is at home there now.
      expect((await EXCHANGES.json(by, got.tokens ?? session, to)).status).toBe(200)
      return
    }
    expect(got).toEqual(refused(BLOCKED))
    expect(await endOf(session.sid)).toEqual({ revoked_at: T0, revoked_reason: 'location' })
    expect(await EXCHANGES.json(by, session, from)).toEqual(refused(USED))
  })

  const pairs = POLICIES.flatMap((before) => POLICIES.map((after) => [before, after] as const))

  test.each(pairs)('changed from %s to %s signs nobody out', async (before, after) => {
    const session = await open(undefined, at4, workers[before])
    const known = await renew(session, at4, workers[before])
    const unknown = await open(undefined, { ip: HOME }, workers[before])
    const old = await open(undefined, at4, workers[before])

    const later = await renew(known, at4, workers[after])
    await renew(later, at4, workers[after])
    await renew(unknown, at4, workers[after])
    // Cloudflare may not know today what it knew then.
    await renew(old, { ip: HOME }, workers[after])
  })

  test.each(pairs)('changed from %s to %s goes by where a client had moved to', async (before, after) => {
    const moves: Readonly<Record<Policy, CallOptions>> = {
      address: at4,
      subnet: { ip: '203.0.113.99', cf: far },
      asn: { ip: ELSEWHERE, cf: { asn: 64_496, country: 'NZ' } },
      country: { ip: ELSEWHERE, cf: { asn: 64_511, country: 'IS' } },
      off: { ip: ELSEWHERE, cf: far },
    }
    const session = await open(undefined, at4, workers[before])
    const moved = await renew(session, moves[before], workers[before])

    expect(claimsOf(moved.refresh)).toMatchObject({ ip: moves[before].ip })
    await renew(moved, moves[before], workers[after])
  })

  test('changed from country to address blocks the place that the client had left', async () => {
    const there = { ip: ELSEWHERE, cf: at4.cf }
    const session = await open(undefined, at4, workers.country)
    const moved = await renew(session, there, workers.country)

    expect(await EXCHANGES.json(workers.address, moved, at4)).toEqual(refused(BLOCKED))
  })

  test('changed to country learns the country of a session from its next refresh', async () => {
    const session = await open(undefined, { ip: HOME }, workers.address)
    const known = await renew(session, at4, workers.country)

    await renew(known, { ip: ELSEWHERE, cf: { country: 'IS' } }, workers.country)
  })

  test('does not forget a country or a network that Cloudflare does not know for once', async () => {
    const session = await open(undefined, at4, workers.asn)
    const next = await renew(session, { ip: HOME }, workers.asn)

    await renew(next, { ip: ELSEWHERE, cf: { asn: 64_496 } }, workers.asn)
  })
})
