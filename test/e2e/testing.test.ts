/** The test kit as the package has it: a real Tessera in a real workerd, asked by its functions and, for what they are worth, by plain requests. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'

import type { Session, Tessera, User } from '../../src/testing/testing.ts'
import type { PackedWorker } from '../../src/testing/serve.ts'
import { SETTINGS } from '../../src/testing/settings.ts'
import { NEWEST_MIGRATION } from '../../src/db/migration-check.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'
import { type PackedKit, packKit } from '../support/packed-kit.ts'

let kit: PackedKit
let tessera: Tessera

beforeAll(async () => {
  kit = await packKit('e2e-testing')
  tessera = await kit.startTessera()
})

afterAll(() => tessera.stop())

afterEach(() => {
  vi.unstubAllEnvs()
})

function post(path: string, body: unknown, at = tessera): Promise<Response> {
  const headers = { 'Content-Type': 'application/json' }
  return fetch(`${at.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

function me(headers: Record<string, string>, at = tessera): Promise<Response> {
  return fetch(`${at.url}/auth/me`, { headers })
}

/** The status of a refresh, and its code. */
async function refresh({ refresh: token }: Pick<Session, 'refresh'>, at = tessera): Promise<string> {
  const answer = await post('/auth/token/refresh', { refresh: token }, at)
  const { code = '' } = (await answer.json()) as { code?: string }
  return `${answer.status} ${code}`.trim()
}

function signIn({ email, password }: User, at = tessera): Promise<Response> {
  return post('/auth/token', { primary_email: email, password }, at)
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
}

describe('a user', () => {
  test('signs in by the password that everybody has', async () => {
    const user = await tessera.createUser()
    expect(user).toMatchObject({ group: 'user', email: expect.stringContaining('@example.com') })
    const answer = await signIn(user)
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({ email: user.email, user_id: user.user_id, group: 'user' }),
    ])
    expect((await signIn({ ...user, password: `${user.password}.` })).status).toBe(401)
  })

  test('signs in by a password of their own', async () => {
    const user = await tessera.createUser({ email: 'Own@Example.com', password: 'eleven quiet moths uphill' })
    expect([user.email, user.password]).toEqual(['own@example.com', 'eleven quiet moths uphill'])
    expect((await signIn(user)).status).toBe(200)
  })

  test('has the guid, the group and the claims that were asked for', async () => {
    const guid = '6f9619ff-8b86-d011-b42d-00c04fc964ff'
    const user = await tessera.createUser({ guid, group: 'admins', claims: { plan: 'gold' } })
    expect([user.guid, user.group]).toEqual([guid, 'admins'])
    const { access } = await tessera.createSession(user)
    expect(claimsOf(access)).toMatchObject({ sub: guid, group: 'admins', plan: 'gold', iss: tessera.url })
  })

  test('is closed, or not confirmed, where that was asked for', async () => {
    const closed = await tessera.createUser({ active: false })
    expect((await signIn(closed)).status).toBe(401)
    await expect(tessera.createSession(closed)).rejects.toThrow('Tessera opens no session: 401')
    expect((await signIn(await tessera.createUser({ confirmed: false }))).status).toBe(401)
  })

  test('may be known by the guid alone', async () => {
    const user = await tessera.createUser({ email: null })
    expect([user.email, user.password]).toEqual(['', ''])
    const { cookieHeader } = await tessera.createSession(user)
    expect(await (await me({ Cookie: cookieHeader })).json()).toMatchObject({ email: null, guid: user.guid })
  })

  test('is refused as Tessera refuses, in its words', async () => {
    const { email } = await tessera.createUser()
    await expect(tessera.createUser({ email })).rejects.toThrow(/makes no user: 409 .*already_exists/)
    await expect(tessera.createUser({ password: 'password' })).rejects.toThrow(/400 .*password_not_accepted/)
  })
})

