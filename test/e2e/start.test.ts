/**
 * The first minutes of a newcomer: a fresh copy of this repository, `npm start`, and the lines that it, the README and the
 * documents show, pasted into a shell. Nothing here looks inside.
 */

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { copyCheckout } from '../support/checkout.ts'
import { DOCUMENTS, fenced, read } from '../support/markdown.ts'
import { type Command, commandLine, descendants, freePort, isAlive, portOf, runCommand } from '../support/command.ts'

interface DemoAccount {
  readonly guid: string
  readonly primary_email: string
  readonly password: string
}

const KINDS = ['confirmed', 'unconfirmed', 'inactive'] as const
/** The copy shares this installation, so nothing may be installed into it. */
const ENVIRONMENT = { ...process.env, CI: 'true', npm_config_ignore_scripts: 'true' }
/** What the lines of each document are answered with. */
const STATUSES: Readonly<Record<string, readonly number[]>> = {
  'README.md': [200, 401],
  'docs/accounts.md': [202, 202],
  'docs/administration.md': [
    401, 403, 201, 409, 200, 200, 200, 200, 400, 400, 200, 200, 204, 404, 204, 200, 204, 200, 202, 200, 200, 202, 404,
    200, 200, 400, 204,
  ],
  'docs/api.md': [200, 200, 401, 200, 200, 200, 200, 204, 200, 303, 200, 303, 400],
  'docs/configuration.md': [],
  'docs/integrate.md': [200],
  'docs/operations.md': [200],
}
/** The last line of the introduction. */
const INTRODUCED = 'Ctrl-C stops it.'
let clone: string
let running: Command[] = []

beforeAll(() => {
  clone = copyCheckout('start', { installed: true })
})

afterAll(() => {
  rmSync(clone, { recursive: true, force: true })
})

async function stopAll(): Promise<void> {
  const commands = running
  running = []
  await Promise.all(commands.map((command) => command.stop()))
}

test('before npm start, a bare wrangler dev answers 500 without content and says in one line what to run', async () => {
  const port = await freePort()
  const log = await run('npx', ['wrangler', 'dev', '--port', String(port)], 'Ready on')
  const response = await fetch(`http://localhost:${port}/.well-known/jwks.json`)

  expect([response.status, await response.text()]).toEqual([500, ''])
  await log.shows('AUTH_SECRET is missing')
  expect(
    log
      .text()
      .split('\n')
      .filter((line) => line.includes('npm start')),
  ).toHaveLength(1)
  await stopAll()
})

test('Ctrl-C while the database is prepared ends everything', async () => {
  const command = start()
  const preparing = () => descendants(command.child.pid).filter((pid) => commandLine(pid).includes(' d1 migrations '))
  await expect.poll(() => preparing().length, { timeout: 20_000, interval: 50 }).toBeGreaterThan(0)
  const processes = descendants(command.child.pid)
  const code = await command.stop()

  expect([code, processes.filter(isAlive)]).toEqual([130, []])
})

