/**
 * `npm run doctor`, in a copy of this repository: against a machine in every state, and with the real wrangler against a
 * stand-in for Cloudflare that answers as its API does, and as the deployment.
 */

import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const SECRET = 'jB1w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q='
const ACCOUNT = '0123456789abcdef0123456789abcdef'
const MIGRATIONS = execFileSync('git', ['ls-files', 'migrations/*.sql'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter(Boolean)
  .map((path) => path.replace('migrations/', ''))
const WELL = { configuration: 'ok', keys: 'ok', database: 'ok', queue: 'ok', sender: 'ok' }

const copy = mkdtempSync(join(tmpdir(), 'tessera-doctor-'))

/** What the account has, and what the deployment says of itself. */
let account: {
  token: 'good' | 'limited'
  worker: boolean
  secrets: string[]
  applied: readonly string[] | null
  queues: string[]
}
let health: { status: number; body: string }

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stand-in')
    if (pathname === '/healthz') return response.writeHead(health.status).end(health.body)
    const path = pathname.replace(`/accounts/${ACCOUNT}`, '')
    if (account.token === 'limited') return refuse(response, 403, 10_000, 'Authentication error')
    if (path === '/workers/scripts/tessera/secrets') {
      if (!account.worker) return refuse(response, 404, 10_007, 'This Worker does not exist on your account.')
      return send(
        response,
        account.secrets.map((name) => ({ name, type: 'secret_text' })),
      )
    }
    if (path === '/d1/database/tessera') {
      if (account.applied === null) return refuse(response, 404, 7404, 'The database could not be found')
      return send(response, { uuid: '11111111-1111-4111-8111-111111111111', name: 'tessera' })
    }
    if (path.endsWith('/query')) {
      const results = account.applied?.map((name) => ({ name })) ?? []
      return send(response, [{ results, success: true, meta: {} }])
    }
    if (path === '/queues') {
      const found = account.queues.filter((name) => name === searchParams.get('name'))
      const rest = { producers: [], consumers: [], producers_total_count: 0, consumers_total_count: 0, created_on: '' }
      return send(
        response,
        found.map((name) => ({ queue_id: name, queue_name: name, settings: {}, ...rest })),
      )
    }
    return refuse(response, 404, 7003, `no route ${path}`)
  })
})
let origin = ''

function send(response: ServerResponse, result: unknown): void {
  const info = { page: 1, per_page: 100, count: 1, total_count: 1, total_pages: 1 }
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify({ success: true, errors: [], messages: [], result, result_info: info }))
}

function refuse(response: ServerResponse, status: number, code: number, message: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify({ success: false, errors: [{ code, message }], messages: [], result: null }))
}

/** Runs the doctor in the copy; its lines by part, and how it ended. */
async function examine(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/doctor.ts', ...args], {
    cwd: copy,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: copy,
      CLOUDFLARE_API_BASE_URL: origin,
      CLOUDFLARE_API_TOKEN: 'token',
      CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
      ...env,
    } as unknown as NodeJS.ProcessEnv,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const code = await new Promise<number | null>((done) => child.on('close', done))
  return {
    code,
    lines: output
      .split('\n')
      .filter(Boolean)
      .map((line) => line.replace(/ +/g, ' ')),
  }
}

const remote = async (env: Readonly<Record<string, string>> = {}) => {
  const { code, lines } = await examine(['--remote', '--url', origin], env)
  return { code, lines: lines.slice(4) }
}

function writeDevVars(more = ''): void {
  writeFileSync(join(copy, '.dev.vars'), `AUTH_SECRET=${SECRET}\nISSUE_ACCESS=open\n${more}`)
}

function wrangler(...args: readonly string[]): void {
  const env = { ...process.env, CI: '1', HOME: copy, WRANGLER_SEND_METRICS: 'false' }
  execFileSync(process.execPath, [join(root, 'node_modules/wrangler/bin/wrangler.js'), ...args], {
    cwd: copy,
    env,
    stdio: 'ignore',
  })
}

