/** The parts of `npm run deploy`: how an answer is read, what Cloudflare's refusals are told as, what is configured and kept. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { checkDomain, parseDomain, workersDevHost } from '../../../scripts/deploy/address.ts'
import { close } from '../../../scripts/deploy/closing.ts'
import { type Cloudflare, createCloudflare, explain } from '../../../scripts/deploy/cloudflare.ts'
import { checkConfiguration, configure, resourceNames, type Template } from '../../../scripts/deploy/configuration.ts'
import { explainApiError, explainWranglerOutput } from '../../../scripts/deploy/explain.ts'
import { accountFile, createFirstAccount, parseEmail } from '../../../scripts/deploy/first-account.ts'
import { keepFile, readKept } from '../../../scripts/deploy/kept-file.ts'
import { readOptions } from '../../../scripts/deploy/options.ts'
import { signIn, waitForAnswer } from '../../../scripts/deploy/origin.ts'
import type { Plan } from '../../../scripts/deploy/plan.ts'
import type { Prompt } from '../../../scripts/deploy/prompt.ts'
import * as questions from '../../../scripts/deploy/questions.ts'
import { createDatabase, ensureQueue, findDatabase } from '../../../scripts/deploy/resources.ts'
import { findSecrets, fingerprint, secretsFile } from '../../../scripts/deploy/secrets.ts'
import { parseSender, senderWarning } from '../../../scripts/deploy/sender.ts'
import type { Settings } from '../../../scripts/deploy/settings.ts'
import { findWorker } from '../../../scripts/deploy/worker.ts'
import { ACCOUNT, type CloudflareApi, startCloudflareApi, TOKEN } from '../../support/cloudflare-api.ts'

/** Hosts that name servers know, of which there are none in a test. */
const resolvable = new Set<string>()
vi.mock('node:dns/promises', () => ({
  lookup: (host: string) =>
    resolvable.has(host) ? Promise.resolve({ address: '192.0.2.1' }) : Promise.reject(new Error(`ENOTFOUND ${host}`)),
}))

const migrations = join(import.meta.dirname, '../../../migrations')
const MIGRATIONS = readdirSync(migrations)
  .filter((name) => name.endsWith('.sql'))
  .toSorted()
  .map((name) => readFileSync(join(migrations, name), 'utf8'))

let api: CloudflareApi
let cloudflare: Cloudflare

beforeEach(async () => {
  api = await startCloudflareApi()
  vi.stubEnv('CLOUDFLARE_API_BASE_URL', api.url)
  vi.stubEnv('CLOUDFLARE_ACCOUNT_ID', undefined)
  vi.spyOn(console, 'log').mockReturnValue(undefined)
  cloudflare = createCloudflare({ type: 'api_token', token: TOKEN })
})

afterEach(async () => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  await api.close()
})

/** The line that somebody reads whose deploy ended in this. */
async function lineOf(promise: unknown): Promise<string | null> {
  try {
    await promise
  } catch (error) {
    return explain(error)
  }
  return 'nothing was refused'
}

/** Types the answers, one a question, and remembers what was asked. */
function typist(...answers: string[]): Prompt & { readonly asked: string[] } {
  const asked: string[] = []
  const ask = (question: string) => {
    asked.push(question)
    const answer = answers.shift()
    return answer === undefined ? Promise.reject(new Error(`nobody answers ${question}`)) : Promise.resolve(answer)
  }
  return { ask, askHidden: ask, asked }
}

/** The lines that were printed since they were last asked for. */
function said(): unknown[] {
  return vi.mocked(console.log).mock.calls.splice(0).flat()
}

function checkAddress() {
  return checkDomain(cloudflare, ACCOUNT, 'auth.example.com', 'tessera')
}

function ensureMailQueue() {
  return ensureQueue(cloudflare, ACCOUNT, 'tessera-mail', 'tessera')
}

function askAccount(prompt: Prompt | null, options = {}, settings = {}) {
  return questions.askAccount(prompt, options, settings, cloudflare)
}

