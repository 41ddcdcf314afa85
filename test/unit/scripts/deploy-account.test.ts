/** What `npm run deploy` finds on an account, and what it makes of a refusal: nothing of somebody else is touched. */

import dns from 'node:dns/promises'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { beforeEach, describe, expect, test, vi } from 'vitest'

import { checkDomain, parseDomain, workersDevHost } from '../../../scripts/deploy/address.ts'
import { close } from '../../../scripts/deploy/closing.ts'
import { createCloudflare } from '../../../scripts/deploy/cloudflare.ts'
import { explainApiError, explainWranglerOutput } from '../../../scripts/deploy/explain.ts'
import { accountFile, createFirstAccount, parseGroup } from '../../../scripts/deploy/first-account.ts'
import { keepFile } from '../../../scripts/deploy/kept-file.ts'
import { signIn, waitForAnswer } from '../../../scripts/deploy/origin.ts'
import type { Plan } from '../../../scripts/deploy/plan.ts'
import type { Prompt } from '../../../scripts/deploy/prompt.ts'
import * as questions from '../../../scripts/deploy/questions.ts'
import { createDatabase, ensureQueue, findDatabase } from '../../../scripts/deploy/resources.ts'
import { findWorker } from '../../../scripts/deploy/worker.ts'
import { ACCOUNT, TOKEN } from '../../support/cloudflare-api.ts'
import { api, cloudflare, DASH, lineOf, RIGHTS, startStandIn, typist } from '../../support/stand-in.ts'

/** Hosts that name servers know, of which there are none in a test. */
const resolvable = new Set<string>()

beforeEach(() => {
  vi.spyOn(dns, 'lookup').mockImplementation(async (host) => {
    if (!resolvable.has(host)) throw new Error(`ENOTFOUND ${host}`)
    return { address: '192.0.2.1', family: 4 }
  })
})

const migrations = join(import.meta.dirname, '../../../migrations')

const MIGRATIONS = readdirSync(migrations)
  .filter((name) => name.endsWith('.sql'))
  .toSorted()
  .map((name) => readFileSync(join(migrations, name), 'utf8'))

startStandIn()

function checkAddress() {
  return checkDomain(cloudflare, ACCOUNT, 'auth.example.com', 'tessera')
}

function ensureMailQueue() {
  return ensureQueue(cloudflare, ACCOUNT, 'tessera-mail', 'tessera')
}

function signInOnce() {
  return signIn('https://auth.example.com', { primary_email: 'a@example.com', password: 'x' })
}

