/** Sign-ins that are told to their owner: from a new place, and after others had failed; and which place is noted when. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { seenPlaceKey } from '../../../src/domain/places/seen-place.ts'
import { dumpTables, emptyTables, insertSeenPlace, PASSWORD, type TestAccount } from '../../support/accounts.ts'
import { pressPage, tokenOf } from '../../support/account-life.ts'
import { createCheapAccount, startCheapWorker } from '../../support/cheap-passwords.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { claimsOf } from '../../support/forge.ts'
import { keepLog } from '../../support/log.ts'
import { readOutbox } from '../../support/mailbox.ts'
import { onBehalfOf } from '../../support/requests.ts'
import { type CallOptions, ORIGIN, pairOf } from '../../support/worker.ts'

const worker = startCheapWorker()

stopClock()
keepLog('warn')
beforeEach(() => emptyTables(env.DB))

const BERLIN: CallOptions = { ip: '203.0.113.7', cf: { asn: 64_500, country: 'DE' } }
const LISBON: CallOptions = { ip: '198.51.100.23', cf: { asn: 64_501, country: 'PT' } }

async function signIn({ email }: TestAccount, options: CallOptions, password = PASSWORD) {
  return worker.call('/auth/session', { ...options, method: 'POST', json: { primary_email: email, password } })
}

async function fail(account: TestAccount, times: number, options: CallOptions): Promise<void> {
  for (let i = 0; i < times; i += 1) expect((await signIn(account, options, 'wrong')).status).toBe(401)
}

/** What was told of sign-ins, and for which session. */
async function told() {
  const { notifications = [] } = await dumpTables(env.DB)
  return notifications
    .filter(({ kind }) => kind === 'new_sign_in')
    .map(({ dedupe_key: key, facts, user_id: userId }) => {
      const { isNewPlace, failures } = JSON.parse(String(facts)) as Record<string, unknown>
      return { key, userId, isNewPlace, failures }
    })
}

async function places(): Promise<readonly unknown[]> {
  const { seen_places: rows = [] } = await dumpTables(env.DB)
  // Beside each place there are the clients in it.
  const ofPlaces = rows.filter(({ place }) => !String(place).includes(' '))
  return ofPlaces.map(({ place, seen_at: seenAt }) => [place, Number(seenAt) - T0])
}

/** An account that was created a day ago, and signed in from Berlin an hour ago where the test does not say otherwise. */
async function createOwner({ seen = true, days = 1 } = {}): Promise<TestAccount> {
  const account = await createCheapAccount()
  await env.DB.prepare('update users set created_at = ? where id = ?')
    .bind(T0 - days * DAY_SECONDS, account.id)
    .run()
  if (seen) await insertSeenPlace(env.DB, account, 'DE/AS64500', T0 - 3600)
  return account
}