describe('npm start', () => {
  let port: number
  let origin: string
  let log: Command

  beforeAll(async () => {
    port = await freePort()
    origin = `http://localhost:${port}`
    log = await run('npm', ['start', '--', '--port', String(port), '--var', 'LOCATION_POLICI:off'], 'LOCATION_POLICY?')
  })
  afterAll(stopAll)

  test('says what runs where, in a dozen lines and nothing else, and points at a misspelled key', () => {
    const { primary_email, password } = confirmed()
    const accounts = KINDS.map((kind) => demoAccounts()[kind]).map(
      (account) => `  ${account.primary_email.padEnd(23)}  ${account.password}  ${account.guid}`,
    )
    const said = log.text().split('\n')
    // What npm says of the script that it runs goes before.
    expect(said.slice(said.findLastIndex((line) => line.startsWith('> ')) + 1).join('\n')).toBe(`

Tessera runs at ${origin}

${accounts.join('\n')}

Sign in, in another terminal:
curl -w '\\n' ${origin}/auth/token -H 'Content-Type: application/json' -d '{"primary_email":"${primary_email}","password":"${password}"}'

Sign up, as people do: ${origin}/account
Administer accounts, in another terminal: npm run users
A page to play on, with the mails that were sent: ${origin}/dev
The API, to try in a browser: ${origin}/docs/
More to paste: docs/api.md. How it works: docs/architecture.md
Ctrl-C stops it. Accounts and sessions stay for the next start.
LOCATION_POLICI in --var is no key of the configuration: did you mean LOCATION_POLICY?

`)
  })

  test.each(shells())('has one line that signs in, pasted into %s', async (shell) => {
    const line = /^curl .*$/m.exec(log.text())?.[0] ?? ''
    const { stdout, stderr } = await paste(shell, line)

    expect(stdout).toMatch(/^\{"access":"ey.*"refresh":"ey.*\}\n$/)
    expect(JSON.parse(stdout)).toMatchObject({ email: confirmed().primary_email, group: 'user' })
    expect(stderr).not.toMatch(/not found|no matches|unmatched/)
  })

  test('every document that shows lines to paste is pasted', () => {
    const documents = DOCUMENTS.filter((path) => fenced(read(path), 'sh').length > 0)
    expect(documents.toSorted()).toEqual(Object.keys(STATUSES).toSorted())
  })

  test.each(shells())(
    'pasted into %s, every line of them is answered as they say, and the owner of a blocked pair gets a mail',
    async (shell) => {
      const mails = `${origin}/cdn-cgi/local/explorer/api/local/email/sending`
      const before = await countOf(mails)
      for (const [path, statuses] of Object.entries(STATUSES)) {
        const lines = fenced(read(path), 'sh').join('').replaceAll('localhost:8787', `localhost:${port}`)
        const { stdout, stderr } = await paste(shell, lines)
        expect(stderr, path).not.toMatch(/not found|no matches|unmatched/)
        expect([...(stdout.match(/(?<=^HTTP\/1\.1 )\d+/gm) ?? [])].map(Number), path).toEqual(statuses)
        const said = stdout.replaceAll('\r', '').replaceAll(`localhost:${port}`, 'localhost:8787')
        expect(said, path).toMatch(shownAnswers(path))
      }

      await expect.poll(() => countOf(mails), { timeout: 20_000 }).toBe(before + 5)
      expect(await (await fetch(mails)).json()).toMatchObject({
        result: expect.arrayContaining([
          expect.objectContaining({
            to: [confirmed().primary_email],
            subject: 'Tessera: we blocked a session that moved to another place',
          }),
        ]),
      })
    },
  )

  test('shows what the Worker logs and each request, in their order and at once', async () => {
    const before = log.text().length
    await fetch(`${origin}/no-guid`)
    await log.shows('GET /no-guid 400')

    expect(log.text().slice(before)).toMatch(/▲ \[WARNING\] [^]*refused[^]*wrong_data_structure[^]*GET \/no-guid 400/)
  })

  test('beside another one in the same folder, takes the next port and says so; both serve the same data', async () => {
    // Somebody holds the usual port: this test, unless it is taken already.
    const holder = createTcpServer().listen(8787, 'localhost')
    await once(holder, 'listening').catch(() => undefined)
    const second = await run('npm', ['start'], INTRODUCED)
    const [, theirs = '', named] = /runs at (\S+) \(8787 is taken, so this one is on (\d+)\)/.exec(second.text()) ?? []

    expect(new URL(theirs).port).toBe(named)
    const { refresh } = await signIn(theirs, confirmed())
    expect((await post(`${origin}/auth/token/refresh`, { refresh })).status).toBe(200)
    holder.close()
  })
})

