/**
 * A refresh while D1 fails: before, during and after a commit, once or for a while. Whatever failed, and however often: no
 * session is lost or forked.
 */

import { env } from 'cloudflare:workers'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { passSeconds } from '../../support/clock.ts'
import { FAULTS } from '../../support/faulty-bindings.ts'
import {
  ended,
  expectRefused,
  expectUnavailable,
  live,
  mailApi,
  mailing,
  mailsOf,
  range,
  refresh,
  rigs,
  sessionsOf,
  settleMails,
  signedIn,
  startWell,
  TIMEOUT_MILLISECONDS,
  tokensOf,
  type Via,
  viaOf,
  VIAS,
  type Window,
  WINDOWS,
  createRig,
} from '../../support/faulty-worker.ts'
import { ELSEWHERE, pairOf, startWorker } from '../../support/worker.ts'

startWell()

/** All ways in which one or two tries of three can fail. */
const PASSING_TROUBLE = [...FAULTS.map((fault) => [fault]), ...FAULTS.flatMap((a) => FAULTS.map((b) => [a, b]))]

describe('a refresh that D1 fails once or twice', () => {
  const rows = PASSING_TROUBLE.flatMap((faults) => VIAS.map((via) => ({ via, trouble: faults.join(', '), faults })))

  test.each(rows)('gives the caller the next pair, over $via, when it fails $trouble', async ({ via, faults }) => {
    const rig = rigs[0]
    const { account, first } = await signedIn(rig)
    rig.d1.fail(...faults)
    const response = await refresh(rig, first, via)
    expect([response.status, rig.d1.roundTrips()]).toEqual([200, faults.length + 1])

    const next = await tokensOf(response, via)
    expect(await sessionsOf(account)).toEqual([live(next, first)])
    expect((await refresh(rig, next, via)).status).toBe(200)
  })
})

describe('a refresh during an outage of D1', () => {
  const faults = fc.tuple(...range(3).map(() => fc.constantFrom(...FAULTS)))
  const outage = fc.record({
    /** Each try of the client meets three failures. */
    tries: fc.array(faults, { minLength: 1, maxLength: 3 }),
    pause: fc.constantFrom(0, 1, 10, 11, 20),
    via: fc.constantFrom<Via>(...VIAS),
    window: fc.constantFrom<Window>(...WINDOWS),
  })

  test(
    'is a 503 with Retry-After and without a cookie, and the same token is good afterwards',
    async () => {
      await fc.assert(
        fc.asyncProperty(outage, async ({ tries, pause, via, window }) => {
          const rig = rigs[window]
          const { account, first } = await signedIn(rig)
          for (const three of tries) {
            rig.d1.fail(...three)
            await expectUnavailable(await refresh(rig, first, via), via)
            expect(rig.d1.roundTrips()).toBe(3)
            passSeconds(pause)
          }
          rig.d1.heal()
          const response = await refresh(rig, first, via)
          expect(response.status).toBe(200)
          const next = await tokensOf(response, via)
          expect(await sessionsOf(account)).toEqual([live(next, first)])
          expect((await refresh(rig, next, via)).status).toBe(200)
        }),
        { numRuns: 30 },
      )
    },
    TIMEOUT_MILLISECONDS,
  )

  test(
    'of N callers of one token leaves one of them, at least, with the live pair, and nobody a fork',
    async () => {
      const callers = fc.integer({ min: 2, max: 6 })
      await fc.assert(
        fc.asyncProperty(outage, callers, callers, async ({ tries, pause, window }, during, after) => {
          const rig = rigs[window]
          const { account, first } = await signedIn(rig)
          for (const [fault = 'before'] of tries) {
            rig.d1.failForGood(fault)
            const refused = await Promise.all(range(during).map((i) => refresh(rig, first, viaOf(i))))
            expect(refused.map(({ status }) => status)).toEqual(range(during).map(() => 503))
            passSeconds(pause)
          }
          rig.d1.heal()
          const answers = await Promise.all(range(after).map((i) => refresh(rig, first, viaOf(i))))
          const winners = await Promise.all(
            answers.flatMap((answer, i) => (answer.status === 200 ? [tokensOf(answer, viaOf(i))] : [])),
          )
          expect(winners.length).toBeGreaterThanOrEqual(1)
          expect(new Set(winners.map((pair) => pair.refresh)).size).toBe(1)
          expect(await sessionsOf(account)).toEqual([live(winners[0], first)])
          expect(await mailsOf(account)).toEqual([])
        }),
        { numRuns: 20 },
      )
    },
    TIMEOUT_MILLISECONDS,
  )

  test('shields nobody who presents the same token long after another isolate has exchanged it', async () => {
    const rig = rigs[0]
    const elsewhere = createRig({})
    const { account, first } = await signedIn(rig)
    rig.d1.failForGood('before')
    await expectUnavailable(await refresh(rig, first, 'json'), 'json')
    rig.d1.heal()
    const next = await tokensOf(await refresh(elsewhere, first, 'json'), 'json')
    passSeconds(3600)
    await expectRefused(await refresh(rig, first, 'json'), 'token_used', 'json')
    expect(await sessionsOf(account)).toEqual([ended(next, first, 'reuse', 3600)])
    expect(await mailsOf(account)).toHaveLength(1)
  })

  test('in which it was committed gives nothing to whoever has a copy elsewhere', async () => {
    for (const via of VIAS) {
      const rig = rigs[0]
      const { first } = await signedIn(rig)
      rig.d1.failForGood('after')
      await expectUnavailable(await refresh(rig, first, via), via)
      rig.d1.heal()
      const stolen = await refresh(rig, first, via, ELSEWHERE)
      expect([stolen.status, stolen.headers.getSetCookie()]).toEqual([401, []])
    }
  })
})