describe('a sign-in', () => {
  test('from a new place is told, once, with what its mail needs', async () => {
    const account = await createOwner()
    const response = await signIn(account, LISBON)
    const { sid } = claimsOf(pairOf(response).access_token)
    expect(await told()).toEqual([
      { key: `new_sign_in:${String(sid)}`, userId: account.id, isNewPlace: true, failures: 0 },
    ])
    const { notifications = [] } = await dumpTables(env.DB)
    expect(JSON.parse(String(notifications[0]?.['facts']))).toMatchObject({
      at: T0,
      origin: ORIGIN,
      client: { address: '198.51.100.23', asn: 64_501, country: 'PT' },
    })

    expect((await signIn(account, LISBON)).status).toBe(200)
    expect((await signIn(account, BERLIN)).status).toBe(200)
    expect(await told()).toHaveLength(1)
  })

  test('from a place of the same network in the same country is none, whatever the address', async () => {
    const account = await createOwner()
    for (const ip of ['203.0.113.200', '192.0.2.1', '2001:db8::1']) {
      expect((await signIn(account, { ...BERLIN, ip })).status).toBe(200)
    }
    expect(await told()).toEqual([])
  })

  test.each([
    ['another network', { cf: { asn: 64_501, country: 'DE' } }],
    ['another country', { cf: { asn: 64_500, country: 'PT' } }],
    ['a network that is not known', { cf: { country: 'DE' } }],
    ['a country that is not known', { cf: { asn: 64_500 } }],
  ] as const)('from %s is one', async (_name, options) => {
    expect((await signIn(await createOwner(), { ...BERLIN, ...options })).status).toBe(200)
    expect(await told()).toMatchObject([{ isNewPlace: true }])
  })

  test.each([
    ['new, the first of all', { seen: false }, 0],
    ['90 days old, the first of all', { seen: false, days: 90 }, 1],
    ['a day younger than that', { seen: false, days: 89 }, 0],
  ])('of an account that is %s: is told or not', async (_name, account, mails) => {
    expect((await signIn(await createOwner(account), LISBON)).status).toBe(200)
    expect(await told()).toHaveLength(mails)
  })

  test('from a place of 90 days ago is from a new one', async () => {
    const account = await createOwner()
    at(90 * DAY_SECONDS - 3601)
    expect((await signIn(account, BERLIN)).status).toBe(200)
    expect(await told()).toEqual([])
    at(180 * DAY_SECONDS - 3601)
    expect((await signIn(account, BERLIN)).status).toBe(200)
    expect(await told()).toMatchObject([{ isNewPlace: true }])
  })

  test.each([
    [2, []],
    [3, [{ isNewPlace: false, failures: 3 }]],
    [9, [{ isNewPlace: false, failures: 9 }]],
  ])('from a known place after %i failures there is told or not', async (failures, expected) => {
    const account = await createOwner()
    await fail(account, failures, BERLIN)
    expect((await signIn(account, BERLIN)).status).toBe(200)
    expect(await told()).toMatchObject(expected)
    // They are forgotten with it.
    expect((await signIn(account, BERLIN)).status).toBe(200)
    expect(await told()).toHaveLength(expected.length)
  })

  test('from a known place is told of what other clients in the places of its owner failed, a few times each', async () => {
    const account = await createOwner()
    for (const ip of ['203.0.113.8', '203.0.113.9']) await fail(account, 1, { ...BERLIN, ip })
    expect((await signIn(account, BERLIN)).status).toBe(200)
    expect(await told()).toEqual([])
    await fail(account, 1, { ...BERLIN, ip: '203.0.113.10' })
    await fail(account, 4, LISBON)
    expect((await signIn(account, { ...BERLIN, ip: '203.0.113.11' })).status).toBe(200)
    expect(await told()).toMatchObject([{ isNewPlace: false, failures: 3 }])
    at(DAY_SECONDS)
    expect((await signIn(account, BERLIN)).status).toBe(200)
    expect(await told()).toHaveLength(1)
  })

  test('from a known place is not told for what strangers failed, nor for what was yesterday', async () => {
    const account = await createOwner()
    await fail(account, 5, LISBON)
    await fail(account, 5, BERLIN)
    at(DAY_SECONDS)
    expect((await signIn(account, BERLIN)).status).toBe(200)
    expect(await told()).toEqual([])
  })

  test('from a new place after failures is told once, of both', async () => {
    const account = await createOwner()
    await fail(account, 4, LISBON)
    expect((await signIn(account, LISBON)).status).toBe(200)
    expect(await told()).toMatchObject([{ isNewPlace: true, failures: 4 }])
  })

  test('that fails is told by none of this, and notes no place', async () => {
    const account = await createOwner()
    await fail(account, 4, LISBON)
    expect(await told()).toEqual([])
    expect(await places()).toEqual([['DE/AS64500', -3600]])
  })

  test('of a client that a back end names is from that place', async () => {
    const account = await createOwner()
    const headers = onBehalfOf('198.51.100.23', { 'Tessera-Client-ASN': '64501', 'Tessera-Client-Country': 'PT' })
    expect((await signIn(account, { ...BERLIN, headers })).status).toBe(200)
    expect(await told()).toMatchObject([{ isNewPlace: true }])
    expect((await signIn(account, LISBON)).status).toBe(200)
    expect(await told()).toHaveLength(1)
  })
})

describe('the address that all Workers have', () => {
  const WORKERS: CallOptions = { ip: '2a06:98c0:3600::103', cf: { asn: 13_335, country: 'US' } }

  test('is in no place of its owner: each sign-in from there is told, and waits for strangers', async () => {
    const account = await createOwner({ seen: false })
    expect((await signIn(account, WORKERS)).status).toBe(200)
    expect((await signIn(account, WORKERS)).status).toBe(200)
    expect(await told()).toMatchObject([{ isNewPlace: true }])
    await fail(account, 10, LISBON)
    expect((await signIn(account, WORKERS)).status).toBe(401)
  })

  test('makes no place of its network', async () => {
    const account = await createOwner({ seen: false })
    expect((await signIn(account, WORKERS)).status).toBe(200)
    expect((await signIn(account, { ...WORKERS, ip: '104.28.0.1' })).status).toBe(200)
    expect(await told()).toMatchObject([{ isNewPlace: true }])
  })
})