describe('npm start, again,', () => {
  afterEach(stopAll)

  test('keeps the data and prepares nothing; only the confirmed account may sign in; a bare wrangler dev serves the same', async () => {
    const port = await freePort()
    const origin = `http://localhost:${port}`
    const kept = ['.wrangler/demo-accounts.json', '.dev.vars', '.wrangler/demo-accounts.sql']
    const before = kept.map((file) => statSync(join(clone, file)).mtimeMs)
    await run('npm', ['start', '--', '--port', String(port)], INTRODUCED)
    // The last one is written by every preparation.
    expect(kept.map((file) => statSync(join(clone, file)).mtimeMs)).toEqual(before)

    const { refresh, ...account } = await signIn(origin, confirmed())
    expect(account).toMatchObject({ email: confirmed().primary_email, user_id: 1, group: 'user' })
    for (const kind of ['unconfirmed', 'inactive'] as const) {
      expect(await signIn(origin, demoAccounts()[kind])).toMatchObject({ status: 401, code: 'no_active_account' })
    }
    await stopAll()

    await run('npx', ['wrangler', 'dev', '--port', String(port)], 'Ready on')
    const response = await post(`${origin}/auth/token/refresh`, { refresh })
    expect(response.status).toBe(200)
  })

  test('replaces a file of accounts that cannot be read, passes its arguments on, and Ctrl-C leaves no process behind', async () => {
    const received: { headers: IncomingHttpHeaders; body: string }[] = []
    const api = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.on('end', () => {
        received.push({ headers: request.headers, body })
        response.writeHead(200).end('{}')
      })
    }).listen(0, '127.0.0.1')
    await once(api, 'listening')
    writeFileSync(join(clone, '.wrangler/demo-accounts.json'), '{"confirmed":')
    const apiUrl = `http://127.0.0.1:${portOf(api.address())}/emails`
    const port = await freePort()
    const vars = ['MAIL_TRANSPORT:api', `MAIL_API_URL:${apiUrl}`, 'MAIL_API_KEY:key-of-the-api']
    const command = await run('npm', ['start', '--', '--port', String(port), '--var', ...vars], INTRODUCED)

    const { refresh } = await signIn(`http://localhost:${port}`, confirmed())
    const moved = { 'CF-Connecting-IP': '198.51.100.23' }
    const blocked = await post(`http://localhost:${port}/auth/token/refresh`, { refresh }, moved)
    expect(blocked.status).toBe(401)
    await expect.poll(() => received.length, { timeout: 20_000 }).toBe(1)
    expect(received[0]?.headers).toMatchObject({ authorization: 'Bearer key-of-the-api' })
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
      to: confirmed().primary_email,
      subject: 'Tessera: we blocked a session that moved to another place',
    })
    api.close()

    const processes = descendants(command.child.pid)
    // npm's shell became our script (exec), which started wrangler, which started workerd.
    expect(processes.length).toBeGreaterThanOrEqual(3)
    // Whoever waits for npm, as a shell does before it shows its prompt, finds everything ended.
    expect([await command.stop(), processes.filter(isAlive)]).toEqual([0, []])
  })

  test('makes a database that was deleted anew; a second Ctrl-C ends a wrangler that does not answer the first', async () => {
    rmSync(join(clone, '.wrangler/state'), { recursive: true })
    const port = await freePort()
    const command = await run('npm', ['start', '--', '--port', String(port)], INTRODUCED)
    expect(await signIn(`http://localhost:${port}`, confirmed())).toHaveProperty('refresh')

    const processes = descendants(command.child.pid)
    for (const pid of processes.filter((one) => commandLine(one).includes('wrangler'))) process.kill(pid, 'SIGSTOP')
    command.press()
    await sleep(1000)
    expect(processes.filter(isAlive)).not.toEqual([])
    const began = Date.now()
    await command.stop()
    // By itself it would end a wrangler that does not answer 5 s after the first one, a second of which is over.
    expect([processes.filter(isAlive), Date.now() - began < 3500]).toEqual([[], true])
  })

  test('ends in a line that names the key when the configuration cannot be used, before anything is served', async () => {
    const file = join(clone, '.dev.vars')
    const before = readFileSync(file, 'utf8')
    appendFileSync(file, 'REFRESH_REUSE_SECONDS=90\nMAIL_FORM=a@example.com\n')
    const command = start()
    const code = await command.ended()
    writeFileSync(file, before)

    expect(code).toBe(1)
    expect(command.text().trimEnd().split('\n').slice(-2)).toEqual([
      'MAIL_FORM in .dev.vars is no key of the configuration: did you mean MAIL_FROM?',
      'Configuration: REFRESH_REUSE_SECONDS must be at most 60 (set in .dev.vars)',
    ])
  })
})

function start(...args: readonly string[]): Command {
  const command = runCommand('npm', ['start', '--', ...args], { cwd: clone, env: ENVIRONMENT })
  running.push(command)
  return command
}

/** Starts a command in the clone and resolves once it has printed `until`. */
async function run(name: string, args: readonly string[], until: string): Promise<Command> {
  const command = runCommand(name, args, { cwd: clone, env: ENVIRONMENT })
  running.push(command)
  await command.shows(until)
  return command
}

/** Those of both shells that people paste into which this machine has. */
function shells(): readonly string[] {
  return ['bash', ...['/bin/zsh', '/usr/bin/zsh'].filter((path) => existsSync(path)).slice(0, 1)]
}

/** Gives lines to an interactive shell, as a paste does: comments are commands to zsh there, and an exclamation mark is history to bash. */
function paste(shell: string, lines: string): Promise<{ stdout: string; stderr: string }> {
  const child = promisify(execFile)(shell, shell === 'bash' ? ['--norc', '-i'] : ['-f', '-i'], {
    cwd: clone,
    env: { ...ENVIRONMENT, PS1: '', PS2: '', PROMPT: '', PROMPT2: '', HISTFILE: '/dev/null' },
  })
  child.child.stdin?.end(`${lines}\n`)
  return child
}

/** The answers that a document shows, as a pattern: their lines, in their order, among others. `…` is for what differs each time. */
function shownAnswers(path: string): RegExp {
  const lines = fenced(read(path), 'http').join('').split('\n')
  const patterns = lines.map((line) =>
    line
      .split('…')
      .map((text) => RegExp.escape(text))
      .join('[\\w.-]+')
      // A second may begin between the row of a session and its cookies.
      .replaceAll('d864000', 'd86(?:4000|3999)'),
  )
  return new RegExp(patterns.join('\\n(?:.*\\n)*?'), 'm')
}

async function countOf(mails: string): Promise<number> {
  const { result } = (await (await fetch(mails)).json()) as { result: readonly unknown[] }
  return result.length
}

function demoAccounts(): Readonly<Record<(typeof KINDS)[number], DemoAccount>> {
  return JSON.parse(readFileSync(join(clone, '.wrangler/demo-accounts.json'), 'utf8'))
}

function confirmed(): DemoAccount {
  return demoAccounts().confirmed
}

async function signIn(origin: string, { primary_email, password }: DemoAccount): Promise<Record<string, unknown>> {
  const response = await post(`${origin}/auth/token`, { primary_email, password })
  return response.json() as Promise<Record<string, unknown>>
}

function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}
