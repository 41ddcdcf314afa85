/**
 * The examples that need no browser, as docs/topologies.md has them: a client that keeps its own tokens, and a service that verifies
 * them. They reach Tessera below a path of one host, through the example for that.
 */

import { once } from 'node:events'
import { createServer, request as ask, type Server } from 'node:http'
import { join } from 'node:path'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestHarness, type TestHarness } from 'wrangler'

import { type Client, createClient, type Pair } from '../../examples/mobile.ts'
import { createAccount, PASSWORD } from '../support/accounts.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'
import { freePort, portOf } from '../support/command.ts'
import { type Example, startExample } from '../support/example.ts'
import { expired } from '../support/expired.ts'

const root = join(import.meta.dirname, '../..')
const { SERVICE_KEY } = TEST_BINDINGS

let harness: TestHarness
let oneHost: Example
let service: Example
/** A network that loses what it is told to lose. */
let network: Server
/** What becomes of the answers to the next refreshes: they are lost, or Tessera is in trouble. */
let accidents: ('lost' | 'trouble')[] = []
let refreshes = 0
let tessera: string
let database: D1Database

beforeAll(async () => {
  const port = await freePort()
  tessera = `http://localhost:${port}/tessera`
  harness = createTestHarness({
    workers: [
      {
        configPath: join(root, 'wrangler.toml'),
        secrets: {
          ...TEST_BINDINGS,
          PUBLIC_URL: `http://localhost:${port}`,
          BASE_PATH: '/tessera',
          REFRESH_REUSE_SECONDS: '10',
        },
      },
    ],
  })
  const { url } = await harness.listen()
  await harness.getWorker<Env>().applyD1Migrations('DB')
  database = (await harness.getWorker<Env>().getEnv()).DB
  network = createServer((incoming, outgoing) => {
    const isRefresh = incoming.url?.endsWith('/auth/token/refresh')
    if (isRefresh) refreshes += 1
    const accident = isRefresh ? accidents.shift() : undefined
    if (accident === 'trouble') return outgoing.writeHead(503, { 'Retry-After': '1' }).end()
    const { method, url: path, headers } = incoming
    const passed = ask({ host: url.hostname, port: url.port, method, path, headers }, (answer) => {
      if (accident === 'lost') outgoing.destroy()
      else answer.pipe(outgoing.writeHead(answer.statusCode ?? 0, answer.rawHeaders))
    })
    return incoming.pipe(passed)
  }).listen(0, '127.0.0.1')
  await once(network, 'listening')
  const INSIDE = `http://127.0.0.1:${portOf(network.address())}`
  oneHost = await startExample('one-host.ts', { PORT: String(port), TESSERA: tessera, INSIDE })
  service = await startExample('service.ts', { TESSERA: tessera, SERVICE_KEY })
})

afterAll(async () => {
  await Promise.all([oneHost.stop(), service.stop()])
  network.close()
  await harness.close()
})

let kept: Pair | null
let client: Client

beforeEach(async () => {
  refreshes = 0
  accidents = []
  kept = null
  client = createClient(tessera, { load: async () => kept, save: async (pair) => void (kept = pair) })
  const { email } = await createAccount(database)
  expect(await client.signIn(email ?? '', PASSWORD)).toBe(true)
})

function current(): Pair {
  if (kept === null) throw new Error('signed out')
  return kept
}

/** The live refresh token and the one before, as D1 knows them. */
function rotation(): Promise<{ jti: string; previous_jti: string | null } | null> {
  return database.prepare('SELECT jti, previous_jti FROM sessions ORDER BY rowid DESC LIMIT 1').first()
}

describe('a client that keeps its own tokens', () => {
  beforeEach(async () => {
    kept = { ...current(), access: await expired(current().access) }
  })

  test('refreshes once for all requests that wait', async () => {
    const before = await rotation()
    const answers = await Promise.all([1, 2, 3].map(() => client.fetch(`${tessera}/auth/me`)))

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(refreshes).toBe(1)
    expect(await rotation()).toMatchObject({ previous_jti: before?.jti })
  })

  test('asks again with the same token where the answer got lost, and has rotated once', async () => {
    const before = await rotation()
    accidents = ['lost']

    expect((await client.fetch(`${tessera}/auth/me`)).status).toBe(200)
    expect(refreshes).toBe(2)
    expect(await rotation()).toMatchObject({ previous_jti: before?.jti })
  })

  test('waits for trouble to end, and does not take it for a refusal', async () => {
    accidents = ['trouble']

    expect((await client.fetch(`${tessera}/auth/me`)).status).toBe(200)
    expect(refreshes).toBe(2)
  })

  test('has nothing left once its session is over, and says so', async () => {
    const { refresh } = current()
    const headers = { 'Content-Type': 'application/json' }
    await fetch(`${tessera}/auth/token/revoke`, { method: 'POST', headers, body: JSON.stringify({ refresh }) })

    expect((await client.fetch(`${tessera}/auth/me`)).status).toBe(401)
    expect([kept, refreshes]).toEqual([null, 1])
  })
})

async function order(token: string, method = 'GET'): Promise<number> {
  const headers = { Authorization: `Bearer ${token}` }
  return (await fetch(`http://localhost:${service.port}/orders`, { method, headers })).status
}

describe('a service', () => {
  test('takes an access token, and nothing else', async () => {
    const { access, refresh } = current()

    expect(await order(access)).toBe(200)
    for (const token of [refresh, await expired(access), `${access}x`, 'x']) expect(await order(token)).toBe(401)
  })

  test('learns by introspection alone that a session ended before its access token', async () => {
    const { access } = current()
    expect(await order(access, 'DELETE')).toBe(204)
    await client.signOut()

    expect([await order(access), await order(access, 'DELETE')]).toEqual([200, 401])
  })
})