describe('a place', () => {
  test('of a session that was opened before places were noted is the one that a sign-in from there would note', async () => {
    const account = await createOwner({ seen: false })
    const clients = [
      { address: '203.0.113.7', asn: 64_500, country: 'DE' },
      { address: '2001:db8::1', asn: 64_501, country: null },
    ]
    const insert = env.DB.prepare(
      `INSERT INTO sessions (sid, user_id, jti, issued_at, expires_at, created_at, ip, asn, country) VALUES (?, ?, 'j', 1, 2, ?, ?, ?, ?)`,
    )
    await env.DB.batch(
      clients.flatMap(({ address, asn, country }, i) =>
        [T0 - 9, T0 - 5].map((createdAt) =>
          insert.bind(`${i} ${createdAt}`, account.id, createdAt, address, asn, country),
        ),
      ),
    )
    const filling = env.MIGRATIONS.find(({ name }) => name.startsWith('0008'))
    await env.DB.batch((filling?.queries ?? []).map((query) => env.DB.prepare(query)))

    const expected = new Set(clients.map((client) => `${seenPlaceKey(client)} -5`))
    expect(new Set((await places()).map((row) => (row as unknown[]).join(' ')))).toEqual(expected)
    expect((await signIn(account, BERLIN)).status).toBe(200)
    expect(await told()).toEqual([])
    expect((await signIn(account, LISBON)).status).toBe(200)
    expect(await told()).toHaveLength(1)
  })

  test('is noted by a sign-in, and again a day later', async () => {
    const account = await createOwner({ seen: false })
    await signIn(account, BERLIN)
    at(DAY_SECONDS - 1)
    await signIn(account, BERLIN)
    await signIn(account, LISBON)
    expect(await places()).toEqual([
      ['DE/AS64500', 0],
      ['PT/AS64501', DAY_SECONDS - 1],
    ])
    at(DAY_SECONDS)
    await signIn(account, BERLIN)
    expect((await places())[0]).toEqual(['DE/AS64500', DAY_SECONDS])
  })

  test('is forgotten when its owner ends all sessions by the mail about it, and no other is', async () => {
    const account = await createOwner()
    const other = await createOwner({ seen: false })
    await insertSeenPlace(env.DB, other, 'PT/AS64501', T0)
    await signIn(account, LISBON)
    const row = (await readOutbox()).find(({ kind }) => kind === 'new_sign_in')
    if (row === undefined) throw new Error('no mail')
    const pressed = await pressPage('/links/end-sessions', { token: await tokenOf(row, 'end_sessions') })
    expect(pressed.status).toBe(303)
    const left = env.DB.prepare("SELECT place FROM seen_places WHERE user_id = ? AND place LIKE 'PT%'").bind(account.id)
    expect((await left.all()).results).toEqual([])
    expect(await places()).toEqual([
      ['DE/AS64500', -3600],
      ['PT/AS64501', 0],
    ])
    at(1)
    await signIn(account, LISBON)
    expect(await told()).toHaveLength(2)
  })

  test('is not noted by a back end that opens a session by a guid, and no such session is told', async () => {
    const account = await createOwner()
    expect((await worker.call(`/${account.guid}`, LISBON)).status).toBe(200)
    expect(await told()).toEqual([])
    expect(await places()).toEqual([['DE/AS64500', -3600]])
  })

  test.each([
    [{ address: '203.0.113.7', asn: 64_500, country: 'DE' }, 'DE/AS64500'],
    [{ address: '203.0.113.7', asn: 64_500, country: null }, '-/AS64500'],
    [{ address: '203.0.113.7', asn: null, country: 'DE' }, 'DE/203.0.113.0/24'],
    [{ address: '2001:db8:7:8::1', asn: null, country: null }, '-/2001:db8:7::/48'],
  ])('of %j is %s', (client, key) => {
    expect(seenPlaceKey(client)).toBe(key)
  })
})
