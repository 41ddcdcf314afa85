/**
 * The test kit at a stranger's: their folder has the package from its file, vitest, wrangler and the test of `examples/testing`, and nothing of this
 * repository. And as a process, for those who write their tests in something else.
 */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { root } from '../../scripts/wrangler.ts'
import { type Command, descendants, freePort, runCommand } from '../support/command.ts'
import { packKit } from '../support/packed-kit.ts'

let folder: string

beforeAll(async () => {
  const { tarball } = await packKit('e2e-stranger')
  folder = mkdtempSync(join(tmpdir(), 'tessera-kit-'))
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}')
  execFileSync('npm', ['install', '--no-audit', '--no-fund', tarball], { cwd: folder, stdio: 'pipe' })
  for (const name of ['vitest', 'wrangler']) {
    symlinkSync(realpathSync(join(root, 'node_modules', name)), join(folder, 'node_modules', name))
  }
  cpSync(join(root, 'examples/testing'), folder, { recursive: true })
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Report {
  readonly success: boolean
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly title: string
      readonly duration: number
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

/** Runs vitest in the stranger's folder, and what it found. */
async function runVitest(env: Readonly<Record<string, string>> = {}): Promise<Report> {
  const report = join(folder, 'report.json')
  const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=json', `--outputFile=${report}`]
  // Without what the vitest of this test says to those that it starts.
  const own = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|VITE_|NODE_ENV|TEST$)/.test(name)),
  )
  const child = spawn(process.execPath, args, {
    cwd: folder,
    stdio: 'ignore',
    env: { ...own, ...env } as unknown as NodeJS.ProcessEnv,
  })
  await once(child, 'exit')
  return JSON.parse(execFileSync('cat', [report], { encoding: 'utf8' })) as Report
}

describe("a stranger's test", () => {
  test('of a signed-in page has five lines, is green, and takes a moment', async () => {
    const { success, testResults } = await runVitest()
    const results = testResults.flatMap(({ assertionResults }) => assertionResults)
    expect(results.flatMap(({ failureMessages }) => failureMessages)).toEqual([])
    expect([success, results.map(({ title }) => title)]).toEqual([true, ['whoever is signed in sees their page']])
    // On an idle machine it takes 1 s; this one may be busy, and then a test that fails would say nothing of the kit.
    expect(results[0]?.duration).toBeLessThan(15_000)
  })

  test('says which variable is a real secret, and starts nothing', async () => {
    const { success, testResults } = await runVitest({ AUTH_SECRET: 'jB1w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q=' })
    const messages = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .flatMap(({ failureMessages }) => failureMessages)
    expect([success, messages]).toEqual([false, [expect.stringContaining('AUTH_SECRET is set')]])
  })

  test('says what to install where wrangler is missing', () => {
    const bare = join(folder, 'bare/node_modules')
    mkdirSync(bare, { recursive: true })
    cpSync(join(folder, 'node_modules/tessera'), join(bare, 'tessera'), { recursive: true })
    // One level up there would be the wrangler of the stranger.
    const alone = mkdtempSync(join(tmpdir(), 'tessera-bare-'))
    cpSync(dirname(bare), alone, { recursive: true })
    try {
      const script = "await (await import('tessera/testing')).startTessera()"
      const run = () =>
        execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: alone, stdio: 'pipe' })
      expect(run).toThrow('npm install --save-dev wrangler')
    } finally {
      rmSync(alone, { recursive: true, force: true })
    }
  })
})