beforeAll(async () => {
  const files = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  for (const file of files.split('\0').filter((name) => /^(?:src|scripts|migrations)\/|^[^/]+$/.test(name))) {
    cpSync(join(root, file), join(copy, file))
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(copy, { recursive: true, force: true })
})

beforeEach(() => {
  account = {
    token: 'good',
    worker: true,
    secrets: ['AUTH_SECRET', 'SERVICE_KEY'],
    applied: MIGRATIONS,
    queues: ['tessera-mail', 'tessera-mail-dead'],
  }
  health = { status: 200, body: JSON.stringify({ status: 'ok', checks: WELL }) }
})

describe('npm run doctor', () => {
  test('on a fresh clone says what npm start has yet to do', async () => {
    expect(await examine()).toEqual({
      code: 1,
      lines: [
        `ok Node ${process.versions.node}`,
        'ok wrangler.toml',
        'WRONG .dev.vars is missing: `npm start` writes it',
        `WRONG local database lacks ${MIGRATIONS.join(', ')}: \`npm start\` migrates it`,
      ],
    })
  })

  test('finds all well after that, and names the key that was then set wrong', async () => {
    writeDevVars()
    wrangler('d1', 'migrations', 'apply', 'DB', '--local')
    expect(await examine()).toEqual({
      code: 0,
      lines: [`ok Node ${process.versions.node}`, 'ok wrangler.toml', 'ok .dev.vars', 'ok local database migrated'],
    })

    writeDevVars('LOCATION_POLICY=planet\nREFRESH_REUSE_SECOND=10\n')
    const { code, lines } = await examine()
    writeDevVars()
    expect(code).toBe(1)
    expect(lines[2]).toMatch(/^WRONG \.dev\.vars LOCATION_POLICY Invalid option: .* \(set in \.dev\.vars\)$/)
    expect(lines[3]).toBe(
      'WRONG .dev.vars REFRESH_REUSE_SECOND in .dev.vars is no key of the configuration: did you mean REFRESH_REUSE_SECONDS?',
    )
    expect(lines.join('\n')).not.toMatch(/planet|jB1w0c/)
  })

  test('says how it is called when it is called otherwise', async () => {
    const { code, lines } = await examine(['--everywhere'])
    expect({ code, first: lines[0] }).toEqual({
      code: 1,
      first: expect.stringContaining("Unknown option '--everywhere'") as string,
    })
    expect((await examine(['--help'])).code).toBe(0)
  })
})

describe('npm run doctor -- --remote', () => {
  test('finds a deployment well', async () => {
    expect(await remote()).toEqual({
      code: 0,
      lines: [
        'ok AUTH_SECRET is set',
        'ok SERVICE_KEY is set',
        'ok database migrated',
        'ok queue tessera-mail',
        'ok queue tessera-mail-dead',
        `ok address ${origin}/healthz: all is well`,
      ],
    })
  })

  test('says in one line each what is missing, and what to do', async () => {
    account = { ...account, secrets: [], applied: MIGRATIONS.slice(0, -1), queues: ['tessera-mail'] }
    const checks = {
      ...WELL,
      configuration: 'not ok',
      keys: 'unknown',
      database: 'not ok',
      queue: 'not ok',
      sender: 'unknown',
    }
    health = { status: 503, body: JSON.stringify({ status: 'not ok', checks }) }

    expect(await remote()).toEqual({
      code: 1,
      lines: [
        'WRONG AUTH_SECRET is missing: `npm run deploy` makes it, or set it under Settings → Variables and Secrets',
        'ok SERVICE_KEY is not set: every call of a back end is refused, which may be meant',
        `WRONG database lacks ${MIGRATIONS.at(-1) ?? ''}: \`npm run deploy\` migrates it`,
        'ok queue tessera-mail',
        'WRONG queue tessera-mail-dead: there is no such queue: `npm run deploy` creates it',
        'WRONG configuration a value cannot be used: `npx wrangler tail tessera` names its key at the next request',
        'WRONG database it is not migrated, or does not answer: `npm run deploy` migrates it',
        'WRONG queue it does not answer: `npm run deploy` creates what is missing',
      ],
    })
  })

  test('says that nothing is deployed yet', async () => {
    account = { ...account, worker: false, applied: null, queues: [] }
    health = { status: 404, body: 'There is nothing here yet' }

    expect(await remote()).toEqual({
      code: 1,
      lines: [
        'WRONG Worker tessera: there is no such Worker yet: `npm run deploy` creates it',
        'WRONG database there is no such database yet: `npm run deploy` creates it',
        'WRONG queue tessera-mail: there is no such queue: `npm run deploy` creates it',
        'WRONG queue tessera-mail-dead: there is no such queue: `npm run deploy` creates it',
        `WRONG address ${origin}/healthz answers 404, and is no Tessera of this version`,
      ],
    })
  })

  test('says which rights a token lacks', async () => {
    account = { ...account, token: 'limited' }
    const { code, lines } = await remote()

    expect(code).toBe(1)
    const right = 'the token lacks a right for this: Workers Scripts, D1 and Queues, each with Edit'
    expect(lines.slice(0, 3)).toEqual([
      `WRONG Worker tessera: ${right}`,
      `WRONG database ${right}`,
      `WRONG queue tessera-mail: ${right}`,
    ])
  })

  test('says once that nobody is logged in, and asks the deployment all the same', async () => {
    expect(await remote({ CLOUDFLARE_API_TOKEN: '' })).toEqual({
      code: 1,
      lines: [
        'WRONG Cloudflare you are not logged in to Cloudflare: run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN',
        `ok address ${origin}/healthz: all is well`,
      ],
    })
  })

  test('says that an address does not answer, and that none is known', async () => {
    const noToken = { CLOUDFLARE_API_TOKEN: '' }
    const [{ lines: silent }, { lines: unknown }] = await Promise.all([
      examine(['--remote', '--url', 'http://127.0.0.1:9'], noToken),
      examine(['--remote'], noToken),
    ])

    expect(silent.at(-1)).toMatch(
      /^WRONG address http:\/\/127\.0\.0\.1:9\/healthz does not answer \(.+\): look at Settings → Domains & Routes$/,
    )
    expect(unknown.at(-1)).toBe(
      'WRONG PUBLIC_URL is not known here: say where it answers, `npm run doctor -- --remote --url https://…`',
    )
  })

  test('looks at the deployment that was brought up from here, and asks which where there are several', async () => {
    const bringUp = (name: string) => {
      mkdirSync(join(copy, '.deploy', name), { recursive: true })
      const config = {
        name,
        main: '../../src/index.ts',
        compatibility_date: '2026-10-01',
        vars: { PUBLIC_URL: origin },
      }
      writeFileSync(join(copy, '.deploy', name, 'wrangler.json'), JSON.stringify(config))
    }
    bringUp('one')
    const first = await examine(['--remote'], { CLOUDFLARE_API_TOKEN: '' })
    bringUp('two')
    const [several, strange] = await Promise.all([examine(['--remote']), examine(['--remote', '--name', 'three'])])
    rmSync(join(copy, '.deploy'), { recursive: true })

    expect(first.lines.at(-1)).toBe(`ok address ${origin}/healthz: all is well`)
    expect(several.lines.at(-1)).toBe(
      'WRONG deployment This checkout has several deployments: --name one, or --name two',
    )
    expect(strange.lines.at(-1)).toBe(
      'WRONG deployment This checkout knows no deployment three, only one and two and tessera',
    )
  })
})
