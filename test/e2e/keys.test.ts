/** `npm run keys` against a real Worker: the secret is rotated from one step to the next, and nobody is signed out. */

import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod/mini'

import { JWKS_SECONDS } from '../../src/domain/tokens/tokens.ts'
import { copyCheckout } from '../support/checkout.ts'
import { type Command, freePort, runCommand } from '../support/command.ts'

const PATIENCE_MS = 240_000
const REFRESH_TTL_SECONDS = 864_000
const Times = z.record(z.string(), z.number())
const Seen = z.object({ listedSince: Times, signingSince: Times })

let folder: string
let origin: string
let server: Command | undefined

beforeAll(async () => {
  folder = copyCheckout('keys', { installed: true })
  origin = `http://localhost:${await freePort()}`
  await start()
}, PATIENCE_MS)

/** Starts it, again where it runs. */
async function start(): Promise<void> {
  await server?.stop()
  const { port } = new URL(origin)
  server = runCommand('npm', ['start', '--ignore-scripts', '--', '--port', port], {
    cwd: folder,
    env: { ...process.env, CI: 'true' },
  })
  await server.shows('Ctrl-C stops it.')
}

afterAll(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function keys(...args: readonly string[]): Promise<{ readonly code: number | null; readonly text: string }> {
  const script = ['--disable-warning=ExperimentalWarning', 'scripts/keys.ts', ...args]
  const command = runCommand(process.execPath, script, { cwd: folder })
  return { code: await command.ended(), text: command.text() }
}

function secrets(): Readonly<Record<string, string | undefined>> {
  return parseEnv(readFileSync(join(folder, '.dev.vars'), 'utf8'))
}

async function listed(): Promise<readonly string[]> {
  const response = await fetch(`${origin}/.well-known/jwks.json`)
  const { keys: all } = await response.json<{ keys: { kid: string }[] }>()
  return all.map(({ kid }) => kid)
}

/** So much time passes for what was noted in a file. */
function letPass(file: string, seconds: number): void {
  const path = join(folder, file)
  const seen = Seen.parse(JSON.parse(readFileSync(path, 'utf8')))
  const earlier = (times: z.infer<typeof Times>) =>
    Object.fromEntries(Object.entries(times).map(([kid, at]) => [kid, at - seconds]))
  const changed = { listedSince: earlier(seen.listedSince), signingSince: earlier(seen.signingSince) }
  writeFileSync(path, JSON.stringify(changed))
}

async function refresh(token: string): Promise<string> {
  const response = await fetch(`${origin}/auth/token/refresh`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ refresh: token }),
  })
  expect(response.status).toBe(200)
  return (await response.json<{ refresh: string }>()).refresh
}

test(
  'walks through a rotation of the local secret, and refuses what is too early',
  { timeout: PATIENCE_MS },
  async () => {
    const { AUTH_SECRET: old = '' } = secrets()
    const opened = await fetch(`${origin}/6f9619ff-8b86-d011-b42d-00c04fc964ff`)
    let token = /refresh_token=([^;]+)/.exec(opened.headers.getSetCookie().join())?.[1] ?? ''
    const [first = ''] = await listed()
    const before = await keys('status')
    expect(before.text).toContain(`AUTH_SECRET           ${first}  signs, seen since `)
    expect(before.text).toContain('Next: `npm run keys -- rotate`, after which AUTH_SECRET_NEXT is a new secret.')
    expect(secrets()['AUTH_SECRET_NEXT']).toBeUndefined()

    expect(await keys('rotate')).toMatchObject({
      code: 0,
      text: expect.stringContaining('.dev.vars: AUTH_SECRET_NEXT'),
    })
    const { AUTH_SECRET_NEXT: next = '' } = secrets()
    expect(next).toMatch(/^[\w+/]{43}=$/)
    expect(statSync(join(folder, '.dev.vars')).mode & 0o777).toBe(0o600)
    await start()
    const [signing, second = '', ...more] = await listed()
    expect([signing, more]).toEqual([first, []])
    expect(await keys('rotate')).toMatchObject({ code: 1, text: expect.stringContaining('Not before ') })
    token = await refresh(token)

    letPass('.wrangler/keys.json', JWKS_SECONDS)
    expect((await keys('status')).text).toContain(`AUTH_SECRET_NEXT      ${second}  listed, seen since `)
    expect((await keys('rotate')).code).toBe(0)
    expect(secrets()).toMatchObject({ AUTH_SECRET: next, AUTH_SECRET_NEXT: '', AUTH_SECRET_PREVIOUS: old })
    await start()
    expect(await listed()).toEqual([second, first])
    token = await refresh(token)
    expect((await keys('rotate')).code).toBe(1)

    letPass('.wrangler/keys.json', REFRESH_TTL_SECONDS)
    expect((await keys('rotate')).code).toBe(0)
    expect(secrets()).toMatchObject({ AUTH_SECRET: next, AUTH_SECRET_PREVIOUS: '' })
    await refresh(token)

    // A deployment of this checkout with the same secret, in the file of its own.
    const deployment = join(folder, '.deploy/tessera')
    mkdirSync(deployment, { recursive: true })
    writeFileSync(join(deployment, 'secrets.json'), JSON.stringify({ AUTH_SECRET: next, SERVICE_KEY: 'kept' }))
    expect((await keys('rotate', '--remote', '--url', origin)).text).toContain('Now run `npm run deploy`')
    expect(JSON.parse(readFileSync(join(deployment, 'secrets.json'), 'utf8'))).toEqual({
      AUTH_SECRET: next,
      AUTH_SECRET_NEXT: expect.stringMatching(/^[\w+/]{43}=$/),
      AUTH_SECRET_PREVIOUS: '',
      SERVICE_KEY: 'kept',
    })
    const early = await keys('rotate', '--remote', '--url', origin)
    expect([early.code, early.text.trim()]).toEqual([
      1,
      'First bring this file into force: AUTH_SECRET_NEXT is not listed there: tokens of its key would be refused.',
    ])
  },
)

test.each([
  [['rotate', '--remote', '--name', 'nobody'], /knows no deployment nobody/],
  [['status', '--name', 'tessera'], /^--name is for --remote/],
  [['turn'], /^npm run keys -- status/],
  [['rotate', '--force'], /Unknown option/],
])('%j is refused, with what to do', { timeout: PATIENCE_MS }, async (args, text) => {
  expect(await keys(...args)).toMatchObject({ code: 1, text: expect.stringMatching(text) })
})

test('generates a secret, another one each time', { timeout: PATIENCE_MS }, async () => {
  const [one, two] = await Promise.all([keys('generate'), keys('generate')])
  expect([one.code, one.text.trim()]).toEqual([0, expect.stringMatching(/^[\w+/]{43}=$/)])
  expect(one.text).not.toBe(two.text)
})