describe('a refusal of the API', () => {
  test.each([
    [
      10000,
      `/accounts/${ACCOUNT}/d1/database`,
      `The token lacks a right (10000). Give it Account › D1 › Edit: ${RIGHTS}`,
    ],
    [
      7403,
      `/accounts/${ACCOUNT}/d1/database`,
      `The token lacks a right (7403). Give it Account › D1 › Edit: ${RIGHTS}`,
    ],
    [
      10000,
      `/accounts/${ACCOUNT}/queues`,
      `The token lacks a right (10000). Give it Account › Queues › Edit: ${RIGHTS}`,
    ],
    [
      10000,
      `/accounts/${ACCOUNT}/workers/scripts/x`,
      `The token lacks a right (10000). Give it Account › Workers Scripts › Edit: ${RIGHTS}`,
    ],
    [
      9109,
      '/zones',
      `The token lacks a right (9109). Give it Zone › Zone › Read and Zone › Workers Routes › Edit: ${RIGHTS}`,
    ],
    [
      10000,
      '/accounts',
      `The token lacks a right (10000). Give it Account › Account Settings › Read, or name the account: --account ID: ${RIGHTS}`,
    ],
    [11002, `/accounts/${ACCOUNT}/queues`, `Queues must be switched on once: ${DASH}/workers/queues`],
    [
      100129,
      `/accounts/${ACCOUNT}/queues`,
      `The plan of this account does not include this (100129): Tessera needs Workers Paid, ${DASH}/workers/plans`,
    ],
    [
      7406,
      `/accounts/${ACCOUNT}/d1/database`,
      'The account has as many D1 databases as it may (7406): delete one, or get Workers Paid.',
    ],
    [1, `/accounts/${ACCOUNT}/queues`, 'Cloudflare refused /queues: said so (1).'],
  ])('%i at %s', (code, path, line) => {
    expect(explainApiError(code, path, 'said so')).toBe(line)
  })

  test('is recognised in what wrangler prints, in colours', () => {
    const output = `\u001B[31m✘ \u001B[41;31m[\u001B[41;97mERROR\u001B[41;31m]\u001B[0m \u001B[1mA request to the Cloudflare API (/accounts/${ACCOUNT}/queues) failed.\u001B[0m\n\n  Queues are unavailable on\n  the free plan. [code: 100129]\n`
    expect(explainWranglerOutput(output)).toContain('(100129): Tessera needs Workers Paid')
    expect(explainWranglerOutput('✘ [ERROR] Build failed')).toBeNull()
  })

  test('is told apart from an API that cannot be reached, or says nothing that can be read', async () => {
    vi.stubEnv('CLOUDFLARE_API_BASE_URL', 'http://127.0.0.1:1')
    const line = await lineOf(findWorker(createCloudflare({ type: 'oauth', token: TOKEN }), ACCOUNT, 'tessera'))
    expect(line).toMatch(/^Cloudflare's API cannot be reached: .+\.$/)
    vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response('<html>', { status: 502 }))
    const silent = await lineOf(findWorker(cloudflare, ACCOUNT, 'tessera'))
    expect(silent).toBe("Cloudflare's API is out of order (502). Try again: it goes on from here.")
  })
})

describe('a domain', () => {
  test.each(['auth.example.com', ' https://Auth.Example.com/ '])('may be pasted as %s', (text) => {
    expect(parseDomain(text)).toBe('auth.example.com')
  })

  test.each([
    'localhost',
    'auth.example.com/path',
    'auth_.example.com',
    '-a.example.com',
    '192.0.2.1',
    'a..example.com',
  ])('is none: %s', (text) => {
    expect(() => parseDomain(text)).toThrow(`${text} is no domain: auth.example.com is one.`)
  })

  test('is refused where the account cannot serve it, or serves something else there', async () => {
    expect(await checkAddress()).toBe('free')
    api.domains.set('auth.example.com', 'tessera')
    expect(await checkAddress()).toBe('attached')
    api.domains.set('auth.example.com', 'shop')
    expect(await lineOf(checkAddress())).toBe(
      'auth.example.com belongs to the Worker shop: take it away there, or choose another domain.',
    )
    api.zones.splice(0, 1, { id: 'zone-1', name: 'example.com', status: 'pending' })
    expect(await lineOf(checkAddress())).toBe(
      'example.com is not active yet (pending): point its name servers to Cloudflare first.',
    )
    api.zones.splice(0)
    expect(await lineOf(checkAddress())).toBe(
      `auth.example.com is on no domain of this account: add that at ${DASH}/add-site, or answer workers.dev.`,
    )
  })

  test('that points somewhere already is taken over only by somebody who says so', async () => {
    resolvable.add('www.example.com')
    const where = { cloudflare, account: ACCOUNT, name: 'tessera', basePath: '' }
    const ask = (prompt: Prompt | null, replace: boolean) =>
      questions.askAddress(prompt, { domain: 'www.example.com', 'replace-dns': replace }, undefined, where)
    const refusal = 'www.example.com points somewhere already: remove its record, or give --replace-dns.'
    expect(await lineOf(ask(null, false))).toBe(refusal)
    expect(await lineOf(ask(typist(''), false))).toBe(refusal)
    expect(await ask(typist('y'), false)).toEqual({ host: 'www.example.com', isDomain: true, isNew: true })
    expect(await ask(null, true)).toMatchObject({ host: 'www.example.com' })
  })

  test('of an application is shared below a prefix: its record stays, whoever has it', async () => {
    const where = { cloudflare, account: ACCOUNT, name: 'tessera', basePath: '/auth-service' }
    const ask = () => questions.askAddress(null, { domain: 'app.example.com' }, undefined, where)
    const shared = { host: 'app.example.com', isDomain: true, isNew: false }
    resolvable.add('app.example.com')
    api.domains.set('app.example.com', 'shop')
    expect(await ask()).toEqual(shared)
    expect(console.log).not.toHaveBeenCalled()
    resolvable.delete('app.example.com')
    expect(await ask()).toEqual(shared)
    expect(vi.mocked(console.log).mock.calls.flat()).toEqual([
      '  app.example.com points nowhere yet: the application on it needs its record, proxied by Cloudflare.',
    ])
    api.zones.splice(0)
    expect(await lineOf(ask())).toMatch(/^app\.example\.com is on no domain of this account/)
  })

  test('can wait: Cloudflare has an address for every Worker, once its account chose a name', async () => {
    expect(await workersDevHost(cloudflare, ACCOUNT, 'tessera')).toBe('tessera.acme.workers.dev')
    api.subdomain = null
    expect(await lineOf(workersDevHost(cloudflare, ACCOUNT, 'tessera'))).toBe(
      `The account has no workers.dev subdomain yet: choose one at ${DASH}/workers/onboarding, or give a domain.`,
    )
  })
})

