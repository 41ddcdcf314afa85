/** What a deployment needs of wrangler.toml, and no other test would miss. */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { beforeAll, describe, expect, test } from 'vitest'
import { unstable_readConfig } from 'wrangler'

import { type Bundle, bundle, type BundleModule, coreKiB } from '../../bench/build.ts'
import { runWrangler } from '../../scripts/wrangler.ts'
import { parseConfig } from '../../src/config.ts'
import { RUN_SECONDS } from '../../src/db/purge.ts'
import { retryDelaySeconds } from '../../src/mail/delivery.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'

const root = join(import.meta.dirname, '../..')
const toml = readFileSync(join(root, 'wrangler.toml'), 'utf8')
const deploying = readFileSync(join(root, 'docs/deploy.md'), 'utf8')
const entry = readFileSync(join(root, 'src/index.ts'), 'utf8')

/** The ceiling of the core: the entry point and what it imports at once, as gzip. docs/performance.md has the target, 66 KiB, and why it is missed. */
const CORE_KIB = 75

/** What few isolates need. */
const LOADED_WHEN_MET = [
  'src/http/routes/return.ts',
  'src/http/answer/device.ts',
  'src/domain/sessions/device.ts',
  'src/domain/sessions/unproven.ts',
  'src/domain/sessions/refuse.ts',
  'src/domain/sessions/ticket.ts',
  'src/domain/tokens/dbsc.ts',
  'src/domain/tokens/dpop.ts',
  'src/words/en.ts',
  'src/words/ru.ts',
  'node_modules/argon2id/',
  'node_modules/@noble/hashes/',
  'node_modules/bcryptjs/',
  'src/pure-hashes.ts',
  'src/domain/accounts/foreign-hash.ts',
  'src/domain/accounts/foreign-engines.ts',
  'src/domain/accounts/foreign-forms.ts',
  'src/db/accounts/changes.ts',
  'src/db/accounts/registrations.ts',
  'src/db/accounts/credentials.ts',
  'src/db/accounts/leave.ts',
  'src/db/accounts/address-changes.ts',
  'src/domain/accounts/registration.ts',
  'src/domain/accounts/credentials.ts',
  'src/domain/accounts/address-change.ts',
  'src/http/people/',
  'src/http/operators/',
  'src/http/openapi/',
  'src/rpc/',
  'src/http/answer/answer-contract.ts',
  'src/error-reasons.ts',
  'src/error-remedies.ts',
  'src/http/reference/',
  'node_modules/zod-openapi/',
  'zod-of-document:',
  'src/http/answer/describe-user.ts',
  'src/domain/operators/create-user.ts',
  'src/domain/operators/change-user.ts',
  'src/domain/operators/end-user.ts',
  'src/domain/operators/history.ts',
  'src/domain/operators/own-claims.ts',
  'src/domain/operators/import-users.ts',
  'src/domain/operators/send-mails.ts',
  'src/db/operators/',
  'src/domain/accounts/password-rules.ts',
  'src/domain/accounts/most-used-passwords.bin',
  'src/domain/accounts/most-used-passwords.ts',
  'src/leaked-passwords.ts',
  'src/db/mails/outbox.ts',
  'src/db/mails/links.ts',
  'src/db/places.ts',
  'src/db/purge.ts',
  'src/mail/delivery.ts',
  'src/mail/messages/',
  'src/mail/transports/',
  'src/pages/',
  'src/unconfigured.ts',
]

