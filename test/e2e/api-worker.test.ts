/**
 * The API Worker of the examples, with the built Tessera: what it verifies without a call while keys rotate, and what it answers where Tessera is
 * down; and both once more as their own configurations bind them.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestHarness, type TestHarness } from 'wrangler'

import { deriveKeys } from '../../src/domain/tokens/keys.ts'
import type { TokenServiceBinding } from '../../src/rpc/contract.ts'
import { type ApiWorld, ISSUER, startApiWorld } from '../support/api-world.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'
import { decodeToken, encodePart, forge, strangerKeys } from '../support/forge.ts'
import { ROOT } from '../support/markdown.ts'

const OLD = TEST_BINDINGS.AUTH_SECRET
const NEXT = 'N3xt7w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q='

let world: ApiWorld

beforeAll(async () => {
  world = await startApiWorld(
    {
      before: { AUTH_SECRET: OLD, AUTH_SECRET_PREVIOUS: '' },
      published: { AUTH_SECRET: OLD, AUTH_SECRET_PREVIOUS: '', AUTH_SECRET_NEXT: NEXT },
      rotated: { AUTH_SECRET: NEXT, AUTH_SECRET_PREVIOUS: OLD },
      after: { AUTH_SECRET: NEXT, AUTH_SECRET_PREVIOUS: '' },
    },
    ['orders-api', 'cold', 'flooded', 'down'],
  )
}, 240_000)

afterAll(() => world.stop())

/** The statuses of so many requests, some of them at once. */
async function statuses(count: number, tokens: readonly string[]): Promise<ReadonlySet<number>> {
  const all = new Set<number>()
  for (let asked = 0; asked < count; asked += 25) {
    const at = (i: number) => tokens[(asked + i) % tokens.length] ?? ''
    const some = await Promise.all(Array.from({ length: 25 }, async (_, i) => (await world.ask(at(i))).status))
    for (const status of some) all.add(status)
  }
  return all
}

test('verifies 1,000 tokens while the keys rotate: none is lost, no key is fetched over HTTP, and two calls ask for keys', async () => {
  const GOOD = new Set([200])
  await world.turnTo('before')
  const first = await world.issue()
  expect(await statuses(250, [first.access])).toEqual(GOOD)
  expect(await world.calls()).toEqual({ keys: 1 })

  await world.turnTo('published')
  const second = await world.issue()
  expect(await statuses(250, [first.access, second.access])).toEqual(GOOD)
  expect(await world.calls()).toEqual({ keys: 1 })

  // The keys of the API are still those of the beginning: the new one leads to the one other call.
  await world.turnTo('rotated')
  const third = await world.issue()
  expect(decodeToken(third.access).header['kid']).not.toBe(decodeToken(first.access).header['kid'])
  expect(await statuses(250, [third.access, first.access, second.access])).toEqual(GOOD)
  expect(await world.calls()).toEqual({ keys: 2 })
  // No session was lost either: a pair of before is exchanged for one of today.
  const refreshed = await world.call<{ access: string }>('refresh', first, { ip: '203.0.113.7' })
  expect(refreshed).toMatchObject({ ok: true })

  await world.turnTo('after')
  const fourth = await world.issue()
  expect(await statuses(250, [fourth.access, third.access])).toEqual(GOOD)
  expect(await world.calls()).toEqual({ keys: 2 })
  expect(world.fetched).toEqual([])
})

