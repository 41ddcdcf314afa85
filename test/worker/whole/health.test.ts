/**
 * GET /healthz: what works, by name of part, for anybody who asks; why not, for the log. And the page of a deployment
 * that nobody has given its secrets yet.
 */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test, vi } from 'vitest'

import { COMMON, answer } from '../../support/answers.ts'
import { TEST_BINDINGS } from '../../support/bindings.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { type CallOptions, ORIGIN, type Overrides, startWorker, type TestWorker } from '../../support/worker.ts'

const WELL = { configuration: 'ok', keys: 'ok', database: 'ok', queue: 'ok', sender: 'ok' }
const BROKEN = { ...WELL, configuration: 'not ok', keys: 'unknown', sender: 'unknown' }
const BROWSER = { headers: { Accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8' } }
const SILENT_500 = { status: 500, headers: COMMON, body: '' }
const SAMPLE = 'replace-me-with-32-random-bytes-in-base64-or-hex'

const warned = vi.spyOn(console, 'warn').mockImplementation(() => {})
const errors = vi.spyOn(console, 'error').mockImplementation(() => {})

beforeEach(() => {
  vi.useRealTimers()
  warned.mockClear()
  errors.mockClear()
})

function never(): Promise<never> {
  return new Promise(() => {})
}

function health(status: number, checks: Readonly<Record<string, string>>) {
  const body = JSON.stringify({ status: status === 200 ? 'ok' : 'not ok', checks })
  return { status, headers: { ...COMMON, 'content-type': 'application/json' }, body }
}

/** What `/healthz` answers, and what it left in the log, a line a part. */
async function ask(worker: TestWorker, options: CallOptions = {}) {
  const got = await answer(await worker.call('/healthz', options))
  const logged = warned.mock.calls.map(([event]) => event as Readonly<Record<string, unknown>>)
  return { got, logged: logged.map(({ event, part, error }) => `${String(event)} ${String(part)}: ${String(error)}`) }
}

describe('GET /healthz', () => {
  test('says that all is well, part by part', async () => {
    expect(await ask(startWorker())).toEqual({ got: health(200, WELL), logged: [] })
  })

  test('needs no address, no token and no body, and has a HEAD', async () => {
    const worker = startWorker()

    expect(await answer(await worker.call('/healthz', { ip: null }))).toEqual(health(200, WELL))
    expect(await answer(await worker.call('/healthz', { method: 'HEAD' }))).toEqual({ ...health(200, WELL), body: '' })
  })

  const sample = { MAIL_FROM: 'Tessera <tessera@example.com>', PUBLIC_URL: ORIGIN }
  const faults: readonly (readonly [string, Overrides, Partial<typeof WELL>, string])[] = [
    [
      'D1 is down',
      { DB: { prepare: () => ({ bind: () => ({ run: () => Promise.reject(new Error('D1_ERROR: down')) }) }) } },
      { database: 'not ok' },
      'database: Error: D1_ERROR: down',
    ],
    [
      'the queue is gone',
      { MAIL_QUEUE: { metrics: () => Promise.reject(new Error('gone')) } },
      { queue: 'not ok' },
      'queue: Error: gone',
    ],
    [
      'the queue of events is gone',
      { EVENTS: { metrics: () => Promise.reject(new Error('gone')) } },
      { queue: 'not ok' },
      'queue: Error: EVENTS (Error: gone)',
    ],
    [
      'send_email is not bound',
      { EMAIL: undefined },
      { sender: 'not ok' },
      'sender: Error: No send_email binding EMAIL',
    ],
    [
      'the sender is still the sample',
      sample,
      { sender: 'not ok' },
      'sender: Error: MAIL_FROM is still the sample. Set it to an address of a domain that is onboarded',
    ],
  ]
  test.each(faults)('says which part is not well, and the log why, when %s', async (_name, overrides, parts, line) => {
    expect(await ask(startWorker(overrides))).toEqual({
      got: health(503, { ...WELL, ...parts }),
      logged: [`not_healthy ${line}`],
    })
  })

  test('takes a sender of its own, and a mail API in place of the binding', async () => {
    const own = startWorker({ ...sample, MAIL_FROM: 'Tessera <tessera@mail.example.dev>' })
    const api = startWorker({ MAIL_TRANSPORT: 'api', MAIL_API_URL: 'https://mail.example.dev/', EMAIL: undefined })

    expect((await ask(own)).got).toEqual(health(200, WELL))
    expect((await ask(api)).got).toEqual(health(200, WELL))
  })

  test('waits two seconds for a part that is silent', async () => {
    const pauses = vi.spyOn(globalThis, 'setTimeout')
    const callAfter = pauses.getMockImplementation() ?? globalThis.setTimeout
    pauses.mockRestore()
    const delays: unknown[] = []
    vi.spyOn(globalThis, 'setTimeout').mockImplementation((callback: () => void, delay?: number) => {
      delays.push(delay)
      return callAfter(callback, delay === 2000 ? 20 : delay)
    })
    const worker = startWorker({
      DB: { prepare: () => ({ bind: () => ({ run: never }) }) },
      MAIL_QUEUE: { metrics: never },
    })
    const asked = await ask(worker)
    vi.mocked(globalThis.setTimeout).mockRestore()

    expect(asked).toEqual({
      got: health(503, { ...WELL, database: 'not ok', queue: 'not ok' }),
      logged: ['not_healthy database: NoAnswer: after 2000 ms', 'not_healthy queue: NoAnswer: after 2000 ms'],
    })
    expect(delays).toContain(2000)
  })

  test('knows the newest migration: a database without it is not well, one that is ahead is', async () => {
    const NOT_MIGRATED = 'D1 is not migrated. Locally, run `npm start`; deployed, run `npm run deploy`'
    const newest = env.MIGRATIONS.at(-1)?.name
    await env.DB.prepare("INSERT INTO d1_migrations (name) VALUES ('9999_later.sql')").run()
    expect((await ask(startWorker())).got).toEqual(health(200, WELL))

    await env.DB.prepare('UPDATE d1_migrations SET name = ? WHERE name = ?').bind('x', newest).run()
    const behind = await ask(startWorker())
    await env.DB.prepare('UPDATE d1_migrations SET name = ? WHERE name = ?').bind(newest, 'x').run()
    await env.DB.prepare('ALTER TABLE d1_migrations RENAME TO away').run()
    warned.mockClear()
    const empty = await ask(startWorker())
    await env.DB.prepare('ALTER TABLE away RENAME TO d1_migrations').run()

    for (const asked of [behind, empty]) {
      expect(asked).toEqual({
        got: health(503, { ...WELL, database: 'not ok' }),
        logged: [`not_healthy database: Error: ${NOT_MIGRATED}`],
      })
    }
  })

  test('asks D1 once in five seconds and reads one row, however often it is asked; so does a broken deployment', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const start = 1_800_000_000_000
    for (const overrides of [{}, { LOCATION_POLICY: 'planet' }]) {
      const { database, roundTrips, statements } = countRoundTrips(env.DB)
      const worker = startWorker({ DB: database, ...overrides })
      vi.setSystemTime(start)
      for (let i = 0; i < 20; i += 1) await worker.call('/healthz')
      expect(roundTrips()).toBe(1)
      expect(statements().map(({ rowsRead, rowsWritten }) => [rowsRead, rowsWritten])).toEqual([[1, 0]])

      vi.setSystemTime(start + 4999)
      await worker.call('/healthz')
      expect(roundTrips()).toBe(1)
      vi.setSystemTime(start + 5000)
      await worker.call('/healthz')
      expect(roundTrips()).toBe(2)
    }
  })

  test('keeps to that while D1 is slow: who asks meanwhile gets the answer before', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const start = 1_800_000_000_000
    vi.setSystemTime(start)
    let asked = 0
    const gate = Promise.withResolvers<void>()
    const run = async () => {
      asked += 1
      if (asked > 1) await gate.promise
      return { results: [1] }
    }
    const worker = startWorker({ DB: { prepare: () => ({ bind: () => ({ run }) }) } })
    await worker.call('/healthz')

    vi.setSystemTime(start + 5000)
    const slow = worker.call('/healthz')
    const meanwhile = await Promise.all(Array.from({ length: 20 }, () => worker.call('/healthz')))
    gate.resolve()
    await slow
    expect(asked).toBe(2)
    for (const response of meanwhile) expect(response.status).toBe(200)
  })

  test('writes no more to the log, however often it is asked', async () => {
    const worker = startWorker({ EMAIL: undefined })
    for (let i = 0; i < 20; i += 1) await worker.call('/healthz')

    expect(warned).toHaveBeenCalledTimes(1)
  })
})

