/**
 * `npm run doctor`, in copies of this repository: against a machine in every state, and a deployment in the stand-in of
 * Cloudflare. What it makes of every other answer there, test/unit/scripts/doctor.test.ts says.
 */

import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { describe, expect, test } from 'vitest'

import { copyCheckout } from '../support/checkout.ts'
import { type CloudflareApi, commandEnvironment, startCloudflareApi } from '../support/cloudflare-api.ts'
import { deployed } from '../support/doctoring.ts'

const SECRET = 'jB1w0cVq4mS7tYp2Ke9Zr5Xn8Ld3Gh6Fa0Uo1Ii2Ss4Q='
const MIGRATIONS = readdirSync(join(import.meta.dirname, '../../migrations'))
  .filter((name) => name.endsWith('.sql'))
  .toSorted()
const NODE = `ok Node ${process.versions.node}`

type Environment = Readonly<Record<string, string>>

async function checkout() {
  const path = copyCheckout('doctor', { installed: true })
  const api = await startCloudflareApi()
  const environment = commandEnvironment(path, api)
  const run = async (args: readonly string[], env: Environment) => {
    // The type has the keys of the Worker, which are none of this process.
    const options = { cwd: path, env: { ...environment, ...env } as NodeJS.ProcessEnv }
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, options)
      return { code: 0, output: stdout + stderr }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      return { code, output: stdout + stderr }
    }
  }
  return {
    api,
    path,
    /** Runs the doctor; its lines about this machine, those about the deployment, and how it ended. */
    async examine(args: readonly string[] = [], env: Environment = {}) {
      const { code, output } = await run(['--disable-warning=ExperimentalWarning', 'scripts/doctor.ts', ...args], env)
      const [local = [], remote = []] = output.split('\n\n').map((part) =>
        part
          .split('\n')
          .filter(Boolean)
          .map((line) => line.replace(/ +/g, ' ')),
      )
      return { code, local, remote }
    },
    wrangler: (...args: readonly string[]) =>
      run(['node_modules/wrangler/bin/wrangler.js', ...args], { CI: '1', WRANGLER_SEND_METRICS: 'false' }),
    writeDevVars(more = '') {
      writeFileSync(join(path, '.dev.vars'), `AUTH_SECRET=${SECRET}\nISSUE_ACCESS=open\n${more}`)
    },
    async [Symbol.asyncDispose]() {
      await api.close()
      rmSync(path, { recursive: true, force: true })
    },
  }
}

function deployWell(api: CloudflareApi): void {
  const queues = ['tessera-mail', 'tessera-mail-dead']
  deployed(api, { secrets: ['AUTH_SECRET', 'SERVICE_KEY'], applied: MIGRATIONS, queues })
}