function signInOnce() {
  return signIn('https://auth.example.com', { primary_email: 'a@example.com', password: 'x' })
}

const RIGHTS = 'https://dash.cloudflare.com/profile/api-tokens'
const DASH = `https://dash.cloudflare.com/${ACCOUNT}`

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
    const where = { cloudflare, account: ACCOUNT, name: 'tessera' }
    const ask = (prompt: Prompt | null, replace: boolean) =>
      questions.askAddress(prompt, { domain: 'www.example.com', 'replace-dns': replace }, undefined, where)
    const refusal = 'www.example.com points somewhere already: remove its record, or give --replace-dns.'
    expect(await lineOf(ask(null, false))).toBe(refusal)
    expect(await lineOf(ask(typist(''), false))).toBe(refusal)
    expect(await ask(typist('y'), false)).toEqual({ host: 'www.example.com', isDomain: true, isNew: true })
    expect(await ask(null, true)).toMatchObject({ host: 'www.example.com' })
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
    expect(await createFirstAccount(cloudflare, where, 'ada@example.com', null)).toBe('exists')
    expect(existsSync(accountFile('never-deployed', 'ada@example.com'))).toBe(false)
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
  })
})

describe('a question', () => {
  test('is answered by its flag, by an earlier run, or at the terminal; without any of them the flag is named', async () => {
    expect(await questions.askLocation(null, { location: 'oc' }, 'weur')).toBe('oc')
    expect(await questions.askLocation(null, {}, 'weur')).toBe('weur')
    expect(await questions.askLocation(typist('3'), {}, undefined)).toBe('weur')
    expect(await questions.askLocation(typist('apac'), {}, undefined)).toBe('apac')
    const none =
      'Nobody to ask here: give --location wnam|enam|weur|eeur|apac|oc, where the database shall stand for good.'
    expect(await lineOf(questions.askLocation(null, {}, undefined))).toBe(none)
  })

  test('is asked again until the answer will do; a flag that will not do ends the run', async () => {
    const prompt = typist('', 'mars', '9', '6')
    expect(await questions.askLocation(prompt, {}, undefined)).toBe('oc')
    expect(prompt.asked).toHaveLength(4)
    expect(vi.mocked(console.log).mock.calls.flat()).toContain(
      '  mars is no location: wnam, enam, weur, eeur, apac, oc.',
    )
    expect(await lineOf(questions.askLocation(prompt, { location: 'mars' }, undefined))).toBe(
      'mars is no location: wnam, enam, weur, eeur, apac, oc.',
    )
  })

  test('about the name proposes the one that is known, and lets choose among several', async () => {
    expect(await questions.askName(typist(''), {}, [], 'tessera')).toBe('tessera')
    expect(await questions.askName(null, {}, ['staging'], 'tessera')).toBe('staging')
    expect(await questions.askName(typist('live'), {}, ['staging', 'live'], 'tessera')).toBe('live')
    expect(await lineOf(questions.askName(null, {}, [], 'tessera'))).toBe('Nobody to ask here: give --name NAME.')
    for (const name of ['Tessera', 'a_b', '-a', 'a-', '../x', 'a'.repeat(51)]) {
      expect(await lineOf(questions.askName(null, { name }, [], 'tessera'))).toContain(`${name} is no name of a Worker`)
    }
  })

  test('about the account comes only where there are several, and a deployment stays where it lives', async () => {
    expect(await askAccount(null)).toBe(ACCOUNT)
    api.accounts.push({ id: 'another', name: 'Other' })
    expect(await askAccount(typist('3', '2'))).toBe('another')
    expect(await lineOf(askAccount(null))).toBe('Nobody to ask here: give --account ID, since you have several.')
    expect(await askAccount(null, {}, { account: 'kept' })).toBe('kept')
    expect(await lineOf(askAccount(null, { account: 'other' }, { account: 'kept' }))).toBe(
      'This deployment lives in the account kept, not in other: choose another --name there.',
    )
    api.accounts.splice(0)
    expect(await lineOf(askAccount(null))).toBe('The token may see no account: give --account ID.')
  })

  test('about mails and accounts may be left for later', async () => {
    expect(await questions.askSender(typist(''), {}, {})).toBeNull()
    expect(await questions.askSender(null, {}, { kept: null })).toBeNull()
    expect(await questions.askSender(typist('nonsense', 'Acme <a@example.com>'), {}, {})).toBe('Acme <a@example.com>')
    expect(await lineOf(questions.askSender(null, {}, {}))).toContain('give --mail-from SENDER, or --mail-from later.')
    expect(await questions.askFirstAccount(null, {}, undefined)).toBeNull()
    expect(await questions.askFirstAccount(typist(''), {}, undefined)).toBeNull()
    expect(await questions.askFirstAccount(null, { 'first-account': ' Ada@Example.com' }, null)).toBe('ada@example.com')
  })

  test('about a sender is answered by wrangler.toml as well, and an earlier answer that goes before that is said', async () => {
    const [written, kept, deployed] = ['w@example.com', 'k@example.com', 'd@example.com']
    expect(await questions.askSender(null, {}, { written })).toBe(written)
    expect(await questions.askSender(null, {}, { written, kept: null })).toBe(written)
    expect(await questions.askSender(null, {}, { written, kept: written, deployed })).toBe(written)
    expect(await questions.askSender(null, { 'mail-from': kept }, { written, deployed })).toBe(kept)
    expect(said()).toEqual([])

    expect(await questions.askSender(null, {}, { written, kept, deployed })).toBe(kept)
    expect(await questions.askSender(null, {}, { written, kept: null, deployed })).toBe(deployed)
    const line = (sender: string) =>
      `Mails come from ${sender} as before, not from ${written} as in wrangler.toml: --mail-from changes that.`
    expect(said()).toEqual([line(kept), line(deployed)])

    // A build of what was pushed has no earlier answers, and nobody who gives one.
    expect(await questions.askSender(null, {}, { written, deployed }, true)).toBe(written)
    expect(await questions.askSender(null, {}, { deployed }, true)).toBe(deployed)
    expect(await questions.askSender(null, {}, {}, true)).toBeNull()
    expect(await questions.askSender(null, { 'mail-from': kept }, { written }, true)).toBe(kept)
    expect(said()).toEqual([])
  })

  test('about a password takes what is long enough, to the letter, and typed twice alike, or makes one up', async () => {
    const word = ' twelve chars '
    const prompt = typist('short', word, 'twelve chars', word, '', word, word)
    expect(await questions.askPassword(prompt)).toBe(word)
    const [question, again] = ['Its password (made up and kept in .deploy): ', 'Once more: ']
    expect(prompt.asked).toEqual([question, question, again, question, again, question, again])
    expect(vi.mocked(console.log).mock.calls.flat()).toEqual([
      '  At least 12 characters, please.',
      '  These two differ.',
      '  These two differ.',
    ])
    expect(await questions.askPassword(typist(''))).toBeNull()
    expect(await questions.askPassword(null)).toBeNull()
  })
})