describe('a deployment whose configuration cannot be used', () => {
  test('says so at /healthz, with what can be told all the same, and explains nothing', async () => {
    const broken = startWorker({ LOCATION_POLICY: 'planet', SERVICE_KEY: 'short' })

    expect((await ask(broken)).got).toEqual(health(503, BROKEN))
    expect(await answer(await broken.call('/healthz', { method: 'HEAD' }))).toEqual({
      ...health(503, BROKEN),
      body: '',
    })
    expect(await answer(await broken.call('/healthz', { method: 'POST' }))).toEqual(SILENT_500)
  })

  test('tells a bad configuration from keys that cannot be derived', async () => {
    const derive = vi.spyOn(crypto.subtle, 'deriveBits').mockRejectedValue(new Error('no entropy'))
    const { got, logged } = await ask(startWorker())
    derive.mockRestore()

    expect(got).toEqual(health(503, { ...WELL, keys: 'not ok', sender: 'unknown' }))
    expect(logged).toEqual(['not_healthy keys: Error: no entropy'])
  })

  test.each<readonly [string, Overrides]>([
    ['a secret that is too short', { AUTH_SECRET: TEST_BINDINGS.AUTH_SECRET.slice(0, 42) }],
    ['a service key that is too short', { SERVICE_KEY: 'short' }],
    ['another value that is wrong', { LOCATION_POLICY: 'planet' }],
    ['another value that is wrong, and no service key', { LOCATION_POLICY: 'planet', SERVICE_KEY: '' }],
  ])('tells a browser nothing of %s', async (_name, overrides) => {
    expect(await answer(await startWorker(overrides).call('/', BROWSER))).toEqual(SILENT_500)
  })
})