describe('a session', () => {
  test('is signed in by its cookies and by its access token, and is one session', async () => {
    const user = await tessera.createUser()
    const session = await tessera.createSession(user)
    const byCookie = await me({ Cookie: session.cookieHeader })
    const byToken = await me({ Authorization: `Bearer ${session.access}` })
    expect(await byCookie.json()).toEqual(await byToken.json())
    expect(claimsOf(session.access)['sid']).toBe(session.sid)
    // Either form uses up both.
    expect(await refresh(session)).toBe('200')
    const again = await fetch(`${tessera.url}/refresh`, { headers: { Cookie: session.cookieHeader } })
    expect([again.status, await again.text()]).toEqual([401, 'Token used before'])
  })

  test('has the cookies that Tessera sets, one by one', async () => {
    const user = await tessera.createUser()
    const { cookies } = await tessera.createSession(user)
    const answer = await fetch(`${tessera.url}/auth/session`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ primary_email: user.email, password: user.password }),
    })
    const seconds = Math.floor(Date.now() / 1000)
    const inWords = cookies.map(({ name, path, expires, httpOnly, secure, sameSite }) =>
      [
        `${name}=…`,
        // A second may pass between the two.
        `Max-Age=${Math.round((expires - seconds) / 60) * 60}`,
        `Path=${path}`,
        ...(httpOnly ? ['HttpOnly'] : []),
        ...(secure ? ['Secure'] : []),
        `SameSite=${sameSite}`,
      ].join('; '),
    )
    expect(inWords).toEqual(answer.headers.getSetCookie().map((line) => line.replace(/=[^;]+/, '=…')))
    expect(cookies.map(({ domain }) => domain)).toEqual(['localhost', 'localhost'])
  })

  test('goes on from this machine, unless its client was somewhere else', async () => {
    expect(await refresh(await tessera.createSession())).toBe('200')
    const elsewhere = await tessera.createSession(null, { address: '203.0.113.9' })
    expect(await refresh(elsewhere)).toBe('401 location_blocked')
  })

  test('has the client that was asked for', async () => {
    const { guid, sid } = await tessera.createSession(null, { address: '203.0.113.9', userAgent: 'A browser/1' })
    const headers = { Authorization: `Bearer ${tessera.serviceKey}` }
    const list = await fetch(`${tessera.url}/admin/users/${guid}/sessions`, { headers })
    expect(await list.json()).toMatchObject({ sessions: [{ sid, ip: '203.0.113.9', user_agent: 'A browser/1' }] })
  })
})

describe('a mail', () => {
  test('is the newest one, and its links work', async () => {
    await using open = await kit.startTessera({ settings: { REGISTRATION: 'open' } })
    const email = 'new@example.com'
    await post('/auth/register', { primary_email: email, password: 'eleven quiet moths uphill' }, open)
    const confirm = await open.lastMail('New@example.com')
    expect(confirm).toMatchObject({
      kind: 'confirm_address',
      subject: expect.any(String),
      html: expect.stringContaining('<'),
    })
    const token = new URL(confirm.links['confirm'] ?? '').searchParams.get('token')
    expect((await post('/auth/confirm', { token }, open)).status).toBe(204)
    // What was asked for last is waited for: it is never the mail before.
    await post('/auth/password/forgot', { primary_email: email }, open)
    const { kind, links, text } = await open.lastMail(email)
    expect([kind, links['reset_password']?.startsWith(`${open.url}/links/reset-password?token=`)]).toEqual([
      'reset_password',
      true,
    ])
    expect(text).toContain(links['reset_password'])
  })

  test('that is none is said, with those that there are', async () => {
    const user = await tessera.createUser()
    await tessera.steal(await tessera.createSession(user))
    await tessera.lastMail(user.email)
    const waiting = tessera.lastMail('nobody@example.com', { milliseconds: 50 })
    await expect(waiting).rejects.toThrow(/^no mail to nobody@example\.com is due after 50 ms; there are mails to .+@/)
  })
})