describe('an answer', () => {
  test('an e-mail address is kept as accounts have it, and can be the name of a file', () => {
    expect(parseEmail(' First@Example.COM ')).toBe('first@example.com')
    for (const text of ['first', 'a@b', '../a@example.com', "a'b@example.com", 'a b@example.com']) {
      expect(() => parseEmail(text)).toThrow(`${text} is no e-mail address.`)
    }
  })

  test('a sender is an address, or a name and an address', () => {
    expect(parseSender('Tessera <auth@example.com>')).toBe('Tessera <auth@example.com>')
    expect(parseSender('auth@example.com')).toBe('auth@example.com')
    for (const text of ['Tessera', 'Tessera <auth>', 'a@example.com\nBcc: b@example.com', '<a@example.com>']) {
      expect(() => parseSender(text)).toThrow('is no sender')
    }
  })

  test('flags that do not exist are one line', () => {
    expect(() => readOptions(['--nmae', 'x'])).toThrow("Unknown option '--nmae'. The flags: npm run deploy -- --help")
    expect(() => readOptions(['x'])).toThrow(/^Unexpected argument 'x'.+The flags: npm run deploy -- --help$/)
    expect(readOptions(['--help'])).toBeNull()
    expect(readOptions(['--name', 'x', '--replace-dns'])).toEqual({ name: 'x', 'replace-dns': true })
  })
})