describe('a deployment without its secrets', () => {
  test.each<readonly [string, Overrides, readonly string[]]>([
    ['none at all', { AUTH_SECRET: '', SERVICE_KEY: '' }, ['AUTH_SECRET', 'SERVICE_KEY']],
    ['only blanks', { AUTH_SECRET: ' ', SERVICE_KEY: ' ' }, ['AUTH_SECRET', 'SERVICE_KEY']],
    ['only the samples', { AUTH_SECRET: SAMPLE, SERVICE_KEY: SAMPLE }, ['AUTH_SECRET', 'SERVICE_KEY']],
    ['a service key alone', { AUTH_SECRET: '' }, ['AUTH_SECRET']],
    ['the sample of the service key', { SERVICE_KEY: SAMPLE }, ['SERVICE_KEY']],
    ['none, and another value that is wrong', { AUTH_SECRET: '', LOCATION_POLICY: 'planet' }, ['AUTH_SECRET']],
  ])('shows a browser which to set: %s', async (_name, overrides, keys) => {
    for (const path of ['/', '/refresh', '/any/where']) {
      const { status, headers, body } = await answer(await startWorker(overrides).call(path, BROWSER))

      expect({ status, type: headers['content-type'] }).toEqual({ status: 500, type: 'text/html; charset=UTF-8' })
      expect([...body.matchAll(/<dt><code>(\w+)<\/code>/g)].map(([, key]) => key)).toEqual(keys)
      expect(body).not.toMatch(/planet|replace-me/)
      for (const value of Object.values(TEST_BINDINGS).filter((text) => text.length > 40))
        expect(body).not.toContain(value)
    }
  })

  test('sends its page under the policy of all pages', async () => {
    const { headers, body } = await answer(await startWorker({ AUTH_SECRET: '' }).call('/', BROWSER))
    const nonce = /<style nonce="([^"]+)"/.exec(body)?.[1] ?? ''

    expect(nonce).not.toBe('')
    expect(headers).toMatchObject({
      ...COMMON,
      'content-security-policy': `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    })
  })

  test.each<readonly [string, CallOptions]>([
    ['a program', {}],
    ['a program that takes JSON', { headers: { Accept: 'application/json' } }],
    ['HEAD', { ...BROWSER, method: 'HEAD' }],
    ['POST', { ...BROWSER, method: 'POST' }],
  ])('answers 500 and nothing else to %s', async (_name, options) => {
    const worker = startWorker({ AUTH_SECRET: '' })

    expect(await answer(await worker.call('/', options))).toEqual(SILENT_500)
    expect(await answer(await worker.call('/auth/token', options))).toEqual(SILENT_500)
  })

  test('asks neither D1 nor anything else for it', async () => {
    const { database, roundTrips } = countRoundTrips(env.DB)
    await startWorker({ AUTH_SECRET: '', DB: database }).call('/', BROWSER)

    expect(roundTrips()).toBe(0)
  })
})
