/**
 * Too many requests within a minute, by the real bindings with the numbers of wrangler.toml: who is asked to come back later, who is not, and
 * that a brake which fails stops nobody.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createRateLimits } from '../../../src/rate-limits.ts'
import { dumpTables, emptyTables, insertSeenPlace, PASSWORD } from '../../support/accounts.ts'
import { answer, NO_ACCOUNT, problem } from '../../support/answers.ts'
import { createCheapAccount, startCheapWorker } from '../../support/cheap-passwords.ts'
import { keepLog } from '../../support/log.ts'
import { onBehalfOf } from '../../support/requests.ts'
import { type CallOptions, setCookies, type TestWorker } from '../../support/worker.ts'

const logged = keepLog('warn')
beforeEach(() => emptyTables(env.DB))

const { REAL_RATE_BY_ADDRESS: RATE_BY_ADDRESS, REAL_RATE_BY_ACCOUNT: RATE_BY_ACCOUNT } = env
const LIMITS = { address: 200, account: 60 }
const limited = startCheapWorker({ RATE_BY_ADDRESS, RATE_BY_ACCOUNT })
const rates = createRateLimits({ RATE_BY_ADDRESS, RATE_BY_ACCOUNT }, undefined, () => {})

const TOO_MANY = problem(429, 'Too Many Requests', 'Too many requests', 'too_many_requests', {
  headers: { 'retry-after': '60' },
})

/** Local limits count in whole minutes of the clock: a test that needs some seconds of one waits for the next where few are left. */
async function withinOneMinute(): Promise<void> {
  const left = 60_000 - (Date.now() % 60_000)
  if (left < 12_000) await new Promise((resolve) => setTimeout(resolve, left + 50))
}

let addresses = 0
/** Addresses that nobody asked from in this file. */
function freshAddress(): string {
  addresses += 1
  return `198.18.${addresses}.1`
}

function signIn(email: string | null, options: CallOptions, by: TestWorker = limited, path = '/auth/token') {
  return by.call(path, { ...options, method: 'POST', json: { primary_email: email, password: PASSWORD } })
}

/** Leaves so many requests of an address. */
async function leave(network: string, requests: number): Promise<void> {
  await withinOneMinute()
  const asked = await Promise.all(Array.from({ length: LIMITS.address - requests }, () => rates.byAddress(network)))
  expect(asked).not.toContain(false)
}

describe('an address', { timeout: 60_000 }, () => {
  test.each(['/auth/token', '/auth/session'])('has 200 requests a minute: POST %s', async (path) => {
    const { email } = await createCheapAccount()
    const ip = freshAddress()
    await leave(`${ip}/32`, 1)
    expect((await signIn(email, { ip }, limited, path)).status).toBe(200)
    const before = await dumpTables(env.DB)
    const refused = await signIn(email, { ip }, limited, path)
    expect(setCookies(refused)).toEqual({})
    expect(await answer(refused)).toMatchObject(TOO_MANY)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(logged.mock.calls.at(-1)?.[0]).toMatchObject({ code: 'too_many_requests', cause: 'rate of an address' })
    expect((await signIn(email, { ip: freshAddress() }, limited, path)).status).toBe(200)
  })

  test.each([
    ['POST', '/auth/register', { primary_email: 'nobody@example.com', password: PASSWORD }],
    ['POST', '/auth/confirm/resend', { primary_email: 'nobody@example.com' }],
    ['POST', '/auth/password/forgot', { primary_email: 'nobody@example.com' }],
    ['POST', '/auth/password/reset', { token: 'x', new_password: PASSWORD }],
    ['POST', '/auth/password', { current_password: 'x', new_password: PASSWORD }],
    ['POST', '/auth/email', { password: 'x', new_email: 'other@example.com' }],
    ['DELETE', '/auth/me', { password: 'x' }],
  ])('is asked to come back by %s %s, too', async (method, path, json) => {
    const ip = freshAddress()
    await leave(`${ip}/32`, 0)
    expect(await answer(await limited.call(path, { method, json, ip }))).toMatchObject(TOO_MANY)
  })

  test('is an IPv6 /64', async () => {
    await leave('2001:db8:1:2::/64', 0)
    expect((await signIn('nobody@example.com', { ip: '2001:db8:1:2:3::4' })).status).toBe(429)
    expect((await signIn('nobody@example.com', { ip: '2001:db8:1:3::4' })).status).toBe(401)
  })

  test('is that of the client which a back end names, and otherwise that of the back end', async () => {
    const [backEnd, client] = [freshAddress(), freshAddress()]
    await leave(`${backEnd}/32`, 0)
    await leave(`${client}/32`, 0)
    const asks = async (headers: HeadersInit, ip = backEnd) =>
      (await signIn('nobody@example.com', { ip, headers })).status
    expect(await asks(onBehalfOf(freshAddress()))).toBe(401)
    expect(await asks(onBehalfOf(client), freshAddress())).toBe(429)
    expect(await asks({ Authorization: `Bearer ${env.SERVICE_KEY}` })).toBe(429)
  })

  test('is counted by each deployment for itself, and apart from accounts', async () => {
    const ip = freshAddress()
    await leave(`${ip}/32`, 0)
    const other = createRateLimits(
      { RATE_BY_ADDRESS, RATE_BY_ACCOUNT: RATE_BY_ADDRESS },
      'https://other.example',
      () => {},
    )
    expect(await other.byAddress(`${ip}/32`)).toBe(true)
    const shared = createRateLimits({ RATE_BY_ACCOUNT: RATE_BY_ADDRESS }, undefined, () => {})
    expect(await shared.byAccount(`${ip}/32`)).toBe(true)
    expect(await rates.byAddress(`${ip}/32`)).toBe(false)
  })

  test('has no limit for what costs no hash', async () => {
    const ip = freshAddress()
    await leave(`${ip}/32`, 0)
    for (const path of [`/${crypto.randomUUID()}`, '/.well-known/jwks.json']) {
      expect((await limited.call(path, { ip })).status).toBe(200)
    }
  })
})

