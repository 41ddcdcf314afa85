/** /auth/places: an owner sees the places that were allowed, and takes one back. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import { emptyTables, insertPlace } from '../../support/accounts.ts'
import { answerBesideCookies, BLOCKED, DONE, okJson, NOT_FOUND } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { callWithoutTrace, EXCHANGES, refused, renew } from '../../support/requests.ts'
import { open, type OpenedByAccount } from '../../support/sessions.ts'
import { ELSEWHERE, worker } from '../../support/worker.ts'
import { keepLog } from '../../support/log.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

function listPlaces({ access }: OpenedByAccount) {
  return callWithoutTrace('/auth/places', { cookies: { access_token: access } })
}

describe('/auth/places', () => {
  test("lists the account's own, until they expire", async () => {
    const session = await open()
    const first = await insertPlace(env.DB, session.account, `address:${ELSEWHERE}/32`, {
      createdAt: T0,
      expiresAt: T0 + 20,
    })
    const second = await insertPlace(env.DB, session.account, 'country:NZ', { createdAt: T0, expiresAt: T0 + 21 })
    await insertPlace(env.DB, (await open()).account, 'country:NZ', { createdAt: T0, expiresAt: T0 + 99 })
    const shared = { city: 'Nelson', country: 'NZ', network: 'Far Net', created_at: T0 }
    const [one, two] = [
      { id: first, place: `address:${ELSEWHERE}/32`, ...shared, expires_at: T0 + 20 },
      { id: second, place: 'country:NZ', ...shared, expires_at: T0 + 21 },
    ]

    at(19)
    expect(await answerBesideCookies(await listPlaces(session))).toEqual(okJson([one, two]))
    at(20)
    expect(await answerBesideCookies(await listPlaces(session))).toEqual(okJson([two]))
    at(21)
    expect(await answerBesideCookies(await listPlaces(session))).toEqual(okJson([]))
  })

  test('takes one back: a refresh from there is blocked again', async () => {
    const session = await open()
    const id = await insertPlace(env.DB, session.account, `address:${ELSEWHERE}/32`, {
      createdAt: T0,
      expiresAt: T0 + DAY_SECONDS,
    })
    const kept = await insertPlace(env.DB, session.account, 'address:192.0.2.1/32', {
      createdAt: T0,
      expiresAt: T0 + DAY_SECONDS,
    })
    const next = await renew(session, { ip: ELSEWHERE })
    const response = await worker.call(`/auth/places/${id}`, {
      method: 'DELETE',
      cookies: { access_token: next.access },
    })

    expect(await answerBesideCookies(response)).toEqual(DONE)
    expect(await EXCHANGES.json(worker, next, { ip: ELSEWHERE })).toEqual(refused(BLOCKED))
    const again = await open(session.account)
    expect(await (await listPlaces(again)).json()).toMatchObject([{ id: kept }])
  })

  test('answers 404, and changes nothing, for a place that is not one of the account', async () => {
    const session = await open()
    const foreign = await insertPlace(env.DB, (await open()).account, 'country:NZ', {
      createdAt: T0,
      expiresAt: T0 + DAY_SECONDS,
    })

    for (const id of [String(foreign), '999999', '0', '-1', 'x', '1e3', '9'.repeat(15), '9'.repeat(16)]) {
      const options = { method: 'DELETE', cookies: { access_token: session.access } }
      expect({ id, ...(await answerBesideCookies(await callWithoutTrace(`/auth/places/${id}`, options))) }).toEqual({
        id,
        ...NOT_FOUND,
      })
    }
  })
})