describe('a sender', () => {
  test('is warned about when its domain is not onboarded, or not on the account', async () => {
    expect(await senderWarning(cloudflare, ACCOUNT, 'Tessera <auth@example.com>')).toBeNull()
    expect(await senderWarning(cloudflare, ACCOUNT, 'auth@mail.example.com')).toBe(
      'mail.example.com is not onboarded to Email Service: npx wrangler email sending enable mail.example.com, or set MAIL_TRANSPORT=api. Until then each mail is refused and parked.',
    )
    expect(await senderWarning(cloudflare, ACCOUNT, 'auth@example.org')).toContain(
      'example.org is on no domain of this account',
    )
  })

  test('is not warned about by a token that may not look', async () => {
    api.refuse = () => ({ status: 403, code: 10000, message: 'Authentication error' })
    expect(await senderWarning(cloudflare, ACCOUNT, 'auth@example.com')).toBeNull()
  })
})

describe('the configuration of a deployment', () => {
  const template: Template = {
    name: 'tessera',
    main: 'src/index.ts',
    vars: { ISSUE_ACCESS: 'service' },
    d1_databases: [{ binding: 'DB', database_name: 'tessera', migrations_dir: 'migrations' }],
    queues: {
      producers: [
        { binding: 'MAIL_QUEUE', queue: 'tessera-mail' },
        { binding: 'MAIL_DEAD_LETTERS', queue: 'tessera-mail-dead' },
      ],
      consumers: [{ queue: 'tessera-mail', dead_letter_queue: 'tessera-mail-dead' }, { queue: 'tessera-mail-dead' }],
    },
    workers_dev: false,
  }
  const worker = { secrets: [], databaseId: 'd', vars: {} }
  const base = { name: 'live', account: ACCOUNT, databaseId: 'uuid', mailFrom: null }

  test('is named after it all through, and lies where wrangler finds everything', () => {
    const resources = resourceNames(template, 'live', null)
    expect(resources).toEqual({ database: 'live', queue: 'live-mail', deadLetters: 'live-mail-dead' })
    const address = { host: 'auth.example.com', isDomain: true }
    expect(configure(template, { ...base, resources, address, mailFrom: 'a@example.com' })).toEqual({
      name: 'live',
      account_id: ACCOUNT,
      main: '../../src/index.ts',
      vars: { ISSUE_ACCESS: 'service', PUBLIC_URL: 'https://auth.example.com', MAIL_FROM: 'a@example.com' },
      d1_databases: [{ binding: 'DB', database_name: 'live', database_id: 'uuid', migrations_dir: '../../migrations' }],
      queues: {
        producers: [
          { binding: 'MAIL_QUEUE', queue: 'live-mail' },
          { binding: 'MAIL_DEAD_LETTERS', queue: 'live-mail-dead' },
        ],
        consumers: [{ queue: 'live-mail', dead_letter_queue: 'live-mail-dead' }, { queue: 'live-mail-dead' }],
      },
      routes: [{ pattern: 'auth.example.com', custom_domain: true }],
      workers_dev: false,
      preview_urls: false,
    })
  })

  test('is reachable on workers.dev only where it has no domain, and left alone where nobody says', () => {
    const resources = resourceNames(template, 'live', null)
    const address = { host: 'live.acme.workers.dev', isDomain: false }
    expect(configure(template, { ...base, resources, address })).toMatchObject({
      vars: { PUBLIC_URL: 'https://live.acme.workers.dev' },
      routes: [],
      workers_dev: true,
      preview_urls: false,
    })
    const left = configure(template, { ...base, resources, address: null })
    expect(left).toMatchObject({ vars: { ISSUE_ACCESS: 'service' }, workers_dev: false })
    expect(Object.keys(left)).not.toContain('routes')
  })

  test('keeps the queues that a Worker has', () => {
    const queues = { MAIL_QUEUE: 'mails', MAIL_DEAD_LETTERS: 'mails-dead' }
    expect(resourceNames(template, 'live', { ...worker, queues })).toEqual({
      database: 'live',
      queue: 'mails',
      deadLetters: 'mails-dead',
    })
  })

  test('has the names that wrangler.toml has, whatever they are, where that is written for it', () => {
    // As the form of the Deploy button leaves it.
    const filled: Template = {
      ...template,
      name: 'auth',
      d1_databases: [{ binding: 'DB', database_name: 'people', database_id: 'made-by-the-form' }],
    }
    const names = { queue: 'tessera-mail', deadLetters: 'tessera-mail-dead' }
    expect(resourceNames(filled, 'auth', null)).toEqual({
      database: 'people',
      databaseId: 'made-by-the-form',
      ...names,
    })
    // A second deployment of the same copy shares nothing with it.
    expect(resourceNames(filled, 'staging', null)).toEqual({
      database: 'staging-people',
      queue: 'staging-tessera-mail',
      deadLetters: 'staging-tessera-mail-dead',
    })
  })

  test('is read before it is deployed, as the Worker will read it', () => {
    const address = { host: 'auth.example.com', isDomain: true }
    expect(() => {
      checkConfiguration(template, { address, mailFrom: null }, null, null)
    }).not.toThrow()
    expect(() => {
      checkConfiguration(template, { address, mailFrom: null }, null, { AUTH_SECRET: 'short' })
    }).toThrow(/^Configuration: AUTH_SECRET needs at least 43 characters/)
  })
})

