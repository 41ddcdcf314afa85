/**
 * Copies of what the browser of a bound session sends, and what others send beside it: none gets a pair, none ends the session, and none makes
 * the browser forget it.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createAccount, dumpTables, emptyTables } from '../../support/accounts.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import {
  acceptOffer,
  challengeOf,
  type Jar,
  jarAfter,
  openBound,
  refreshByDevice,
  signChallenge,
} from '../../support/dbsc.ts'
import { createProvingClient, type ProvingClient } from '../../support/dpop.ts'
import { claimsOf } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { endOf, LIVE, notificationsFor, openByGuid } from '../../support/sessions.ts'
import { ELSEWHERE, pairOf, startWorker } from '../../support/worker.ts'

stopClock()
const logged = keepLog('warn')
beforeEach(() => emptyTables(env.DB))

const offering = startWorker({ DEVICE_BINDING: 'offer' })

async function open() {
  const { guid } = await createAccount(env.DB)
  const bound = await openBound(offering, guid)
  return { ...bound, sid: String(claimsOf(bound.jar.refresh_token)['sid']) }
}

interface Refreshed {
  readonly jar: Jar
  readonly challenge: string
}

/** A refresh by the challenge that was kept, or by one that is asked for. */
async function refresh(
  client: ProvingClient,
  jar: Jar,
  kept?: string,
): Promise<Refreshed & { readonly proof: string }> {
  const challenge = kept ?? challengeOf(await refreshByDevice(offering, jar)).challenge
  const proof = await signChallenge(client, challenge)
  const response = await refreshByDevice(offering, jar, { proof })
  expect(response.status).toBe(200)
  return { jar: jarAfter(jar, response), challenge: challengeOf(response).challenge, proof }
}

/** A request of the browser with more cookies than its own, which it names its session by. */
function withCookies(refreshTokens: readonly string[], sid: string | null, proof: string | null) {
  return offering.call('/refresh/device', {
    method: 'POST',
    headers: {
      Cookie: refreshTokens.map((token) => `refresh_token=${token}`).join('; '),
      // Chromium 150 leaves out the quotes.
      ...(sid !== null && { 'Sec-Secure-Session-Id': sid }),
      ...(proof !== null && { 'Secure-Session-Response': proof }),
    },
  })
}

describe('a copy of a whole request', () => {
  test('gets nothing, ends nothing and tells nobody, however many refreshes later', async () => {
    const { client, jar, sid } = await open()
    const first = await refresh(client, jar)
    const second = await refresh(client, first.jar, first.challenge)
    let last: Refreshed = second
    for (const days of [0, 1, 9]) {
      at(days * 86_400)
      const before = await dumpTables(env.DB)
      const copy = await refreshByDevice(offering, first.jar, { proof: second.proof, ip: ELSEWHERE })
      expect([copy.status, copy.headers.getSetCookie(), challengeOf(copy).id]).toEqual([403, [], sid])
      expect(logged).toHaveBeenLastCalledWith(expect.objectContaining({ cause: 'proof_used', sid }))
      expect(await dumpTables(env.DB)).toEqual(before)
      last = await refresh(client, last.jar, last.challenge)
    }
    expect(await endOf(sid)).toEqual(LIVE)
    expect(await notificationsFor(sid)).toEqual([])
  })

  test('tells nobody after the end of the session', async () => {
    const { client, jar, sid } = await open()
    const first = await refresh(client, jar)
    const second = await refresh(client, first.jar, first.challenge)
    await env.DB.prepare('UPDATE sessions SET revoked_at = ?').bind(T0).run()
    expect((await refreshByDevice(offering, first.jar, { proof: second.proof })).status).toBe(401)
    expect(await notificationsFor(sid)).toEqual([])
  })

  test('that lost its answer is made anew by its browser, which is asked once more', async () => {
    const { client, jar } = await open()
    const first = await refresh(client, jar)
    const lost = await refresh(client, first.jar, first.challenge)
    at(86_400)
    const again = await refreshByDevice(offering, first.jar, { proof: await signChallenge(client, first.challenge) })
    expect(again.status).toBe(403)
    const { challenge } = challengeOf(again)
    const healed = await refreshByDevice(offering, first.jar, { proof: await signChallenge(client, challenge) })
    expect([healed.status, pairOf(healed).refresh_token]).toEqual([200, lost.jar.refresh_token])
  })
})

describe('a cookie that another host of the site planted', () => {
  test('does not keep its browser from going on', async () => {
    const { client, jar, sid } = await open()
    const stranger = await openByGuid()
    for (const planted of ['x', stranger.refresh]) {
      const { challenge } = challengeOf(await withCookies([planted, jar.refresh_token], sid, null))
      expect(challenge).not.toBe('')
    }
    const { challenge } = challengeOf(await refreshByDevice(offering, jar))
    const proof = await signChallenge(client, challenge)
    const refreshed = await withCookies(['x', stranger.refresh, jar.refresh_token], sid, proof)
    expect([refreshed.status, claimsOf(pairOf(refreshed).refresh_token)['sid']]).toEqual([200, sid])
    expect(await endOf(stranger.sid)).toEqual(LIVE)
  })

  test('of an older token of the same session gives way to the newest', async () => {
    const { client, jar, sid } = await open()
    at(10)
    const next = await refresh(client, jar)
    const proof = await signChallenge(client, next.challenge)
    expect((await withCookies([jar.refresh_token, next.jar.refresh_token], sid, proof)).status).toBe(200)
  })

  test('is refused where nobody says which session is meant', async () => {
    const { jar } = await open()
    const stranger = await openByGuid()
    expect((await withCookies([stranger.refresh, jar.refresh_token], null, null)).status).toBe(400)
  })

  test('alone is no session', async () => {
    const { sid } = await open()
    expect((await withCookies(['x'], sid, null)).status).toBe(400)
    expect((await withCookies([], sid, null)).status).toBe(401)
  })
})

describe('DEVICE_BINDING', () => {
  test('that is off by now takes no offer of before', async () => {
    const opened = await offering.call(`/${crypto.randomUUID()}`)
    const client = await createProvingClient()
    expect((await acceptOffer(startWorker(), client, opened, pairOf(opened))).status).toBe(400)
    expect(logged).toHaveBeenLastCalledWith(expect.objectContaining({ cause: 'DEVICE_BINDING is off' }))
  })

  test.each([
    ['', '300', true],
    ['', '240', true],
    ['', '239', false],
    ['offer', '60', true],
    ['off', '300', false],
  ])(
    '%j offers nothing by itself where access tokens of %s s are too short for a browser: %s',
    async (chosen, ttl, offers) => {
      const by = startWorker({ DEVICE_BINDING: chosen, ACCESS_TTL_SECONDS: ttl })
      const opened = await by.call(`/${crypto.randomUUID()}`)
      expect([opened.status, opened.headers.has('Secure-Session-Registration')]).toEqual([200, offers])
    },
  )
})
