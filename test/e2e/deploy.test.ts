/**
 * `npm run deploy`, seen by the person who types it and by the account that it works on: the real wrangler, against a
 * stand-in of Cloudflare's API that holds state and refuses what Cloudflare refuses.
 */

import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'

import { describe, expect, test } from 'vitest'

import { ACCOUNT, type Call, type CloudflareApi, sqlOf } from '../support/cloudflare-api.ts'
import { ALARMING, checkout } from '../support/deploying.ts'

const ANSWERS = ['--domain', 'auth.example.com', '--location', 'weur', '--mail-from', 'Tessera <auth@example.com>']
const FIRST = ['--name', 'tessera', ...ANSWERS, '--first-account', 'First@Example.com']

const MIGRATIONS = readdirSync(join(import.meta.dirname, '../../migrations')).filter((name) => name.endsWith('.sql'))

function isUpload({ method, path }: Call): boolean {
  return (method === 'PUT' && /^\/workers\/scripts\/[^/]+$/.test(path)) || path.endsWith('/versions')
}

/** The secrets that were deployed, by name. */
function deployedSecrets(api: CloudflareApi, worker: string): Record<string, string> {
  const bindings = api.workers.get(worker)?.bindings ?? []
  return Object.fromEntries(
    bindings.filter(({ type }) => type === 'secret_text').map(({ name, text }) => [name, text ?? '']),
  )
}

function varsOf(api: CloudflareApi, worker: string): Record<string, string | undefined> {
  const bindings = api.workers.get(worker)?.bindings ?? []
  return Object.fromEntries(bindings.filter(({ type }) => type === 'plain_text').map(({ name, text }) => [name, text]))
}

function created(what: string) {
  return (call: Call) => call.method === 'POST' && call.path === what
}

function refuse(path: RegExp, code: number, message: string, method = /./) {
  return (call: Call) => (path.test(call.path) && method.test(call.method) ? { status: 403, code, message } : null)
}