describe('the secrets of a deployment', () => {
  const name = 'never-deployed'
  const file = secretsFile(name)
  const shown = `.deploy/${name}/secrets.json`
  const CI = { CI: 'true' }
  const [A, B, C] = ['a', 'b', 'c'].map((letter) => letter.repeat(43)) as [string, string, string]
  const find = (deployed: readonly string[], env: NodeJS.ProcessEnv | object, settings: Settings = {}) =>
    findSecrets(name, deployed, settings, env as NodeJS.ProcessEnv)
  const BOTH = ['AUTH_SECRET', 'SERVICE_KEY']

  afterEach(() => {
    rmSync(dirname(file), { recursive: true, force: true })
  })

  test('are made once, at a terminal, whatever its environment has, and go up until they were', () => {
    const made = find([], { AUTH_SECRET: A })
    expect(made).toMatchObject({ uploads: true, said: `made, in ${shown}` })
    expect(readKept(file)).toEqual(made.secrets)
    expect(made.secrets?.AUTH_SECRET).toMatch(/^[A-Za-z0-9+/]{43}=$/)
    expect(find([], {})).toEqual({ ...made, said: shown })
    const uploadedSecrets = fingerprint(made.secrets ?? {})
    expect(find(BOTH, { AUTH_SECRET: A }, { uploadedSecrets })).toEqual({ ...made, uploads: false, said: shown })
    // One of them was deleted in the dashboard.
    expect(find(['AUTH_SECRET'], {}, { uploadedSecrets }).uploads).toBe(true)
    keepFile(file, { ...made.secrets, AUTH_SECRET: B })
    expect(find(BOTH, {}, { uploadedSecrets }).uploads).toBe(true)
  })

  test('that another machine made stay, but for those that this one was told', () => {
    const unknown = { secrets: null, uploads: false, said: 'kept as deployed; this machine does not know them' }
    expect(find(BOTH, {})).toEqual(unknown)
    expect(find(BOTH, CI)).toEqual(unknown)
    keepFile(file, { SERVICE_KEY: C })
    expect(find(BOTH, {})).toEqual({ secrets: { SERVICE_KEY: C }, uploads: true, said: shown })
    // Where none is deployed, the other one is made.
    expect(find([], {}).secrets).toEqual({ AUTH_SECRET: expect.any(String) as string, SERVICE_KEY: C })
  })

  test('of the environment of a CI go up at each deploy, in front of what is deployed or kept', () => {
    keepFile(file, { AUTH_SECRET: A, SERVICE_KEY: C })
    const uploadedSecrets = fingerprint({ AUTH_SECRET: A, SERVICE_KEY: C })
    expect(find(BOTH, { ...CI, AUTH_SECRET: B }, { uploadedSecrets })).toEqual({
      secrets: { AUTH_SECRET: B, SERVICE_KEY: C },
      uploads: true,
      said: 'AUTH_SECRET from the environment',
    })
    rmSync(file)
    // Somebody may have changed it in the dashboard; nobody can see that.
    expect(find(BOTH, { ...CI, SERVICE_KEY: C, MAIL_API_KEY: 'm' })).toEqual({
      secrets: { SERVICE_KEY: C, MAIL_API_KEY: 'm' },
      uploads: true,
      said: 'SERVICE_KEY and MAIL_API_KEY from the environment',
    })
    rmSync(file)
    expect(find([], { ...CI, SERVICE_KEY: C }).said).toBe(
      'SERVICE_KEY from the environment; until AUTH_SECRET is set, Tessera answers 500',
    )
  })

  test('that are empty in a CI, where its own secret is not set, are none; an empty previous one is taken back', () => {
    const empty = { ...CI, AUTH_SECRET: '', SERVICE_KEY: '', AUTH_SECRET_PREVIOUS: '' }
    expect(find([], empty)).toEqual({
      secrets: null,
      uploads: false,
      said: 'none: until AUTH_SECRET is set, Tessera answers 500',
    })
    expect(find([...BOTH, 'AUTH_SECRET_PREVIOUS'], empty).secrets).toEqual({ AUTH_SECRET_PREVIOUS: '' })
    rmSync(file)
    expect(find(BOTH, { ...CI, AUTH_SECRET_PREVIOUS: `${B},${A}` }).secrets).toEqual({
      AUTH_SECRET_PREVIOUS: `${B},${A}`,
    })
  })

  test('that the dashboard has are its own to change where Cloudflare builds', () => {
    const build = { ...CI, WORKERS_CI: '1', AUTH_SECRET: B }
    expect(find(BOTH, build).secrets).toBeNull()
    expect(find([], build)).toMatchObject({ secrets: { AUTH_SECRET: B }, uploads: true })
  })
})