describe('an account', { timeout: 60_000 }, () => {
  test('is asked for 60 times a minute by one client, and the answer is that of an unknown one', async () => {
    await withinOneMinute()
    const { email } = await createCheapAccount()
    const stranger = 'asked.for.once@example.com'
    const ip = freshAddress()
    for (const address of [email, stranger]) {
      const json = { primary_email: address, password: 'wrong' }
      const tries = Array.from({ length: LIMITS.account }, () =>
        limited.call('/auth/token', { method: 'POST', json, ip }),
      )
      // oxlint-disable-next-line no-await-in-loop -- the limit of one, then that of the other
      for (const one of await Promise.all(tries)) expect(await answer(one)).toEqual(NO_ACCOUNT)
    }
    const before = await dumpTables(env.DB)
    const [known, unknown] = [await answer(await signIn(email, { ip })), await answer(await signIn(stranger, { ip }))]
    expect(known).toMatchObject(TOO_MANY)
    expect(unknown).toEqual(known)
    expect(await dumpTables(env.DB)).toEqual(before)
    expect(logged.mock.calls.at(-1)?.[0]).toMatchObject({ cause: 'rate of an account' })
    // Nobody else is kept out by it.
    expect((await signIn(email, { ip: freshAddress() })).status).toBe(401)
  })

  test('is one client with every address of its IPv6 /48', async () => {
    await withinOneMinute()
    const json = { primary_email: 'asked.by.a.line@example.com', password: 'wrong' }
    const tries = Array.from({ length: LIMITS.account }, (_, i) =>
      limited.call('/auth/token', { method: 'POST', json, ip: `2001:db8:a:${i}::1` }),
    )
    for (const { status } of await Promise.all(tries)) expect(status).toBe(401)
    expect((await signIn(json.primary_email, { ip: '2001:db8:a:ff::1' })).status).toBe(429)
  })

  test.each([
    ['in its place', '203.0.113.8', '203.0.113.9'],
    ['elsewhere, and once in its place', '192.0.2.8', '203.0.113.10'],
    ['in its place, and once elsewhere', '203.0.113.11', '192.0.2.9'],
  ])('does not show that there is one: what was asked %s', async (_name, often, once) => {
    await withinOneMinute()
    const account = await createCheapAccount()
    await insertSeenPlace(env.DB, account, '-/203.0.113.0/24', Math.floor(Date.now() / 1000))
    const asked = async (email: string | null) => {
      const ask = async (ip: string) =>
        answer(await limited.call('/auth/token', { method: 'POST', json: { primary_email: email, password: 'x' }, ip }))
      await Promise.all(Array.from({ length: LIMITS.account }, () => ask(often)))
      return [await ask(often), await ask(once)]
    }
    const known = await asked(account.email)
    expect(known).toMatchObject([TOO_MANY, NO_ACCOUNT])
    expect(await asked(`nobody.${often}@example.com`)).toEqual(known)
  })

  test('has a limit of its own for its owner, so that strangers do not use it up', async () => {
    await withinOneMinute()
    const account = await createCheapAccount()
    await insertSeenPlace(env.DB, account, '-/203.0.113.0/24', Math.floor(Date.now() / 1000))
    const stranger = freshAddress()
    await Promise.all(Array.from({ length: LIMITS.account + 1 }, () => signIn(account.email, { ip: stranger })))
    expect((await signIn(account.email, { ip: stranger })).status).toBe(429)
    expect((await signIn(account.email, { ip: '203.0.113.7' })).status).toBe(200)
  })
})

describe('a brake', () => {
  test.each([
    ['that is not bound', undefined, 0],
    ['that throws', { limit: () => Promise.reject(new Error('down')) }, 2],
    ['that is silent', { limit: () => new Promise(() => {}) }, 2],
    ['that answers nonsense', { limit: async () => null }, 2],
  ])('%s stops nobody', async (_name, binding, lines) => {
    const { email } = await createCheapAccount()
    const worker = startCheapWorker({ RATE_BY_ADDRESS: binding, RATE_BY_ACCOUNT: binding })
    expect((await signIn(email, { ip: freshAddress() }, worker)).status).toBe(200)
    const events = logged.mock.calls.map(([event]) => (event as { event: string }).event)
    expect(events).toEqual([...Array<string>(lines).fill('rate_not_limited'), 'signed_in'])
  })
})
