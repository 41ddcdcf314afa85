/**
 * The adapters in the frameworks that they are for, installed from the packed package as a stranger does it: who is let in, and how a browser whose pair is over gets
 * to Tessera and back to the page that it wanted.
 */

import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestHarness, type TestHarness } from 'wrangler'

import { createAccount, PASSWORD } from '../support/accounts.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'
import { freePort, runCommand } from '../support/command.ts'
import { expired, ofAnotherIssuer } from '../support/expired.ts'
import { copyExample, type Folder, packTessera, type Program } from '../support/stranger.ts'

const root = join(import.meta.dirname, '../..')
const GUID = '6f9619ff-8b86-d011-b42d-00c04fc964ff'

let harness: TestHarness
let tessera: string
let tarball: string
/** Where the applications with pages are: Tessera has to know, before they are up. */
const ports = new Map<string, number>()

beforeAll(async () => {
  tarball = packTessera()
  for (const name of ['next', 'sveltekit']) ports.set(name, await freePort())
  const RETURN_ORIGINS = [...ports.keys()].map(originOf).join()
  const secrets = { ...TEST_BINDINGS, RETURN_ORIGINS, SIGN_IN_URL: `${originOf('next')}/` }
  harness = createTestHarness({ workers: [{ configPath: join(root, 'wrangler.toml'), secrets }] })
  tessera = (await harness.listen()).url.origin
  await harness.getWorker<Env>().applyD1Migrations('DB')
})

afterAll(() => harness.close())

function originOf(name: string): string {
  return `http://127.0.0.1:${ports.get(name)}`
}

/** The cookies of somebody who has just been signed in, by name. */
async function signIn(): Promise<Map<string, string>> {
  return readCookies(await fetch(`${tessera}/${GUID}`))
}

function readCookies(answer: Response): Map<string, string> {
  const pairs = answer.headers.getSetCookie().map((line) => line.split(';')[0]?.split('=') ?? [])
  return new Map(pairs.map(([name = '', value = '']) => [name, value]))
}

function send(cookies: ReadonlyMap<string, string>, headers: Record<string, string> = {}): RequestInit {
  const Cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  return { headers: { ...headers, Cookie }, redirect: 'manual' }
}

/** What a browser gets that goes to a page. `fetch` of Node says in `Sec-Fetch-Mode` that it is a script. */
async function navigate(url: string, cookies: ReadonlyMap<string, string>): Promise<Response> {
  const { headers } = new Request(url, send(cookies, { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }))
  const asking = request(url, { headers: Object.fromEntries(headers) }).end()
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  const lines = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value) => [name, value]),
  )
  return new Response(await text(answer), { status: answer.statusCode ?? 0, headers: lines as [string, string][] })
}

test('a program signs in by the client, says who that is, and signs out', async () => {
  const { DB } = await harness.getWorker<Env>().getEnv()
  const { email, guid } = await createAccount(DB)
  const folder = copyExample('client', tarball)
  const start = async (password: string) => {
    const args = ['command-line.js', email ?? '', password]
    const command = runCommand(process.execPath, args, { cwd: folder.path, env: { ...process.env, TESSERA: tessera } })
    return { code: await command.ended(), said: command.text() }
  }
  try {
    expect(await start(PASSWORD)).toEqual({ code: 0, said: expect.stringContaining(guid) })
    expect(await start('wrong')).toEqual({ code: 1, said: 'No active account found with the given credentials\n' })
    const live =
      'SELECT count(*) AS n FROM sessions JOIN users ON users.id = user_id WHERE primary_email = ? AND revoked_at IS NULL'
    expect(await DB.prepare(live).bind(email).first('n')).toBe(0)
  } finally {
    folder.remove()
  }
})

describe.each(['hono', 'express'])('%s', (name) => {
  let folder: Folder
  let program: Program

  beforeAll(async () => {
    folder = copyExample(`frameworks/${name}`, tarball)
    program = await folder.start(process.execPath, ['app.js'], { ISSUER: tessera })
  })

  afterAll(async () => {
    await program.stop()
    folder.remove()
  })

  async function ask(init: RequestInit): Promise<readonly [number, string]> {
    const answer = await fetch(`${program.url}/orders`, init)
    return [answer.status, await answer.text()]
  }

  test('lets in by a bearer token, and by the cookie', async () => {
    const cookies = await signIn()
    const Authorization = `Bearer ${cookies.get('access_token')}`
    expect(await ask({ headers: { Authorization } })).toEqual([200, `Orders of ${GUID}`])
    expect(await ask(send(cookies))).toEqual([200, `Orders of ${GUID}`])
  })

  test('refuses a refresh token, one that is over, one of another issuer, and none', async () => {
    const cookies = await signIn()
    const access = cookies.get('access_token') ?? ''
    for (const token of [cookies.get('refresh_token'), await expired(access), await ofAnotherIssuer(access)]) {
      const [status, body] = await ask({ headers: { Authorization: `Bearer ${token}` } })
      expect([status, JSON.parse(body)]).toMatchObject([401, { code: 'token_not_valid' }])
    }
    const [status, body] = await ask({})
    expect([status, JSON.parse(body)]).toMatchObject([401, { code: 'not_authenticated' }])
  })

  test('lets a page of somebody else change nothing', async () => {
    const init = send(await signIn(), { Origin: 'https://evil.example' })
    expect((await ask({ ...init, method: 'POST' }))[0]).toBe(403)
  })
})

describe.each([
  ['next', ['node_modules/next/dist/bin/next', 'build'], ['node_modules/next/dist/bin/next', 'start']],
  ['sveltekit', ['node_modules/vite/bin/vite.js', 'build'], ['build']],
])('%s', (name, build, start) => {
  let folder: Folder
  let program: Program
  let app: string

  beforeAll(async () => {
    app = originOf(name)
    folder = copyExample(`frameworks/${name}`, tarball)
    // The settings of the run are not known while it is built.
    folder.run(process.execPath, ...build)
    const env = { ISSUER: tessera, APP: app, ORIGIN: app, PORT: String(ports.get(name)), NEXT_TELEMETRY_DISABLED: '1' }
    program = await folder.start(process.execPath, start, env)
  })

  afterAll(async () => {
    await program.stop()
    folder.remove()
  })

  test('renders for whoever is signed in, and says on an open page who that is', async () => {
    const cookies = await signIn()
    const page = await navigate(`${app}/orders`, cookies)
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining(`Orders of ${GUID}`)])
    const open = await (await fetch(`${app}/`, send(cookies))).text()
    expect(open).toContain(`Hello ${GUID}`)
    expect(await (await navigate(`${app}/`, new Map())).text()).toContain('Nobody is signed in')
  })

  test('sends a browser whose token is over to Tessera, which renews the pair and sends it back to its page', async () => {
    const cookies = await signIn()
    cookies.set('access_token', await expired(cookies.get('access_token') ?? ''))
    const away = await navigate(`${app}/orders?page=2`, cookies)
    const to = away.headers.get('Location') ?? ''
    expect([away.status, to]).toEqual([303, `${tessera}/refresh?to=${encodeURIComponent(`${app}/orders?page=2`)}`])

    const back = await navigate(to, cookies)
    expect([back.status, back.headers.get('Location')]).toEqual([303, `${app}/orders?page=2`])
    const renewed = readCookies(back)
    const page = await navigate(back.headers.get('Location') ?? '', renewed)
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining(`Orders of ${GUID}`)])
  })

  test('answers 401 to a script, which cannot follow there', async () => {
    expect((await fetch(`${app}/orders`)).status).toBe(401)
  })
})