/** Whether a process is there. */
function isLeft(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('npx tessera-testing', () => {
  let command: Command
  let values: Readonly<Record<string, string>>
  let port: number

  beforeAll(async () => {
    port = await freePort()
    const args = [
      'tessera-testing',
      '--port',
      String(port),
      '--setting',
      'REGISTRATION=open',
      '--setting',
      'LOCATION_POLICY=country',
    ]
    command = runCommand('npx', args, { cwd: folder })
    await command.shows('docs/testing.md')
    values = Object.fromEntries(
      command
        .text()
        .split('\n')
        .flatMap((line) => {
          const [, name, value] = /^([A-Z_]+)=(.+)$/.exec(line) ?? []
          return name === undefined ? [] : [[name, value ?? '']]
        }),
    )
  })

  afterAll(async () => {
    if (command.child.exitCode === null && command.child.signalCode === null) await command.stop()
  })

  async function ask(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) {
    const answer = await fetch(`${values['TESSERA_TESTING_URL']}${path}`, {
      method,
      headers: { Authorization: `Bearer ${values['SERVICE_KEY']}`, ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, body: text === '' ? null : (JSON.parse(text) as Record<string, never>) }
  }

  test('prints three lines for programs, and answers at the port that was asked for', async () => {
    expect(
      command
        .text()
        .split('\n', 3)
        .map((line) => line.split('=')[0]),
    ).toEqual(Object.keys(values))
    expect(values['TESSERA_URL']).toBe(`http://localhost:${port}`)
    expect((await fetch(`${values['TESSERA_URL']}/healthz`)).status).toBe(200)
  })

  test('prints lines that make a user and a session, when they are pasted', () => {
    const lines = command.text().match(/^ {2}curl .+$/gm) ?? []
    const made = lines.map(
      (line) => JSON.parse(execFileSync('sh', ['-c', `${line} -s`], { encoding: 'utf8' })) as object,
    )
    expect(made).toEqual([
      expect.objectContaining({ user_id: expect.any(Number), password: expect.any(String) }),
      expect.objectContaining({ access: expect.any(String), cookieHeader: expect.stringContaining('refresh_token=') }),
    ])
  })

  test('does by HTTP what the functions do', async () => {
    const { status, body: user } = await ask('POST', '/users', { email: 'a@example.com', group: 'admins' })
    expect([status, user]).toEqual([201, expect.objectContaining({ email: 'a@example.com', group: 'admins' })])
    const { body: session } = await ask('POST', '/sessions', { guid: user?.['guid'], userAgent: 'A browser/1' })
    expect(session).toMatchObject({ guid: user?.['guid'] })
    expect(await ask('POST', '/steal', session)).toEqual({
      status: 200,
      body: { status: 401, code: 'location_blocked' },
    })
    const { body: mail } = await ask('GET', '/mails?to=a@example.com')
    expect(mail).toMatchObject({ kind: 'location_blocked', links: { end_sessions: expect.any(String) } })
    const { body: other } = await ask('POST', '/sessions')
    const me = () => fetch(`${values['TESSERA_URL']}/auth/me`, { headers: { Cookie: String(other?.['cookieHeader']) } })
    expect((await me()).status).toBe(200)
    expect(await ask('POST', '/travel', { seconds: 310 })).toEqual({ status: 204, body: null })
    expect((await me()).status).toBe(401)
    expect((await ask('POST', '/travel', { days: 1 })).status).toBe(204)
  })

  test('says what it does not take', async () => {
    expect(await ask('POST', '/users', { email: 'no address' })).toEqual({
      status: 400,
      body: { error: expect.stringContaining('Invalid email address') },
    })
    expect((await ask('POST', '/travel', {})).status).toBe(400)
    expect((await ask('PUT', '/users', {})).status).toBe(404)
  })

  test('does nothing for a page of a browser, and nothing without the key', async () => {
    expect((await ask('POST', '/users', {}, { Origin: 'http://localhost:3000' })).status).toBe(403)
    expect((await ask('POST', '/users', {}, { 'Sec-Fetch-Site': 'none' })).status).toBe(403)
    expect((await ask('POST', '/users', {}, { Authorization: 'Bearer no' })).status).toBe(403)
    expect(
      execFileSync(
        'curl',
        [
          '-s',
          '-o',
          '/dev/null',
          '-w',
          '%{http_code}',
          '-H',
          'Host: evil.example',
          '-H',
          `Authorization: Bearer ${values['SERVICE_KEY']}`,
          '-X',
          'POST',
          `${values['TESSERA_TESTING_URL']}/users`,
        ],
        { encoding: 'utf8' },
      ),
    ).toBe('403')
  })

  test.runIf(process.platform === 'linux')('is reached by the address of this machine alone', async () => {
    const other = values['TESSERA_TESTING_URL']?.replace('localhost', '127.0.0.2') ?? ''
    await expect(fetch(other)).rejects.toThrow('fetch failed')
  })

  test('ends by a SIGTERM, with all that it started', async () => {
    const script = join(folder, 'node_modules/tessera/tessera-testing.js')
    const other = runCommand(process.execPath, [script], { cwd: folder })
    await other.shows('docs/testing.md')
    const started = descendants(other.child.pid)
    expect(started.length).toBeGreaterThan(0)
    other.child.kill('SIGTERM')
    await other.ended()
    await expect.poll(() => started.filter(isLeft), { timeout: 10_000 }).toEqual([])
  })

  test('ends with Ctrl-C, and leaves nothing behind', async () => {
    const started = descendants(command.child.pid)
    expect(started.length).toBeGreaterThan(0)
    await command.stop()
    await expect
      .poll(() =>
        fetch(`${values['TESSERA_URL']}/healthz`).then(
          () => 'up',
          () => 'down',
        ),
      )
      .toBe('down')
    await expect.poll(() => started.filter(isLeft), { timeout: 10_000 }).toEqual([])
  })
})