/** The values of a key in every table of a name. */
function values(table: string, key: string): readonly (string | undefined)[] {
  return toml
    .split(/^(?=\[)/m)
    .filter((part) => part.startsWith(table))
    .map((part) => new RegExp(`^${key} = "?([^"#\\n]*?)"?(?: #.*)?$`, 'm').exec(part)?.[1])
}

describe('wrangler.toml', () => {
  test('consumes both queues, and the dead letters where the Worker expects them', () => {
    const suffix = /DEAD_LETTER_SUFFIX = '(.+)'/.exec(entry)?.[1]
    expect(suffix).toBeDefined()
    // The form of the Deploy button asks for names of its own.
    const [mails = '', dead = ''] = values('[[queues.consumers]]', 'queue')
    expect([mails.endsWith(`${suffix}`), dead.endsWith(`${suffix}`)]).toEqual([false, true])
    expect(values('[[queues.consumers]]', 'dead_letter_queue')).toEqual([dead, undefined])
    // A queue that is only consumed is not created by the first deploy.
    expect(values('[[queues.producers]]', 'queue')).toEqual([mails, dead])
  })

  test('tries a mail for a day', () => {
    const [retries] = values('[[queues.consumers]]', 'max_retries').map(Number)
    const delays = Array.from({ length: retries ?? 0 }, (_, i) => retryDelaySeconds(i + 1))
    expect(delays.reduce((sum, delay) => sum + delay, 0)).toBeGreaterThanOrEqual(86_400)
  })

  test('runs the sweep and the purge, keeps what the dashboard has, and keeps tokens of links out of logs', () => {
    // The purge has a slice for each run of a day: with fewer runs, some slices would never have their turn.
    expect(toml).toContain(`[triggers]\ncrons = ["*/${RUN_SECONDS / 60} * * * *"]\n`)
    expect(values('[observability]', 'redact_query_string')).toEqual(['true'])
    expect(toml).toMatch(/^keep_vars = true\b/m)
  })
})

describe('the address', () => {
  test('is never a preview, and a fork without a domain has one', () => {
    expect(toml).toMatch(/^preview_urls = false\b/m)
    expect(toml).not.toMatch(/^(workers_dev|routes?)\b/m)
  })

  test('is a domain alone, for whoever takes the comments away', () => {
    const example = toml.replace(/^# (?=routes|workers_dev|\[dev\]|host|PUBLIC_URL)/gm, '')
    const file = join(root, '.wrangler/test-address/wrangler.toml')
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, example)
    const config = unstable_readConfig({ config: file })

    expect(config.routes).toEqual([{ pattern: 'auth.example.com', custom_domain: true }])
    expect([config.workers_dev, config.preview_urls, config.dev.host]).toEqual([false, false, 'localhost:8787'])
    const { PUBLIC_URL } = parseConfig({ ...config.vars, AUTH_SECRET: TEST_BINDINGS.AUTH_SECRET })
    expect(PUBLIC_URL).toBe('https://auth.example.com')
  })
})

test('docs/deploy.md shows the domain as the only address, in the lines of wrangler.toml', () => {
  const shown = /```toml\n(.*?)```/s.exec(deploying)?.[1]?.trim().split('\n') ?? []
  expect(shown.map((line) => line.split(' = ')[0])).toEqual([
    'routes',
    'workers_dev',
    '[dev]',
    'host',
    '[vars]',
    'PUBLIC_URL',
  ])
  const ofToml = toml.split('\n').map((line) => line.replace(/^# /, ''))
  for (const line of shown)
    expect(
      ofToml.some((one) => one === line || one.startsWith(`${line} #`)),
      line,
    ).toBe(true)
})

describe('the bundle that a deploy uploads', () => {
  let built: Bundle
  beforeAll(async () => {
    built = await bundle('tessera', join(root, '.wrangler/test-bundle'))
  }, 60_000)

  test('has a core below its ceiling, WebAssembly not counted', () => {
    expect(coreKiB(built)).toBeLessThan(CORE_KIB)
  })

  test('has in its core what every isolate needs, and nothing that is loaded when it is met', () => {
    const core = sourcesOf((module) => module.isCore)
    expect(core).toContain('src/index.ts')
    expect(core).toContain('src/domain/sessions/refresh.ts')
    expect(core.filter((path) => LOADED_WHEN_MET.some((folder) => path.startsWith(folder)))).toEqual([])
    const later = sourcesOf((module) => !module.isCore)
    expect(LOADED_WHEN_MET.filter((folder) => !later.some((path) => path.startsWith(folder)))).toEqual([])
  })

  test('has each source once: a class that two modules know is the same to both', () => {
    const sources = sourcesOf(() => true)
    expect(sources.filter((path, i) => sources.indexOf(path) !== i)).toEqual([])
  })

  test('has nothing of the playground that npm start serves, and nothing of the test kit', () => {
    expect(sourcesOf(() => true).filter((path) => /^src\/(dev|testing)\//.test(path))).toEqual([])
  })

  test('is what wrangler uploads, by a build that it starts itself: every module, both of WebAssembly, and no source map', async () => {
    const outdir = join(root, '.wrangler/test-upload')
    rmSync(outdir, { recursive: true, force: true })
    const { ok, output } = await runWrangler(['deploy', '--dry-run', '--outdir', outdir], false)
    expect(ok, output).toBe(true)
    const uploaded = readdirSync(outdir).filter((name) => name !== 'README.md')
    expect(uploaded.toSorted()).toEqual(built.modules.map(({ name }) => name).toSorted())
    expect(built.modules.filter(({ type }) => type === 'CompiledWasm')).toHaveLength(2)
    for (const { name, contents } of built.modules)
      expect(readFileSync(join(outdir, name)).equals(contents), name).toBe(true)
  }, 60_000)

  /** The sources of some modules, those of packages included. */
  function sourcesOf(chosen: (module: BundleModule) => boolean): readonly string[] {
    return built.modules.filter(chosen).flatMap(({ sources }) => sources)
  }
})