/** Every table and every migration is there before each upload of code. */
function schemaCameFirst(changes: readonly Call[]): boolean {
  const schema = changes.findLastIndex((call) => /^CREATE TABLE `|^DROP INDEX/.test(sqlOf(call)))
  return schema !== -1 && changes.findIndex(isUpload) > schema
}

/** All of an account, as far as it must be the same however often a deploy was killed. */
function summary(api: CloudflareApi) {
  return {
    databases: [...api.databases.values()].map(({ name, location, sqlite }) => ({
      name,
      location,
      migrations: sqlite
        .prepare('SELECT name FROM d1_migrations')
        .all()
        .map((row) => row['name']),
      accounts: sqlite.prepare('SELECT primary_email, is_active, confirmed_at > 0 AS confirmed FROM users').all(),
    })),
    queues: api.queues.map(({ queue_name: name, consumers }) => ({
      name,
      consumers: consumers.map(({ script, dead_letter_queue: deadLetters }) => ({ script, deadLetters })),
    })),
    workers: [...api.workers].map(([name, { workersDev, previewUrls, schedules, bindings, assets = 0 }]) => ({
      name,
      workersDev,
      previewUrls,
      schedules,
      bindings: bindings.map((binding) => binding.name).toSorted(),
      hasReference: assets > 20,
    })),
    domains: [...api.domains],
  }
}

const COMPLETE = {
  databases: [
    {
      name: 'tessera',
      location: 'weur',
      migrations: MIGRATIONS,
      accounts: [{ primary_email: 'first@example.com', is_active: 1, confirmed: 1 }],
    },
  ],
  queues: [
    { name: 'tessera-mail', consumers: [{ script: 'tessera', deadLetters: 'tessera-mail-dead' }] },
    { name: 'tessera-mail-dead', consumers: [{ script: 'tessera', deadLetters: undefined }] },
  ],
  workers: [
    {
      name: 'tessera',
      workersDev: false,
      previewUrls: false,
      schedules: ['*/5 * * * *'],
      hasReference: true,
      bindings: expect.arrayContaining([
        'ASSETS',
        'AUTH_SECRET',
        'DB',
        'EMAIL',
        'MAIL_DEAD_LETTERS',
        'MAIL_QUEUE',
        'SERVICE_KEY',
      ]),
    },
  ],
  domains: [['auth.example.com', 'tessera']],
}

/** A machine that does other things meanwhile takes its time. */
const PATIENCE = { timeout: 480_000 }

describe.concurrent('npm run deploy', PATIENCE, () => {
  test('brings everything up, then keeps it up to date and asks nothing', async () => {
    await using here = await checkout()
    const { api } = here
    const first = await here.deploy(FIRST)

    expect(first.output).not.toMatch(ALARMING)
    expect(first.code).toBe(0)
    expect(summary(api)).toEqual(COMPLETE)
    expect(schemaCameFirst(api.changes)).toBe(true)
    expect(varsOf(api, 'tessera')).toMatchObject({
      PUBLIC_URL: 'https://auth.example.com',
      MAIL_FROM: 'Tessera <auth@example.com>',
      ISSUE_ACCESS: 'service',
    })

    // The secrets went with the very first code, nobody else can read them here, and git does not see them.
    const secrets = here.kept('tessera/secrets.json')
    expect(deployedSecrets(api, 'tessera')).toEqual(secrets)
    expect(Object.keys(secrets)).toEqual(['AUTH_SECRET', 'SERVICE_KEY'])
    expect(api.changes.find(isUpload)?.body).toContain(secrets['AUTH_SECRET'])
    for (const file of ['secrets.json', 'first@example.com.json', 'settings.json', 'wrangler.json']) {
      expect(statSync(join(here.path, '.deploy/tessera', file)).mode & 0o777).toBe(0o600)
    }
    execFileSync('git', ['check-ignore', '-q', '.deploy/tessera/secrets.json'], {
      cwd: join(import.meta.dirname, '../..'),
    })

    // Its last line, pasted into a shell.
    const [line = ''] = /curl .+/.exec(first.output) ?? []
    const pasted = line.replace('https://', `${api.url}/origin/`)
    const { stdout } = await promisify(execFile)('bash', ['-c', pasted], { cwd: here.path })
    expect(JSON.parse(stdout)).toEqual({ access: 'a', refresh: 'r' })

    api.changes.splice(0)
    writeFileSync(join(here.path, 'migrations/9999_of_a_later_version.sql'), 'CREATE TABLE `later` (`id` integer);')
    const second = await here.deploy(['--location', 'oc'])
    expect(second.code).toBe(0)
    expect(second.output).toContain('The database stays in weur: it cannot be moved.')
    expect(second.output).not.toMatch(ALARMING)
    expect(second.output).toMatch(/^Schema +1 migration applied$/m)
    const [database] = COMPLETE.databases
    const migrations = [...MIGRATIONS, '9999_of_a_later_version.sql']
    expect(summary(api)).toEqual({ ...COMPLETE, databases: [{ ...database, migrations }] })
    expect(api.workers.get('tessera')?.uploads).toBe(2)
    // It came before the code; nothing is created, and the secrets stay at home.
    expect(schemaCameFirst(api.changes)).toBe(true)
    expect(
      api.changes.filter(({ method, path }) => method === 'POST' && /^\/(queues|d1\/database)$/.test(path)),
    ).toEqual([])
    const { AUTH_SECRET = '', SERVICE_KEY = '' } = secrets
    const password = here.kept('tessera/first@example.com.json')['password'] ?? ''
    expect(api.changes.map(({ body }) => body).join('')).not.toContain(AUTH_SECRET)
    for (const secret of [AUTH_SECRET, SERVICE_KEY, password]) {
      expect(secret.length).toBeGreaterThan(20)
      expect(first.output + second.output).not.toContain(secret)
    }
  })

  test('goes on where it was killed, at every step, and ends as if it never had been', async () => {
    await using here = await checkout()
    const { api } = here
    // What a run leaves that was killed while it wrote.
    mkdirSync(join(here.path, '.deploy/tessera'), { recursive: true })
    writeFileSync(join(here.path, '.deploy/tessera/secrets.json.new'), '{"AUTH_SECR', { mode: 0o644 })

    const steps: readonly (readonly [NodeJS.Signals, (call: Call) => boolean])[] = [
      ['SIGKILL', created('/d1/database')],
      ['SIGKILL', created('/queues')],
      ['SIGINT', (call) => /CREATE TABLE `/.test(sqlOf(call))],
      ['SIGINT', isUpload],
      ['SIGINT', ({ path }) => path.endsWith('/consumers')],
      ['SIGKILL', (call) => sqlOf(call).startsWith('INSERT INTO users')],
    ]
    for (const [signal, isIt] of steps) {
      const { code, output } = await here.killedAfter(signal, isIt, FIRST)
      expect([signal, code]).toEqual([signal, signal === 'SIGKILL' ? null : 130])
      expect(output).not.toMatch(ALARMING)
    }
    const last = await here.deploy()

    expect(last.code).toBe(0)
    expect(last.output).not.toMatch(ALARMING)
    expect(summary(api)).toEqual(COMPLETE)
    expect(schemaCameFirst(api.changes)).toBe(true)
    expect(deployedSecrets(api, 'tessera')).toEqual(here.kept('tessera/secrets.json'))
    expect(statSync(join(here.path, '.deploy/tessera/secrets.json')).mode & 0o777).toBe(0o600)
    // Every upload that could have been the first carried the secrets.
    const secret = here.kept('tessera/secrets.json')['AUTH_SECRET'] ?? ''
    expect(api.changes.find(isUpload)?.body).toContain(secret)
    // The password that is kept is the one of the account.
    const signIn = await fetch(`${api.url}/origin/auth.example.com/auth/token`, {
      method: 'POST',
      body: JSON.stringify(here.kept('tessera/first@example.com.json')),
    })
    expect(signIn.status).toBe(200)
  })

  test('lets two deployments share an account, and another machine go on with one, whose secrets stay', async () => {
    await using here = await checkout()
    const { api } = here
    expect(await here.deploy(FIRST)).toMatchObject({ code: 0 })
    const secrets = deployedSecrets(api, 'tessera')
    const answers = '--name staging --domain workers.dev --location oc --mail-from later --first-account none'
    // On the Free plan, by the way.
    api.hasCpuForPasswords = false
    const staging = await here.deploy(answers.split(' '))
    api.hasCpuForPasswords = true

    expect(staging.code).toBe(0)
    expect(staging.output).toContain('https://staging.acme.workers.dev answers')
    expect(staging.output).toContain('rate limiting rules of a domain do not reach it')
    expect(staging.output).toContain('Passwords  take more CPU than this plan grants (1102): Workers Paid')
    expect(staging.output).toContain('Mails      have no sender yet')
    expect([...api.databases.values()].map(({ name, location }) => [name, location])).toEqual([
      ['tessera', 'weur'],
      ['staging', 'oc'],
    ])
    expect(
      api.queues.map(({ queue_name: name, consumers }) => [
        name,
        consumers[0]?.script,
        consumers[0]?.dead_letter_queue,
      ]),
    ).toEqual([
      ['tessera-mail', 'tessera', 'tessera-mail-dead'],
      ['tessera-mail-dead', 'tessera', undefined],
      ['staging-mail', 'staging', 'staging-mail-dead'],
      ['staging-mail-dead', 'staging', undefined],
    ])
    expect(api.workers.get('staging')).toMatchObject({ workersDev: true, previewUrls: false })
    expect(varsOf(api, 'staging')['PUBLIC_URL']).toBe('https://staging.acme.workers.dev')
    expect(deployedSecrets(api, 'tessera')).toEqual(secrets)
    expect(deployedSecrets(api, 'staging')).not.toEqual(secrets)

    // Which of the two?
    expect(await here.deploy()).toEqual({
      code: 1,
      output: 'Nobody to ask here: give --name, one of staging, tessera.\n',
    })

    // Another machine: nothing is kept there, and the Worker says the rest.
    rmSync(join(here.path, '.deploy'), { recursive: true })
    const [database] = api.databases.values()
    const rows = database?.sqlite.prepare('SELECT * FROM users').all()
    const elsewhere = await here.deploy(['--name', 'tessera', '--first-account', 'first@example.com'])
    expect(elsewhere.code).toBe(0)
    // And an account that exists is never overwritten.
    expect(elsewhere.output).toContain('first@example.com exists, and stays as it is')
    expect(database?.sqlite.prepare('SELECT * FROM users').all()).toEqual(rows)
    expect(readdirSync(join(here.path, '.deploy/tessera'))).not.toContain('first@example.com.json')
    expect(elsewhere.output).toContain('kept as deployed; this machine does not know them')
    expect(deployedSecrets(api, 'tessera')).toEqual(secrets)
    expect(varsOf(api, 'tessera')).toMatchObject({
      PUBLIC_URL: 'https://auth.example.com',
      MAIL_FROM: 'Tessera <auth@example.com>',
    })
    expect(existsSync(join(here.path, '.deploy/tessera/secrets.json'))).toBe(false)
    expect(api.databases.size).toBe(2)
  })

  test('asks in a terminal, one question at a time, and does not echo a password', async () => {
    await using here = await checkout()
    const { api } = here
    const password = 'correct horse battery'
    const { code, output } = await here.dialogue([
      ['Name of the Worker (tessera): ', '\n'],
      ['Domain, such as auth.example.com (none yet): ', 'example.org\n'],
      ['Domain, such as auth.example.com (none yet): ', 'https://auth.example.com/\n'],
      ['Location, 1 to 6: ', '3\n'],
      ['Sender of mails, such as Tessera <auth@example.com> (later): ', 'auth@mail.example.com\n'],
      ['E-mail of a first account (none): ', 'First@Example.com\n'],
      ['Its password (made up and kept in .deploy): ', `${password}\n`],
      ['Once more: ', 'correct horse batery\n'],
      ['Its password (made up and kept in .deploy): ', `${password}\n`],
      ['Once more: ', `${password}\n`],
    ])

    expect(code).toBe(0)
    expect(output).not.toMatch(ALARMING)
    expect(output).not.toContain('horse')
    expect(output).toContain('It cannot be moved later')
    expect(output).toContain('example.org is on no domain of this account')
    expect(output).toContain('mail.example.com is not onboarded to Email Service')
    expect(summary(api)).toEqual(COMPLETE)
    expect(readdirSync(join(here.path, '.deploy/tessera'))).not.toContain('first@example.com.json')
    const signIn = await fetch(`${api.url}/origin/auth.example.com/auth/token`, {
      method: 'POST',
      body: JSON.stringify({ primary_email: 'first@example.com', password }),
    })
    expect(signIn.status).toBe(200)
  })

  test('Ctrl-C at a question keeps what was answered', async () => {
    await using here = await checkout()
    const { code } = await here.dialogue([
      ['Name of the Worker (tessera): ', 'live\n'],
      ['Domain, such as auth.example.com (none yet): ', 'auth.example.com\n'],
      ['Location, 1 to 6: ', '\u0003'],
    ])
    expect(code).toBe(130)
    expect(here.kept('live/settings.json')).toEqual({ account: ACCOUNT, domain: 'auth.example.com' })
    expect(here.api.changes).toEqual([])
  })

  test('in a build asks nothing, leaves to the dashboard what it has, and makes up no secrets that would be lost', async () => {
    await using here = await checkout()
    const { api } = here
    const build = { CI: 'true', WORKERS_CI: '1', WRANGLER_CI_OVERRIDE_NAME: 'connected' }
    const first = await here.deploy([], build)
    expect(first.output).toContain('none: until AUTH_SECRET is set, Tessera answers 500')
    expect(first.output).not.toMatch(ALARMING)
    expect(first.code).toBe(0)
    expect(schemaCameFirst(api.changes)).toBe(true)
    expect([...api.workers.keys()]).toEqual(['connected'])
    expect(deployedSecrets(api, 'connected')).toEqual({})
    expect(varsOf(api, 'connected')).not.toHaveProperty('PUBLIC_URL')

    // Another CI has flags for the questions and an environment for the secrets.
    const secrets = {
      AUTH_SECRET: 'a'.repeat(20) + '0123456789abcdefghijklmn',
      SERVICE_KEY: 'b'.repeat(20) + '0123456789abcdefghijklmn',
    }
    const second = await here.deploy(['--name', 'ci', ...ANSWERS], { CI: 'true', ...secrets })
    expect(second.code).toBe(0)
    expect(deployedSecrets(api, 'ci')).toEqual(secrets)

    // After a leak: what is changed there is changed at the next deploy, and the rest stays. No CI keeps its files.
    rmSync(join(here.path, '.deploy'), { recursive: true })
    const rotated = { AUTH_SECRET: 'c'.repeat(20) + '0123456789abcdefghijklmn', AUTH_SECRET_PREVIOUS: '' }
    expect(await here.deploy(['--name', 'ci'], { CI: 'true', ...rotated })).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^Secrets +AUTH_SECRET from the environment$/m) as string,
    })
    expect(deployedSecrets(api, 'ci')).toEqual({ ...secrets, AUTH_SECRET: rotated.AUTH_SECRET })
  })

  test('in a build takes the names, the ids and the secrets that the form of the button has set', async () => {
    await using here = await checkout()
    const { api } = here
    const file = join(here.path, 'wrangler.toml')
    const names = readFileSync(file, 'utf8')
      .replace('name = "tessera"', 'name = "auth"')
      .replace('database_name = "tessera"', 'database_name = "before"\ndatabase_id = "made-by-the-form"')
    writeFileSync(file, names)
    // Somebody has renamed the database since.
    api.databases.set('made-by-the-form', { name: 'people', location: 'apac', sqlite: new DatabaseSync(':memory:') })
    for (const name of ['tessera-mail', 'tessera-mail-dead']) api.queues.push({ queue_id: name, queue_name: name, consumers: [] }) // prettier-ignore
    const secret = { name: 'AUTH_SECRET', type: 'secret_text', text: 'c'.repeat(43) }
    api.workers.set('auth', { workersDev: true, previewUrls: true, schedules: [], uploads: 0, bindings: [secret] })
    const build = { CI: 'true', WORKERS_CI: '1', WRANGLER_CI_OVERRIDE_NAME: 'auth' }

    const first = await here.deploy([], build)
    expect(first.output).not.toMatch(ALARMING)
    expect(first.code).toBe(0)
    expect([...api.databases.keys()]).toEqual(['made-by-the-form'])
    expect(api.queues.map(({ queue_name: name, consumers }) => [name, consumers[0]?.script])).toEqual([
      ['tessera-mail', 'auth'],
      ['tessera-mail-dead', 'auth'],
    ])
    expect(deployedSecrets(api, 'auth')).toEqual({ AUTH_SECRET: secret.text })

    // A sender that is pushed later is the one from then on, and where nothing is to be migrated, nothing is.
    api.changes.splice(0)
    for (const sender of ['a@example.com', 'b@example.com']) {
      writeFileSync(file, names.replace('[vars]', `[vars]\nMAIL_FROM = "${sender}"`))
      rmSync(join(here.path, '.deploy'), { recursive: true })
      expect((await here.deploy([], build)).code).toBe(0)
      expect(varsOf(api, 'auth')['MAIL_FROM']).toBe(sender)
    }
    expect(api.changes.map(sqlOf).filter(Boolean)).toEqual([])
  })

  describe('says in one line what is missing', () => {
    const dash = `https://dash.cloudflare.com/${ACCOUNT}`
    const rights = 'https://dash.cloudflare.com/profile/api-tokens'

    /** What the account is like, and the last line that is printed. */
    const cases: readonly (readonly [string, (api: CloudflareApi) => unknown, string])[] = [
      [
        'a token without Workers, which wrangler finds',
        (api) => (api.refuse = refuse(/^\/workers\/scripts\/tessera$/, 10000, 'Authentication error', /PUT/)),
        `The token lacks a right (10000). Give it Account › Workers Scripts › Edit: ${rights}`,
      ],
      [
        'a token without D1 that may look, which wrangler finds',
        (api) =>
          (api.refuse = (call) =>
            sqlOf(call).startsWith('CREATE') ? { status: 403, code: 7403, message: 'no' } : null),
        `The token lacks a right (7403). Give it Account › D1 › Edit: ${rights}`,
      ],
      [
        'a token that is none',
        (api) => (api.refuse = refuse(/./, 6003, 'Invalid request headers')),
        'Cloudflare does not know this token (6003): make a new one, or unset CLOUDFLARE_API_TOKEN and run `npx wrangler login`.',
      ],
      [
        'a plan without Queues',
        (api) => (api.refuse = refuse(/^\/queues$/, 100129, 'Queues are unavailable on the free plan.', /POST/)),
        `The plan of this account does not include this (100129): Tessera needs Workers Paid, ${dash}/workers/plans`,
      ],
    ]
    test('nobody who is logged in', async () => {
      await using here = await checkout()
      const { code, output } = await here.deploy(FIRST, { CLOUDFLARE_API_TOKEN: '' })
      expect(output).toBe(
        'You are not logged in to Cloudflare: run `npx wrangler login` once, or set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID.\n',
      )
      expect(code).toBe(1)
      expect(readdirSync(here.path)).not.toContain('.deploy')
    })

    for (const [what, arrange, line] of cases) {
      test(what, async () => {
        await using here = await checkout()
        arrange(here.api)
        const { code, output } = await here.deploy(FIRST)
        expect([output.trimEnd().split('\n').at(-1), code]).toEqual([line, 1])
        expect(output).not.toMatch(ALARMING)
        expect(output.trimEnd().split('\n').length).toBeLessThan(7)
        expect(here.api.workers.get('tessera')?.uploads ?? 0).toBeLessThan(2)
      })
    }
  })
})
