/**
 * Places that an owner allowed: how far and how long they reach, and /auth/places, which lists them and takes one back.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createAccount, emptyTables, insertPlace } from '../../support/accounts.ts'
import { answerBesideCookies, BLOCKED, DONE, NOT_FOUND, okJson } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { decodeToken } from '../../support/forge.ts'
import {
  block,
  DONE_PAGES,
  FAR,
  linksOf,
  offer,
  press,
  read,
  refreshFrom,
  show,
  signIn,
  textOfMail,
} from '../../support/links.ts'
import { keepLog } from '../../support/log.ts'
import { callWithoutTrace, EXCHANGES, refused, renew } from '../../support/requests.ts'
import { open, type OpenedByAccount } from '../../support/sessions.ts'
import { ELSEWHERE, HOME, startWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')
// So that a look at all rows stays a short one.
beforeEach(() => emptyTables(env.DB))

describe('an allowed place', () => {
  const there = { ip: ELSEWHERE, cf: FAR } as const
  const home = { ip: HOME, cf: { asn: 64_496, country: 'IS' } } as const

  test('may be refreshed from, there and back, and the session stays at home', async () => {
    const account = await createAccount(env.DB)
    const links = await block(account)
    const session = await signIn(account, home)
    await press('allow_place', links.allow_place)
    const visit = await refreshFrom(session, there)
    const longer = await refreshFrom(visit.next, there)

    expect([visit.status, longer.status]).toEqual([200, 200])
    expect(decodeToken(longer.next.refresh_token).payload).toMatchObject({ ip: HOME })
    const back = await refreshFrom(longer.next, home)
    expect(back.status).toBe(200)
    expect((await refreshFrom(back.next, { ip: '192.0.2.1' })).status).toBe(401)
  })

  test('is the former one only where its box was ticked: then whoever signs in again over there may go home', async () => {
    const strict = await createAccount(env.DB)
    await press('allow_place', (await block(strict)).allow_place)
    expect((await refreshFrom(await signIn(strict, there), home)).status).toBe(401)

    const account = await createAccount(env.DB)
    const response = await press('allow_place', (await block(account)).allow_place, { former: true })
    expect(await read(response)).toEqual(DONE_PAGES.allow_place)
    const back = await refreshFrom(await signIn(account, there), home)
    expect(back.status).toBe(200)
    expect((await refreshFrom(back.next, there)).status).toBe(200)
  })

  test.each([
    ['address', 'the IP address 198.51.100.23', 'the IP address 203.0.113.7'],
    ['subnet', 'every IP address that starts with 198.51.100', 'every IP address that starts with 203.0.113'],
    ['asn', 'the whole network of Far Net (AS64511)', 'the whole network of Home Net (AS64496)'],
    ['country', 'all of New Zealand', 'all of Iceland'],
  ])('reaches as far under %s as the page says', async (policy, blocked, former) => {
    const by = startWorker({ LOCATION_POLICY: policy })
    const account = await createAccount(env.DB)
    const session = await signIn(account, { ip: HOME, cf: { ...home.cf, asOrganization: 'Home Net' } }, by)
    await refreshFrom(session, there, by)
    const { allow_place: token } = linksOf(await textOfMail(session))
    const { body } = await read(await show('allow_place', token, {}, by))

    const upper = `${blocked.charAt(0).toUpperCase()}${blocked.slice(1)}`
    expect(body).toContain(offer({ policy, blocked: upper, former }))
    expect(await read(await press('allow_place', token, { former: true }, by))).toEqual(DONE_PAGES.allow_place)
  })

  test.each([
    ['country', 'address', false],
    ['asn', 'address', false],
    ['subnet', 'address', false],
    ['country', 'asn', false],
    ['asn', 'country', false],
    ['asn', 'subnet', false],
    ['address', 'subnet', true],
    ['address', 'asn', true],
    ['address', 'country', true],
    ['subnet', 'asn', true],
    ['subnet', 'country', true],
    ['country', 'country', true],
  ] as const)('that was allowed under %s holds under %s: %s', async (then, today, holds) => {
    const [before, by] = [startWorker({ LOCATION_POLICY: then }), startWorker({ LOCATION_POLICY: today })]
    const account = await createAccount(env.DB)
    await press('allow_place', (await block(account, {}, before)).allow_place, {}, before)
    const session = await signIn(account, home, by)

    expect((await refreshFrom(session, there, by)).status).toBe(holds ? 200 : 401)
  })

  test('is allowed for that account alone', async () => {
    const account = await createAccount(env.DB)
    const stranger = await signIn(await createAccount(env.DB), home)
    await press('allow_place', (await block(account)).allow_place)

    expect((await refreshFrom(stranger, there)).status).toBe(401)
  })

  test('is allowed for 90 days, to the second, and for 90 more when it is allowed again', async () => {
    const account = await createAccount(env.DB)
    at(100)
    await press('allow_place', (await block(account)).allow_place)
    at(100 + 90 * DAY_SECONDS - 1)
    const [one, two] = [await signIn(account, home), await signIn(account, home)]

    expect((await refreshFrom(one, there)).status).toBe(200)
    at(100 + 90 * DAY_SECONDS)
    expect((await refreshFrom(two, there)).status).toBe(401)
    await press('allow_place', linksOf(await textOfMail(two)).allow_place)
    at(100 + 180 * DAY_SECONDS - 1)
    expect((await refreshFrom(await signIn(account, home), there)).status).toBe(200)
  })

  test.each([
    ['address', `address:${ELSEWHERE}/32`, `address:${HOME}/32`],
    ['subnet', 'subnet:198.51.100.0/24', 'subnet:203.0.113.0/24'],
    ['asn', 'asn:64511', 'asn:64496'],
    ['country', 'country:NZ', 'country:IS'],
  ])('is listed as %s has it, and can be taken back', async (policy, blocked, usual) => {
    const by = startWorker({ LOCATION_POLICY: policy })
    const account = await createAccount(env.DB)
    const links = await block(account, {}, by)
    at(60)
    expect((await press('allow_place', links.allow_place, { former: true }, by)).status).toBe(200)
    const session = await signIn(account, home, by)
    const cookies = { access_token: session.access_token }
    const times = { created_at: T0 + 60, expires_at: T0 + 60 + 90 * DAY_SECONDS }
    const [first, second] = await (await by.call('/auth/places', { cookies, ...home })).json<{ id: number }[]>()

    expect([first, second]).toEqual([
      { id: first?.id, place: blocked, city: 'Nelson', country: 'NZ', network: 'Far Net', ...times },
      { id: second?.id, place: usual, city: null, country: 'IS', network: null, ...times },
    ])
    const visit = await refreshFrom(session, there, by)
    expect(visit.status).toBe(200)
    expect((await by.call(`/auth/places/${first?.id}`, { method: 'DELETE', cookies, ...home })).status).toBe(204)
    expect((await refreshFrom(visit.next, there, by)).status).toBe(401)
  })
})

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