describe('a thief', () => {
  test.each(['address', 'subnet', 'asn', 'country'])('is blocked under %s, where the owner goes on', async (policy) => {
    await using strict = await kit.startTessera({ settings: { LOCATION_POLICY: policy } })
    const user = await strict.createUser()
    const [mine, stolen] = [await strict.createSession(user), await strict.createSession(user)]
    expect(await strict.steal(stolen)).toEqual({ status: 401, code: 'location_blocked' })
    expect(await refresh(stolen, strict)).toBe('401 token_used')
    expect(await refresh(mine, strict)).toBe('200')
    const warning = await strict.lastMail(user.email)
    expect([warning.kind, Object.keys(warning.links)]).toEqual([
      'location_blocked',
      expect.arrayContaining(['end_sessions', 'allow_place']),
    ])
    expect((await fetch(warning.links['end_sessions'] ?? '')).status).toBe(200)
  })

  test.each(['asn', 'country'])('is one in another %s: another address of the same one goes on', async (policy) => {
    await using wide = await kit.startTessera({ settings: { LOCATION_POLICY: policy } })
    const session = await wide.createSession(null, { address: '203.0.113.9' })
    expect(await refresh(session, wide)).toBe('200')
  })

  test('gets in where nothing is compared', async () => {
    await using lax = await kit.startTessera({ settings: { LOCATION_POLICY: 'off' } })
    expect(await lax.steal(await lax.createSession())).toEqual({ status: 200, code: null })
  })
})

describe('travel', () => {
  test('lets an access token expire, then a refresh token, and then a mail be forgotten', async () => {
    await using travelled = await kit.startTessera()
    const user = await travelled.createUser()
    const [short, long] = [await travelled.createSession(user), await travelled.createSession(user)]
    const bearer = { Authorization: `Bearer ${short.access}` }
    await travelled.travel({ seconds: 290 })
    expect((await me(bearer, travelled)).status).toBe(200)
    await travelled.travel({ seconds: 15 })
    expect((await me(bearer, travelled)).status).toBe(401)
    expect(await refresh(short, travelled)).toBe('200')

    await travelled.travel(9.9)
    expect(await refresh(long, travelled)).toBe('200')
    await travelled.steal(await travelled.createSession(user))
    expect((await travelled.lastMail(user.email)).kind).toBe('location_blocked')
    const last = await travelled.createSession(user)
    await travelled.travel(11)
    expect(await refresh(last, travelled)).toBe('401 token_not_valid')
    // The cron trigger deletes what is over.
    await travelled.travel(20)
    await expect(travelled.lastMail(user.email, { milliseconds: 50 })).rejects.toThrow('no mail to')
  })

  test('goes nowhere back, and takes a distance alone', async () => {
    await expect(tessera.travel(-1)).rejects.toThrow('never back')
    await expect(tessera.travel({ seconds: Number.NaN })).rejects.toThrow('never back')
  })
})

describe('settings', () => {
  test('are those of Tessera: a base path, RSA, and what is asked of the Internet, which gets no answer', async () => {
    const settings = { BASE_PATH: '/auth-service', ACCESS_TOKEN_ALG: 'RS256', PASSWORD_CHECK: 'hibp' }
    await using other = await kit.startTessera({ settings })
    expect(new URL(other.url).pathname).toBe('/auth-service')
    const user = await other.createUser({ password: 'eleven quiet moths uphill' })
    const { cookies, cookieHeader, access } = await other.createSession(user)
    expect(cookies.map(({ path }) => path)).toEqual(['/', '/auth-service/refresh'])
    expect((await me({ Cookie: cookieHeader }, other)).status).toBe(200)
    expect(JSON.parse(Buffer.from(access.split('.')[0] ?? '', 'base64url').toString())).toMatchObject({ alg: 'RS256' })
    expect((await other.steal(await other.createSession(user))).code).toBe('location_blocked')
  })

  test('that Tessera refuses are refused in its words, and nothing is left running', async () => {
    const before = workerds()
    const starting = kit.startTessera({ settings: { LOCATION_POLICY: 'cuntry' } })
    await expect(starting).rejects.toThrow(/^Tessera does not start. Configuration: LOCATION_POLICY /)
    const misspelt = { LOCATION_POLICI: 'country' } as Record<string, string>
    await expect(kit.startTessera({ settings: misspelt })).rejects.toThrow('Tessera has no setting LOCATION_POLICI')
    expect(workerds()).toEqual(before)
  })
})