describe('a D1 that does not answer', () => {
  test('is asked again: the write it had done is not lost', async () => {
    const silent = { calls: 0 }
    const database = new Proxy(env.DB, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        if (name !== 'batch') return member.bind(target)
        return async (statements: D1PreparedStatement[]) => {
          const results = await target.batch(statements)
          silent.calls += 1
          // The second batch is the first try of the refresh: committed, and never heard of.
          return silent.calls === 2 ? new Promise<never>(() => {}) : results
        }
      },
    })
    const worker = startWorker({ DB: database })
    const cookies = pairOf(await worker.call(`/${crypto.randomUUID()}`))

    const response = await worker.call('/refresh', { cookies })

    expect([response.status, silent.calls]).toEqual([200, 3])
    expect((await worker.call('/refresh', { cookies: pairOf(response) })).status).toBe(200)
  })
})

describe('a D1 that is overloaded', () => {
  test.each(VIAS)('is asked once: over %s the answer is 503, and the same token is good afterwards', async (via) => {
    const rig = rigs[0]
    const { account, first } = await signedIn(rig)
    rig.d1.failForGood('overloaded')
    await expectUnavailable(await refresh(rig, first, via), via)
    expect(rig.d1.roundTrips()).toBe(1)

    rig.d1.heal()
    const response = await refresh(rig, first, via)
    expect(response.status).toBe(200)
    expect(await sessionsOf(account)).toEqual([live(await tokensOf(response, via), first)])
  })
})

describe('a refresh that ends its session', () => {
  const rows = FAULTS.flatMap((fault) =>
    VIAS.flatMap((via) => (['location', 'reuse'] as const).map((reason) => ({ reason, fault, via }))),
  )

  test.each(rows)('because of $reason, over $via, mails once when D1 fails $fault the end', async (row) => {
    const { reason, fault, via } = row
    const rig = mailing
    const calls = mailApi()
    const { account, first } = await signedIn(rig)
    const second = await tokensOf(await refresh(rig, first, via), via)
    const third = await tokensOf(await refresh(rig, second, via), via)
    const attack = () =>
      reason === 'location' ? refresh(rig, third, via, ELSEWHERE) : refresh(rig, first, via, ELSEWHERE)
    // The rotation answers, then the end fails.
    rig.d1.fail(null, fault)
    await expectUnavailable(await attack(), via)
    rig.d1.heal()
    expect(await sessionsOf(account)).toEqual(
      fault === 'after' ? [ended(third, second, reason)] : [live(third, second)],
    )

    const isToldWhy = reason === 'location' && fault !== 'after'
    await expectRefused(await attack(), isToldWhy ? 'location_blocked' : 'token_used', via)
    await expectRefused(await refresh(rig, third, via), 'token_used', via)
    expect(await sessionsOf(account)).toEqual([ended(third, second, reason)])

    await settleMails(rig)
    expect(calls.map(({ headers }) => headers['idempotency-key'])).toEqual([
      (await mailsOf(account)).map(({ id }) => id).join(),
    ])
  })
})