describe('what is on the account already', () => {
  test('a Worker of that name is Tessera, or left alone', async () => {
    expect(await findWorker(cloudflare, ACCOUNT, 'tessera')).toBeNull()
    const state = { workersDev: true, previewUrls: true, schedules: [], uploads: 1 }
    api.workers.set('tessera', { ...state, bindings: [] })
    expect(await lineOf(findWorker(cloudflare, ACCOUNT, 'tessera'))).toBe(
      'The account has a Worker tessera that is no Tessera: choose another name, --name.',
    )
    const bindings = [
      { name: 'MAIL_DEAD_LETTERS', type: 'queue', queue_name: 'letters-dead' },
      { name: 'DB', type: 'd1', id: 'id-of-another-name' },
      { name: 'AUTH_SECRET', type: 'secret_text', text: 'unreadable' },
      { name: 'PUBLIC_URL', type: 'plain_text', text: 'https://auth.example.com' },
    ]
    api.workers.set('tessera', { ...state, bindings })
    expect(await findWorker(cloudflare, ACCOUNT, 'tessera')).toEqual({
      secrets: ['AUTH_SECRET'],
      databaseId: 'id-of-another-name',
      queues: { MAIL_DEAD_LETTERS: 'letters-dead' },
      vars: { PUBLIC_URL: 'https://auth.example.com' },
    })
  })

  test('a Worker that a build is for is its own, whatever the dashboard has put there before the first one', async () => {
    const bindings = [{ name: 'AUTH_SECRET', type: 'secret_text', text: 'unreadable' }]
    api.workers.set('auth', { workersDev: true, previewUrls: true, schedules: [], uploads: 1, bindings })
    expect(await findWorker(cloudflare, ACCOUNT, 'auth', true)).toEqual({
      secrets: ['AUTH_SECRET'],
      databaseId: undefined,
      queues: {},
      vars: {},
    })
  })

  test('a database of that name is empty or Tessera, or left alone', async () => {
    await createDatabase(cloudflare, ACCOUNT, 'tessera-2', undefined)
    expect(await findDatabase(cloudflare, ACCOUNT, 'tessera')).toBeNull()
    const id = await createDatabase(cloudflare, ACCOUNT, 'tessera', 'apac')
    const sqlite = api.databases.get(id)?.sqlite
    expect(await findDatabase(cloudflare, ACCOUNT, 'tessera')).toBe(id)
    expect([...api.databases.values()].map(({ location }) => location)).toEqual([undefined, 'apac'])
    sqlite?.exec('CREATE TABLE d1_migrations (id integer)')
    expect(await findDatabase(cloudflare, ACCOUNT, 'tessera')).toBe(id)
    sqlite?.exec('CREATE TABLE users (id integer)')
    expect(await lineOf(findDatabase(cloudflare, ACCOUNT, 'tessera'))).toBe(
      "The account has a database tessera that is not Tessera's: choose another name, --name.",
    )
    sqlite?.exec('CREATE TABLE sessions (sid text)')
    expect(await findDatabase(cloudflare, ACCOUNT, 'tessera')).toBe(id)
  })

  test('an account of that address is found however it was written, and no password of another is kept for it', async () => {
    const databaseId = await createDatabase(cloudflare, ACCOUNT, 'tessera', undefined)
    const sqlite = api.databases.get(databaseId)?.sqlite
    for (const migration of MIGRATIONS) sqlite?.exec(migration)
    sqlite?.exec(
      "INSERT INTO users (guid, primary_email, created_at, updated_at) VALUES ('6f9619ff-8b86-d011-b42d-00c04fc964ff', 'Ada@Example.com', 1, 1)",
    )
    const where = { account: ACCOUNT, databaseId, name: 'never-deployed' }
    expect(await createFirstAccount(cloudflare, where, { email: 'ada@example.com', group: 'user' }, null)).toBe(
      'exists',
    )
    expect(existsSync(accountFile('never-deployed', 'ada@example.com'))).toBe(false)
  })

  test('an account gets the group that it was to have, which has to be one', async () => {
    const databaseId = await createDatabase(cloudflare, ACCOUNT, 'tessera', undefined)
    const sqlite = api.databases.get(databaseId)?.sqlite
    for (const migration of MIGRATIONS) sqlite?.exec(migration)
    const where = { account: ACCOUNT, databaseId, name: 'never-deployed' }
    const group = "\u041a\u0430\u0441\u0441\u0430 'A' \u{1f510}"
    expect(await createFirstAccount(cloudflare, where, { email: 'ada@example.com', group }, 'a good password')).toBe(
      'created',
    )
    expect(sqlite?.prepare('SELECT "group" FROM users').get()).toEqual({ group })

    expect(parseGroup(group)).toBe(group)
    for (const text of ['', 'x'.repeat(33), 'a\nb']) {
      expect(() => parseGroup(text)).toThrow('A group has 1 to 32 characters, and no control characters.')
    }
  })

  test('a queue is used unless another Worker consumes it', async () => {
    expect([await ensureMailQueue(), await ensureMailQueue()]).toEqual([true, false])
    const consumer = { consumer_id: 'c', type: 'worker', settings: {} } as const
    api.queues[0]?.consumers.push({ ...consumer, script: 'tessera' })
    expect(await ensureMailQueue()).toBe(false)
    api.queues[0]?.consumers.splice(0, 1, { ...consumer, script: 'shop' })
    expect(await lineOf(ensureMailQueue())).toBe(
      'The queue tessera-mail is consumed by the Worker shop: choose another name, --name.',
    )
    // That of events is there to be consumed by others.
    expect(await ensureQueue(cloudflare, ACCOUNT, 'tessera-mail', null)).toBe(false)
  })
})