describe('beside a real secret', () => {
  test('nothing starts, and the reason names it, not its value', async () => {
    vi.stubEnv('AUTH_SECRET', TEST_BINDINGS.AUTH_SECRET)
    const error: unknown = await kit.startTessera().catch((reason: unknown) => reason)
    expect(String(error)).toContain('AUTH_SECRET is set: every key of a deployment derives from it')
    expect(String(error)).not.toContain(TEST_BINDINGS.AUTH_SECRET)
  })

  test('it starts beside the service key of another one of the kit, which the application has', async () => {
    vi.stubEnv('SERVICE_KEY', tessera.serviceKey)
    await (await kit.startTessera()).stop()
  })

  test.each([
    [
      'AUTH_SECRET is real',
      { AUTH_SECRET: TEST_BINDINGS.AUTH_SECRET },
      {},
      'AUTH_SECRET is none that the kit has made',
    ],
    ['AUTH_SECRET is missing', { AUTH_SECRET: '' }, {}, 'AUTH_SECRET is none that the kit has made'],
    ['SERVICE_KEY is real', { SERVICE_KEY: TEST_BINDINGS.SERVICE_KEY }, {}, 'SERVICE_KEY is set'],
    ['it was deployed', {}, { 'CF-Ray': '8f1' }, 'it was deployed'],
  ])('its Worker answers nothing where %s', async (_what, secrets, headers, reason) => {
    const testSecret = tessera.serviceKey
    const worker = await startWorker({ AUTH_SECRET: testSecret, SERVICE_KEY: '', ...secrets })
    try {
      const control = { 'Tessera-Testing-Key': 'key' }
      for (const path of ['/healthz', '/', `/${crypto.randomUUID()}`, '/testing']) {
        const method = path === '/testing' ? 'POST' : 'GET'
        const answer = await worker.dispatchFetch(`http://localhost${path}`, {
          method,
          headers: { ...headers, ...control },
        })
        expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining(reason)])
      }
    } finally {
      await worker.dispose()
    }
  })
})

/** What the package says of its Worker. */
function readPacked(): PackedWorker {
  return JSON.parse(readFileSync(join(kit.folder, 'testing/worker.json'), 'utf8')) as PackedWorker
}

/** The Worker of the package, with bindings that the kit would not give it. */
async function startWorker(secrets: Readonly<Record<string, string>>): Promise<Miniflare> {
  const folder = join(kit.folder, 'testing')
  const { options, migrations } = readPacked()
  const names = execFileSync('ls', [join(folder, 'worker')], { encoding: 'utf8' })
    .trim()
    .split('\n')
  const types: Record<string, 'ESModule' | 'CompiledWasm' | 'Data'> = { js: 'ESModule', wasm: 'CompiledWasm' }
  const bindings = { ...options.bindings, ...secrets, TESTING: { controlKey: 'key', migrations } as never }
  return new Miniflare(
    convertV4MiniflareOptions({
      ...(options as object),
      name: 'deployed',
      bindings,
      modules: ['index.js', ...names.filter((name) => name !== 'index.js')].map((name) => {
        return { type: types[name.split('.').at(-1) ?? ''] ?? 'Data', path: join(folder, 'worker', name) }
      }),
      modulesRoot: join(folder, 'worker'),
      cf: false,
      telemetry: { enabled: false },
    }),
  )
}

