/**
 * One address: what is asked of a deployment under another host is refused before anything else is looked at, and what it
 * says of itself, in tokens and in mails, is `PUBLIC_URL`.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'

import { createApp } from '../../../src/app.ts'
import { createAccount, dumpTables, PASSWORD } from '../../support/accounts.ts'
import { COMMON, OVER_HTTP, problem, answer, under } from '../../support/answers.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { decodeToken } from '../../support/forge.ts'
import { onBehalfOf } from '../../support/requests.ts'
import { ELSEWHERE, HOME, type Overrides, pairOf, setCookies, startWorker } from '../../support/worker.ts'
import { keepLog } from '../../support/log.ts'

const MISDIRECTED = under(null, problem(421, 'Misdirected Request', 'Misdirected request', 'misdirected'))
const UNCONFIGURED = { status: 500, headers: COMMON, body: '' }
const MISSING =
  'Configuration: PUBLIC_URL is missing. Set it to the address of this deployment, such as https://auth.example.com, in the dashboard or in wrangler.toml'
const KEY = onBehalfOf(HOME)
const counting = countRoundTrips(env.DB)
const deployed = startWorker({ ISSUE_ACCESS: 'service', PUBLIC_URL: 'auth.example.com', DB: counting.database })
const nameless = startWorker({ ISSUE_ACCESS: 'service', DB: counting.database })
const local = startWorker({ PUBLIC_URL: 'localhost:8787' })
const logged = keepLog('warn', 'error')

const ROUTES = createApp()
  .routes.filter(({ method }) => method !== 'ALL')
  .map(({ method, path }) => [method, path.replace(':guid', crypto.randomUUID()).replace(/:\w+(?:\{.*\})?$/, '1')])

describe('a request for another host', () => {
  test.each([...ROUTES, ['GET', '/nothing/at/all'], ['PUT', '/refresh'], ['OPTIONS', '/auth/token']])(
    'is misdirected, and nothing of it is acted on: %s %s',
    async (method = '', path = '') => {
      const { email, guid } = await createAccount(env.DB)
      const own = { origin: 'https://auth.example.com' }
      const cookies = pairOf(await deployed.call(`/${guid}`, { ...own, headers: KEY }))
      const before = await dumpTables(env.DB)
      counting.reset()
      const json = { primary_email: email, password: PASSWORD, token: cookies.access_token, ...cookies }
      const options = { method, cookies, headers: KEY, ...(method === 'POST' && { json }) }

      expect(
        await answer(await deployed.call(path, { ...options, origin: 'https://tessera.example.workers.dev' })),
      ).toEqual(MISDIRECTED)
      expect(counting.roundTrips()).toBe(0)
      expect(await dumpTables(env.DB)).toEqual(before)
    },
  )

  test.each([
    'https://auth.example.com.evil.example',
    'https://evil.example/auth.example.com',
    'https://auth.example.com:8443',
    'http://auth.example.com:443',
    'https://www.auth.example.com',
    'https://auth.example.com@evil.example',
    'https://auth.example.com.',
    'https://203.0.113.80',
    'https://localhost',
    'http://localhost:8787',
    'http://127.0.0.1:8787',
  ])('is one for %s', async (origin) => {
    expect((await deployed.call('/.well-known/jwks.json', { origin })).status).toBe(421)
  })

  test.each([
    'https://auth.example.com',
    'https://AUTH.example.com',
    'https://auth.example.com:443',
    'http://auth.example.com',
  ])('is none for %s', async (origin) => {
    expect((await deployed.call('/.well-known/jwks.json', { origin })).status).toBe(200)
  })

  test('is a line in the log, with the host that was asked', async () => {
    const headers = { 'CF-Ray': '8a1b2c3d4e5f-VIE' }
    await deployed.call('/refresh', { origin: 'https://tessera.example.workers.dev', headers })

    expect(logged.mock.calls).toEqual([
      [
        {
          event: 'refused',
          code: 'misdirected',
          status: 421,
          cause: 'another host',
          host: 'tessera.example.workers.dev',
          ray: '8a1b2c3d4e5f-VIE',
        },
      ],
    ])
  })

  test('costs the right ones no parsing of their URL', async () => {
    await deployed.call('/.well-known/jwks.json', { origin: 'https://auth.example.com' })
    const parse = vi.spyOn(globalThis, 'URL')
    await deployed.call('/.well-known/jwks.json', { origin: 'https://auth.example.com' })
    expect(parse).not.toHaveBeenCalled()
  })
})

describe('without PUBLIC_URL', () => {
  test.each([
    'https://tessera.example.workers.dev',
    'http://192.168.1.10:8787',
    'http://localhost.example.com',
    'http://127.0.0.1.nip.io',
  ])('%s is a deployment that is not configured, and the log says what it lacks', async (origin) => {
    counting.reset()
    for (const path of [`/${crypto.randomUUID()}`, '/refresh', '/.well-known/jwks.json', '/nothing/at/all']) {
      logged.mockClear()
      const headers = origin.startsWith('https:') ? COMMON : OVER_HTTP
      expect(await answer(await nameless.call(path, { origin, headers: KEY }))).toEqual({ ...UNCONFIGURED, headers })
      expect(logged.mock.calls).toEqual([[MISSING]])
    }
    expect(counting.roundTrips()).toBe(0)
  })

  test('the health of such a deployment says so', async () => {
    const health = await nameless.call('/healthz', { origin: 'https://tessera.example.workers.dev' })

    expect(health.status).toBe(503)
    expect(await health.json()).toMatchObject({ checks: { configuration: 'not ok', database: 'ok' } })
  })

  test('a browser is shown what to set, and a thief no more than that', async () => {
    const headers = { Accept: 'text/html' }
    const page = await nameless.call('/', { origin: 'https://tessera.example.workers.dev', headers })

    expect([page.status, page.headers.get('Content-Type')]).toEqual([500, 'text/html; charset=UTF-8'])
    const html = await page.text()
    expect(html).toContain('PUBLIC_URL')
    expect(html).not.toMatch(/SERVICE_KEY|AUTH_SECRET|openssl/)
  })

  test.each([
    'http://localhost:8787',
    'http://127.0.0.1:8787',
    'http://[::1]:8787',
    'https://auth.localhost',
    'http://127.9.9.9',
  ])('%s is served, and is the issuer', async (origin) => {
    const response = await startWorker().call(`/${crypto.randomUUID()}`, { origin })

    expect(response.status).toBe(200)
    expect(decodeToken(pairOf(response).access_token).payload['iss']).toBe(origin)
  })
})

describe('where PUBLIC_URL is this machine', () => {
  test.each(['http://localhost:8787', 'http://127.0.0.1:8787', 'http://localhost:9999', 'http://auth.localhost'])(
    '%s is served under the issuer that was set',
    async (origin) => {
      const response = await local.call(`/${crypto.randomUUID()}`, { origin })

      expect(decodeToken(pairOf(response).access_token).payload['iss']).toBe('http://localhost:8787')
    },
  )

  test('another machine is not', async () => {
    expect((await local.call('/refresh', { origin: 'https://auth.example.com' })).status).toBe(421)
  })
})

test('a bare host is the issuer under https, and its cookies are Secure', async () => {
  const response = await deployed.call(`/${crypto.randomUUID()}`, { origin: 'https://auth.example.com', headers: KEY })

  expect(decodeToken(pairOf(response).access_token).payload['iss']).toBe('https://auth.example.com')
  expect(setCookies(response)['access_token']?.attributes).toContain('Secure')
})

describe('the links of a mail', () => {
  test('lead to the PUBLIC_URL of today, whatever was stored with it', async () => {
    const { outcome, mails } = await deliver('https://evil.example', {
      ISSUE_ACCESS: 'off',
      PUBLIC_URL: 'auth.example.com',
    })

    expect(outcome).toEqual(['ack'])
    expect(originsOf(mails)).toEqual(['https://auth.example.com', 'https://auth.example.com'])
  })

  test('lead nowhere without it: the mail waits until it is set', async () => {
    const { id, guid, outcome, mails } = await deliver('https://evil.example', {})

    expect([outcome, mails]).toEqual([['retry'], []])
    expect(logged).toHaveBeenCalledWith({
      event: 'mail_postponed',
      id,
      guid,
      error: 'Error: PUBLIC_URL is missing, and a link must lead nowhere else',
      delaySeconds: 1,
    })
  })

  test('lead to this machine, where that is what was asked', async () => {
    const { outcome, mails } = await deliver('http://localhost:8787', {})

    expect(outcome).toEqual(['ack'])
    expect(originsOf(mails)).toEqual(['http://localhost:8787', 'http://localhost:8787'])
  })
})

/** Delivers a mail that was stored with this origin, as an earlier version or a former address left it. */
async function deliver(origin: string, overrides: Overrides) {
  const { guid } = await createAccount(env.DB)
  const quiet = startWorker({ MAIL_QUEUE: { send: async () => {} } })
  await quiet.call('/refresh', { cookies: pairOf(await quiet.call(`/${guid}`)), ip: ELSEWHERE })
  const id = await env.DB.prepare('SELECT id FROM notifications ORDER BY rowid DESC LIMIT 1').first<string>('id')
  await env.DB.prepare("UPDATE notifications SET facts = json_set(facts, '$.origin', ?) WHERE id = ?")
    .bind(origin, id)
    .run()
  const outcome: string[] = []
  const mails: unknown[] = []
  const settle = (how: string) => () => outcome.push(how)
  const message = {
    id: '1',
    timestamp: new Date(),
    body: { id },
    attempts: 1,
    ack: settle('ack'),
    retry: settle('retry'),
  }
  const batch = { queue: 'tessera-mail', messages: [message], ackAll() {}, retryAll() {} }
  await startWorker({ ...overrides, EMAIL: { send: async (mail: unknown) => mails.push(mail) } }).queue(
    batch as unknown as MessageBatch,
  )
  return { id, guid, outcome, mails }
}

/** Where the links of the plain text lead. */
function originsOf(mails: readonly unknown[]): readonly string[] {
  const { text } = mails[0] as { text: string }
  return text.match(/\S+(?=\/links\/)/g) ?? []
}