describe('the address', () => {
  test('answers when the Worker says how it is; what anything else says there is not taken for it', async () => {
    const fetched = vi.spyOn(globalThis, 'fetch')
    fetched.mockResolvedValueOnce(Response.json({ status: 'ok', checks: { configuration: 'ok', sender: 'ok' } }))
    expect(await waitForAnswer('https://auth.example.com', 0)).toEqual([])
    const unwell = { configuration: 'not ok', keys: 'unknown', queue: 'ok' }
    fetched.mockResolvedValueOnce(Response.json({ status: 'not ok', checks: unwell }, { status: 503 }))
    expect(await waitForAnswer('https://auth.example.com', 0)).toEqual(['configuration', 'keys'])
    fetched.mockResolvedValueOnce(new Response('There is nothing here yet', { status: 404 }))
    expect(await waitForAnswer('https://auth.example.com', 0)).toBeNull()
    fetched.mockRejectedValueOnce(new TypeError('fetch failed'))
    expect(await waitForAnswer('https://auth.example.com', 0)).toBeNull()
  })

  test('that does not answer in time, or says that it is not well, ends the deploy with what to do', async () => {
    const plan: Partial<Plan> = {
      name: 'live',
      account: ACCOUNT,
      cloudflare,
      template: { name: 'tessera' },
      worker: { secrets: [], databaseId: 'uuid', queues: {}, vars: {} },
      basePath: '/auth-service',
      address: { host: 'auth.example.com', isDomain: true, isNew: false },
      mailFrom: null,
      firstAccount: null,
    }
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    const fetched = vi.spyOn(globalThis, 'fetch')
    fetched.mockResolvedValueOnce(Response.json({ checks: { database: 'not ok', sender: 'not ok' } }, { status: 503 }))
    expect(await lineOf(close(plan as Plan))).toBe('Not well: database. Why: npm run doctor -- --remote --name live')

    vi.useFakeTimers({ toFake: ['setTimeout', 'Date'] })
    fetched.mockImplementation(() => {
      vi.setSystemTime(Date.now() + 60_000)
      return Promise.reject(new TypeError('fetch failed'))
    })
    await close(plan as Plan)
    vi.useRealTimers()
    expect(fetched.mock.lastCall?.[0]).toBe('https://auth.example.com/auth-service/healthz')
    expect(written.mock.lastCall).toEqual(['https://auth.example.com/auth-service does not answer yet\n'])
    expect(vi.mocked(console.log).mock.calls.flat()).toEqual([
      'Mails      have no sender yet, so each is refused and parked: npm run deploy -- --mail-from SENDER',
      "\n  curl -w '\\n' https://auth.example.com/auth-service/healthz\n",
    ])
  })

  test('ends with a line that a shell takes whole, whatever an e-mail address may contain', async () => {
    const firstAccount = 'q&a;b@example.com'
    const plan: Partial<Plan> = {
      name: 'never-deployed',
      template: { name: 'tessera', vars: { MAIL_TRANSPORT: 'api' } },
      worker: null,
      basePath: '',
      address: { host: 'auth.example.com', isDomain: true, isNew: false },
      firstAccount,
      password: null,
    }
    const file = accountFile('never-deployed', firstAccount)
    keepFile(file, { primary_email: firstAccount, password: 'x', guid: 'y' })
    vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    vi.spyOn(globalThis, 'fetch').mockImplementation(() => Promise.resolve(Response.json({ checks: {} })))
    await close(plan as Plan).finally(() => {
      rmSync(dirname(file), { recursive: true })
    })
    const [line = ''] = vi.mocked(console.log).mock.calls.flat() as string[]
    const words = execFileSync('bash', ['-c', line.replace('curl', "printf '%s\\n'")], { encoding: 'utf8' })
    expect(words.trimEnd().split('\n').at(-1)).toBe('@.deploy/never-deployed/q&a;b@example.com.json')
  })

  test('shows by a sign-in whether the plan pays for passwords', async () => {
    const fetched = vi.spyOn(globalThis, 'fetch')
    fetched.mockResolvedValueOnce(Response.json({}))
    expect(await signInOnce()).toBe('works')
    fetched.mockResolvedValueOnce(new Response('{}', { status: 401 }))
    expect(await signInOnce()).toBe('refused')
    fetched.mockResolvedValueOnce(new Response('error code: 1102', { status: 503 }))
    expect(await signInOnce()).toBe('too little CPU')
    fetched.mockRejectedValueOnce(new TypeError('fetch failed'))
    expect(await signInOnce()).toBe('unknown')
  })
})