describe('nobody else', () => {
  test('moves its clock: without the key of its process, the path is one of those that take no POST', async () => {
    const headers = { 'Content-Type': 'application/json' }
    const body = JSON.stringify({ travelSeconds: 86_400 })
    for (const key of [undefined, '', crypto.randomUUID(), tessera.serviceKey]) {
      const sent = key === undefined ? headers : { ...headers, 'Tessera-Testing-Key': key }
      const answer = await fetch(`${tessera.url}/testing`, { method: 'POST', headers: sent, body })
      expect([answer.status, await answer.json()]).toEqual([
        405,
        expect.objectContaining({ code: 'method_not_allowed' }),
      ])
    }
    const { access } = await tessera.createSession()
    expect(Number(claimsOf(access)['iat'])).toBeLessThan(Date.now() / 1000 + 60)
  })

  // On Linux the whole of 127.0.0.0/8 is this machine, so that another address of it stands for one of the network.
  test.runIf(process.platform === 'linux')('reaches it by another address of this machine', async () => {
    await expect(fetch(tessera.url.replace('localhost', '127.0.0.2'))).rejects.toThrow('fetch failed')
  })

  test('finds a secret in what is packed: .dev.vars stays where it is', () => {
    const { options } = readPacked()
    expect(Object.keys(options.bindings).filter((name) => !SETTINGS.some((one) => one === name))).toEqual([
      'MAIL_TRANSPORT',
    ])
  })
})

test('what is bound is what wrangler.toml binds, but for rate limits: all of a test comes from one address', () => {
  const { options, migrations } = readPacked()
  expect(options).toMatchObject({
    d1Databases: { DB: expect.anything() },
    queueProducers: { MAIL_QUEUE: expect.anything(), MAIL_DEAD_LETTERS: expect.anything() },
    queueConsumers: {
      'tessera-mail': { deadLetterQueue: 'tessera-mail-dead' },
      'tessera-mail-dead': expect.anything(),
    },
  })
  expect(options).not.toHaveProperty('ratelimits')
  expect(migrations.at(-1)?.name).toBe(NEWEST_MIGRATION)
})

describe('several', () => {
  test('run beside each other, and know nothing of each other', async () => {
    const others = await Promise.all([1, 2].map(() => kit.startTessera()))
    const [first, second] = others
    const user = await first?.createUser()
    expect(new Set([tessera, ...others].map(({ url }) => url)).size).toBe(3)
    const session = await first?.createSession(user)
    const bearer = { Authorization: `Bearer ${session?.access}` }
    expect([(await me(bearer, first)).status, (await me(bearer, second)).status]).toEqual([200, 401])
    await Promise.all(others.map(({ stop }) => stop()))
    expect((await me(bearer)).status).toBe(401)
  })

  test('take the port that they are given, and say that it is taken', async () => {
    const port = Number(new URL(tessera.url).port)
    await expect(kit.startTessera({ port })).rejects.toThrow()
    expect((await me({})).status).toBe(401)
  })
})

describe('the end', () => {
  test('leaves no process behind', async () => {
    const before = workerds()
    const ended = await kit.startTessera()
    expect(workerds()).toHaveLength(before.length + 1)
    await ended.stop()
    await expect.poll(() => workerds(), { timeout: 5000 }).toEqual(before)
    await expect(fetch(ended.url)).rejects.toThrow()
  })

  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'comes with that of the process that started it, by %s',
    async (signal) => {
      const script = `const { startTessera } = await import(${JSON.stringify(join(kit.folder, 'testing.js'))})
      console.log((await startTessera()).url)
      setInterval(() => {}, 1000)`
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const [url] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
      expect((await fetch(`${url.trim()}/healthz`)).status).toBe(200)
      const [workerd] = workerds(child.pid)
      expect(workerd).toBeDefined()
      child.kill(signal)
      await once(child, 'exit')
      const isAlive = () =>
        fetch(`${url.trim()}/healthz`).then(
          () => true,
          () => false,
        )
      await expect.poll(isAlive, { timeout: 10_000 }).toBe(false)
    },
  )
})

/** The workerds that a process started. */
function workerds(parent = process.pid): readonly string[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,ppid=,comm='], { encoding: 'utf8' }).trim().split('\n')
  return lines
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([pid = '', ppid, name]) => (Number(ppid) === parent && name === 'workerd' ? [pid] : []))
}