describe.concurrent('npm run doctor', () => {
  test('on a fresh clone says what npm start has yet to do', async () => {
    await using here = await checkout()
    expect(await here.examine()).toEqual({
      code: 1,
      local: [
        NODE,
        'ok wrangler.toml',
        'WRONG .dev.vars is missing: `npm start` writes it',
        `WRONG local database lacks ${MIGRATIONS.join(', ')}: \`npm start\` migrates it`,
      ],
      remote: [],
    })
    // Looking leaves nothing behind.
    expect(readdirSync(here.path)).not.toContain('.wrangler')
  })

  test('finds all well after that, and what was deployed, and names the key that was then set wrong', async () => {
    await using here = await checkout()
    here.writeDevVars()
    expect(await here.wrangler('d1', 'migrations', 'apply', 'DB', '--local')).toMatchObject({ code: 0 })
    deployWell(here.api)
    const [well, nowhere] = await Promise.all([
      here.examine(['--remote', '--url', `${here.api.url}/origin/auth.example.com`]),
      here.examine(['--remote', '--url', `${here.api.url}/origin/nowhere`]),
    ])
    const local = [NODE, 'ok wrangler.toml', 'ok .dev.vars', 'ok local database migrated']
    const remote = [
      'ok AUTH_SECRET is set',
      'ok SERVICE_KEY is set',
      'ok database migrated',
      'ok queue tessera-mail',
      'ok queue tessera-mail-dead',
    ]
    const address = `address ${here.api.url}/origin`
    expect(well).toEqual({ code: 0, local, remote: [...remote, `ok ${address}/auth.example.com/healthz: all is well`] })
    // Either half may end it with 1.
    const stranger = `WRONG ${address}/nowhere/healthz answers 404, and is no Tessera of this version`
    expect(nowhere).toEqual({ code: 1, local, remote: [...remote, stranger] })

    // This name of the database only wrangler can read.
    const toml = join(here.path, 'wrangler.toml')
    writeFileSync(toml, readFileSync(toml, 'utf8').replace('binding = "DB"', "binding = 'DB'"))
    const news = '9999_of_tomorrow.sql'
    writeFileSync(join(here.path, 'migrations', news), 'SELECT 1;')
    here.writeDevVars('LOCATION_POLICY=planet\nREFRESH_REUSE_SECOND=10\n')
    const { code, local: lines } = await here.examine()
    expect(code).toBe(1)
    expect(lines[2]).toMatch(/^WRONG \.dev\.vars LOCATION_POLICY Invalid option: .* \(set in \.dev\.vars\)$/)
    expect(lines.slice(3)).toEqual([
      'WRONG .dev.vars REFRESH_REUSE_SECOND in .dev.vars is no key of the configuration: did you mean REFRESH_REUSE_SECONDS?',
      `WRONG local database lacks ${news}: \`npm start\` migrates it`,
    ])
    expect(lines.join('\n')).not.toMatch(/planet|jB1w0c/)
  })

  test('asks wrangler where there is no file that it knows', async () => {
    await using here = await checkout()
    mkdirSync(join(here.path, '.wrangler/state/v3/d1/miniflare-D1DatabaseObject'), { recursive: true })
    const lacks = `WRONG local database lacks ${MIGRATIONS.join(', ')}: \`npm start\` migrates it`
    expect((await here.examine()).local.at(-1)).toBe(lacks)
  })

  test('says how it is called when it is called otherwise', async () => {
    await using here = await checkout()
    const { code, local } = await here.examine(['--everywhere'])
    expect({ code, first: local[0] }).toEqual({
      code: 1,
      first: expect.stringContaining("Unknown option '--everywhere'") as string,
    })
    expect((await here.examine(['--help'])).code).toBe(0)
  })
})

describe.concurrent('npm run doctor -- --remote', () => {
  test('says once that nobody is logged in, and asks the deployment all the same', async () => {
    await using here = await checkout()
    const { remote } = await here.examine(['--remote'], { CLOUDFLARE_API_TOKEN: '' })
    expect(remote).toEqual([
      'WRONG account You are not logged in to Cloudflare: run `npx wrangler login` once, or set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID.',
      'WRONG PUBLIC_URL is not known here: say where it answers, `npm run doctor -- --remote --url https://…`',
    ])
  })

  test('looks at the deployment that was brought up from here, and asks which where there are several', async () => {
    await using here = await checkout()
    deployWell(here.api)
    const bringUp = (name: string) => {
      mkdirSync(join(here.path, '.deploy', name), { recursive: true })
      const config = {
        name,
        main: '../../dist/worker/index.js',
        compatibility_date: '2026-10-01',
        vars: { PUBLIC_URL: `${here.api.url}/origin/nowhere` },
        d1_databases: [{ binding: 'DB', database_name: 'renamed', database_id: 'id-of-tessera' }],
      }
      writeFileSync(join(here.path, '.deploy', name, 'wrangler.json'), JSON.stringify(config))
    }
    bringUp('one')
    const first = await here.examine(['--remote'])
    bringUp('two')
    const [several, strange] = await Promise.all([
      here.examine(['--remote']),
      here.examine(['--remote', '--name', 'three']),
    ])

    expect(first.remote).toEqual([
      'WRONG Worker one: there is no such Worker yet: `npm run deploy` creates it',
      'ok database migrated',
      `WRONG address ${here.api.url}/origin/nowhere/healthz answers 404, and is no Tessera of this version`,
    ])
    expect(several.remote).toEqual([
      'WRONG deployment This checkout has several deployments: --name one, or --name two',
    ])
    expect(strange.remote).toEqual([
      'WRONG deployment This checkout knows no deployment three, only one and two and tessera',
    ])
  })
})