describe('the API', () => {
  beforeAll(() => world.turnTo('rotated'))

  test('asks for the state of a session where the end of it matters, and nowhere else', async () => {
    const { access, account } = await world.issue()
    const before = (await world.calls())['introspect'] ?? 0
    expect((await world.ask(access, 'DELETE')).status).toBe(204)
    expect(await world.call('revokeUser', account.guid)).toEqual({ ok: true })
    expect((await world.ask(access)).status).toBe(200)
    expect((await world.ask(access, 'DELETE')).status).toBe(401)
    expect((await world.calls())['introspect']).toBe(before + 2)
  })

  test('refuses what is no good access token of this issuer, and makes no call for it', async () => {
    const { access, refresh } = await world.issue()
    expect((await world.ask(access)).status).toBe(200)
    const before = await world.calls()
    const { header, payload } = decodeToken(access)
    const rotated = await deriveKeys(NEXT, [])
    const now = Math.floor(Date.now() / 1000)
    const tokens = {
      'a refresh token': refresh,
      'an expired one': await forge(header, { ...payload, exp: now }, rotated.access.signing),
      'one of another issuer': await forge(header, { ...payload, iss: `${ISSUER}/` }, rotated.access.signing),
      'a forged one': await forge(header, payload, strangerKeys.access.signing),
      'one with other claims': access.replace(/\.[^.]+\./, `.${encodePart({ ...payload, group: 'admin' })}.`),
      'one for somebody else': await forge(header, { ...payload, aud: 'another' }, rotated.access.signing),
      nothing: '',
    }
    for (const [what, token] of Object.entries(tokens)) {
      const response = await world.ask(token)
      expect([response.status, response.headers.get('WWW-Authenticate')], what).toEqual([401, 'Bearer'])
    }
    expect(await world.calls()).toEqual(before)
  })

  test('calls once for a flood of names that nobody has published', async () => {
    const { access } = await world.issue()
    expect((await world.ask(access, 'GET', 'flooded')).status).toBe(200)
    const before = (await world.calls())['keys'] ?? 0
    const { payload } = decodeToken(access)
    const flood = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        forge({ alg: 'ES256', kid: `kid ${i}` }, payload, strangerKeys.access.signing),
      ),
    )
    const answers = await Promise.all(flood.map(async (token) => (await world.ask(token, 'GET', 'flooded')).status))
    expect(new Set(answers)).toEqual(new Set([401]))
    expect((await world.calls())['keys']).toBe(before + 1)
    expect((await world.ask(access, 'GET', 'flooded')).status).toBe(200)
  })

  test('goes on without Tessera, answers 503 where it cannot know, and never 401 for a good token', async () => {
    const { access } = await world.issue()
    expect((await world.ask(access, 'GET', 'cold')).status).toBe(200)
    await world.turnTo('down')
    expect((await world.ask(access, 'GET', 'cold')).status).toBe(200)
    expect((await world.ask(access, 'DELETE', 'cold')).status).toBe(503)
    const unknown = await world.ask(access, 'GET', 'down')
    expect([unknown.status, unknown.headers.get('Retry-After')]).toEqual([503, '5'])
    await world.turnTo('rotated')
    await expect.poll(async () => (await world.ask(access, 'GET', 'down')).status, { timeout: 5000 }).toBe(200)
  })
})

describe('as their configurations bind them', () => {
  const TESSERA = 'http://localhost:8787'
  let harness: TestHarness

  /** The configuration of the example, for a Tessera on this machine. */
  function localConfiguration(): string {
    const folder = join(ROOT, '.wrangler/api-worker')
    mkdirSync(folder, { recursive: true })
    const file = join(folder, 'wrangler.toml')
    const toml = readFileSync(join(ROOT, 'examples/api-worker/wrangler.toml'), 'utf8')
    const local = toml
      .replace('main = "', 'main = "../../examples/api-worker/')
      .replace('"https://auth.example.com"', `"${TESSERA}"`)
    writeFileSync(file, local)
    return file
  }

  beforeAll(async () => {
    harness = createTestHarness({
      workers: [
        { configPath: join(ROOT, 'wrangler.toml'), secrets: { ...TEST_BINDINGS, PUBLIC_URL: TESSERA } },
        { configPath: localConfiguration() },
      ],
    })
    await harness.listen()
    await harness.getWorker<{ DB: D1Database }>('tessera').applyD1Migrations('DB')
  }, 240_000)

  afterAll(() => harness.close())

  test('a token of the one is good at the other, until its session ends', async () => {
    const headers = { 'CF-Connecting-IP': '203.0.113.7' }
    const opened = await harness.getWorker('tessera').fetch(`${TESSERA}/${crypto.randomUUID()}`, { headers })
    const [access = ''] = /(?<=access_token=)[^;]+/.exec(opened.headers.getSetCookie().join('\n')) ?? []
    const ask = async (method: string) => {
      const options = { method, headers: { Authorization: `Bearer ${access}` } }
      return (await harness.getWorker('orders-api').fetch('https://api.example.com/orders', options)).status
    }
    expect([await ask('GET'), await ask('DELETE')]).toEqual([200, 204])
    const revoke = { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' } }
    const body = JSON.stringify({ token: access })
    await harness.getWorker('tessera').fetch(`${TESSERA}/auth/token/revoke`, { ...revoke, body })
    expect([await ask('GET'), await ask('DELETE')]).toEqual([200, 401])
  })

  test('the binding may do what its props list', async () => {
    const { TESSERA: tessera } = await harness.getWorker<{ TESSERA: TokenServiceBinding }>('orders-api').getEnv()
    expect(await tessera.keys()).toMatchObject({ ok: true, maxAgeSeconds: 300 })
    expect(await tessera.introspect('x')).toEqual({ ok: true, introspection: { active: false } })
    const forbidden = { ok: false, code: 'forbidden', status: 403 }
    expect(await tessera.verify('x')).toMatchObject(forbidden)
    expect(await tessera.issue(crypto.randomUUID(), { ip: '203.0.113.7' })).toMatchObject(forbidden)
    expect(await tessera.revokeUser(crypto.randomUUID())).toMatchObject(forbidden)
  })
})
