/**
 * The README's story, as a newcomer lives it: a fresh copy of this repository, `npm start`, and the curl lines that it
 * prints, pasted into a shell. Nothing here looks inside.
 */

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

interface DemoAccount {
  readonly guid: string
  readonly primary_email: string
  readonly password: string
}

const root = join(import.meta.dirname, '../..')
/** The clone shares this installation, so `npm start` must not run its installer there. */
const ENVIRONMENT = { ...process.env, CI: 'true', npm_config_ignore_scripts: 'true' }
let clone: string
let running: ChildProcess | undefined

beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), 'tessera-e2e-'))
  const files = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  for (const file of files.split('\0').filter((name) => name !== '' && !name.startsWith('test/'))) {
    cpSync(join(root, file), join(clone, file))
  }
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'))
})

afterEach(async () => {
  await stop()
})

afterAll(() => {
  rmSync(clone, { recursive: true, force: true })
})

describe('npm start', () => {
  test('before it, a bare wrangler dev answers 500 without content and says in one line what to run', async () => {
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
  })

  test('prints curl lines that work when pasted, and mails the owner of a blocked pair', async () => {
    const port = await freePort()
    const log = await run('npm', ['start', '--', '--port', String(port)], 'Ctrl-C stops it.')
    const lines = curlLines(log.text())
    const { stdout } = await promisify(execFile)('bash', ['-c', lines.join('\n')], { cwd: clone })

    expect(stdout.match(/HTTP\/1\.1 [\w ]+/g)).toEqual([
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200 OK',
      'HTTP/1.1 401 Unauthorized',
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200 OK',
    ])
    expect(stdout).toContain("You're location is blocked")
    const sent = `http://localhost:${port}/cdn-cgi/local/explorer/api/local/email/sending`
    await expect
      .poll(async () => (await fetch(sent)).json(), { timeout: 20_000 })
      .toMatchObject({
        result: [{ to: [confirmed().primary_email], subject: 'We blocked a sign-in from another place' }],
      })
  })

  test('serves every curl line of the README', async () => {
    const port = await freePort()
    await run('npm', ['start', '--', '--port', String(port)], 'Ctrl-C stops it.')
    const readme = readFileSync(join(clone, 'README.md'), 'utf8')
    const block = /```sh\n(# Cookies:[\s\S]*?)```/.exec(readme)?.[1] ?? ''
    const script = block.replaceAll('localhost:8787', `localhost:${port}`)
    const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: clone })

    const [ok, blocked, gone] = ['HTTP/1.1 200 OK', 'HTTP/1.1 401 Unauthorized', 'HTTP/1.1 204 No Content']
    expect(stdout.match(/HTTP\/1\.1 [\w ]+/g)).toEqual([ok, ok, blocked, ok, ok, ok, ok, gone, ok])
  })

  test('again, keeps the data; only the confirmed account may sign in; a bare wrangler dev serves the same', async () => {
    const port = await freePort()
    const origin = `http://localhost:${port}`
    const before = readFileSync(join(clone, '.wrangler/demo-accounts.json'), 'utf8')
    await run('npm', ['start', '--', '--port', String(port)], 'Ctrl-C stops it.')
    expect(readFileSync(join(clone, '.wrangler/demo-accounts.json'), 'utf8')).toBe(before)

    const { refresh, ...account } = await signIn(origin, confirmed())
    expect(account).toMatchObject({ email: confirmed().primary_email, user_id: 1, group: 'user' })
    for (const kind of ['unconfirmed', 'inactive'] as const) {
      expect(await signIn(origin, demoAccounts()[kind])).toMatchObject({ status: 401, code: 'no_active_account' })
    }
    await stop()

    await run('npx', ['wrangler', 'dev', '--port', String(port)], 'Ready on')
    const response = await post(`${origin}/auth/token/refresh`, { refresh })
    expect(response.status).toBe(200)
  })

  test('passes its arguments on to wrangler dev, and Ctrl-C leaves no process behind', async () => {
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
    const apiUrl = `http://127.0.0.1:${portOf(api.address())}/emails`
    const port = await freePort()
    const vars = ['MAIL_TRANSPORT:api', `MAIL_API_URL:${apiUrl}`, 'MAIL_API_KEY:key-of-the-api']
    await run(
      'npm',
      ['start', '--', '--port', String(port), ...vars.flatMap((value) => ['--var', value])],
      'Ctrl-C stops it.',
    )

    const { refresh } = await signIn(`http://localhost:${port}`, confirmed())
    const moved = { 'CF-Connecting-IP': '198.51.100.23' }
    const blocked = await post(`http://localhost:${port}/auth/token/refresh`, { refresh }, moved)
    expect(blocked.status).toBe(401)
    await expect.poll(() => received.length, { timeout: 20_000 }).toBe(1)
    expect(received[0]?.headers).toMatchObject({ authorization: 'Bearer key-of-the-api' })
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
      to: confirmed().primary_email,
      subject: 'We blocked a sign-in from another place',
    })
    api.close()

    const processes = descendants(running?.pid)
    // npm's shell became our script (exec), which started wrangler, which started workerd.
    expect(processes.length).toBeGreaterThanOrEqual(3)
    await stop()
    await expect.poll(() => processes.filter(isAlive), { timeout: 10_000 }).toEqual([])
  })
})

/** Starts a command in the clone and resolves once it has printed `until`. */
async function run(command: string, args: readonly string[], until: string) {
  let text = ''
  const child = spawn(command, args, { cwd: clone, detached: true, env: ENVIRONMENT })
  running = child
  const shows = (expected: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => text.includes(expected) && resolve()
      for (const stream of [child.stdout, child.stderr]) stream.on('data', look)
      child.on('exit', () => reject(new Error(`${command} ended before it printed «${expected}»:\n${text}`)))
      look()
    })
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  }
  await shows(until)
  return { shows, text: () => text }
}

/** What Ctrl-C does: the whole process group of the terminal gets the signal. */
async function stop(): Promise<void> {
  const child = running
  running = undefined
  if (child?.pid === undefined || child.exitCode !== null) return
  const exited = once(child, 'exit')
  process.kill(-child.pid, 'SIGINT')
  await exited
}

function curlLines(log: string): readonly string[] {
  return log
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(curl|REFRESH=)/.test(line))
}

function demoAccounts(): Readonly<Record<'confirmed' | 'unconfirmed' | 'inactive', DemoAccount>> {
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

/** All processes that a process started, and those that they started. */
function descendants(ancestor: number | undefined): readonly number[] {
  const processes = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  const children = (parent: number): number[] =>
    processes.filter(([, ppid]) => ppid === parent).flatMap(([pid = 0]) => [pid, ...children(pid)])
  return ancestor === undefined ? [] : children(ancestor)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server.address())
  server.close()
  await once(server, 'close')
  return port
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return address.port
}