describe('a kept file', () => {
  let folder: string
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'tessera-kept-'))))
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  test('is whole, for its owner alone, and leaves nothing beside it', () => {
    const path = join(folder, 'deep/secrets.json')
    keepFile(path, { a: 1 })
    writeFileSync(`${path}.new`, 'half', { mode: 0o644 })
    keepFile(path, { a: 2 })
    expect(readKept(path)).toEqual({ a: 2 })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(folder, 'deep'))).toEqual(['secrets.json'])
    expect(readFileSync(path, 'utf8')).toBe('{\n  "a": 2\n}\n')
  })

  test('that is none, or broken, is told apart, and never quoted', () => {
    expect(readKept(join(folder, 'none.json'))).toBeNull()
    const path = join(folder, 'broken.json')
    writeFileSync(path, '{"AUTH_SECRET": "so secret')
    expect(() => readKept(path)).toThrow(`${path} is no JSON: mend it, or move it away.`)
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
    expect(written.mock.lastCall).toEqual(['https://auth.example.com does not answer yet\n'])
    expect(vi.mocked(console.log).mock.calls.flat()).toEqual([
      'Mails      have no sender yet, so each is refused and parked: npm run deploy -- --mail-from SENDER',
      "\n  curl -w '\\n' https://auth.example.com/healthz\n",
    ])
  })

  test('ends with a line that a shell takes whole, whatever an e-mail address may contain', async () => {
    const firstAccount = 'q&a;b@example.com'
    const plan: Partial<Plan> = {
      name: 'never-deployed',
      template: { name: 'tessera', vars: { MAIL_TRANSPORT: 'api' } },
      worker: null,
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
