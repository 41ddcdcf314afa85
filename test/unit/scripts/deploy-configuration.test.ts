/** What `npm run deploy` configures, and what it keeps of a deployment. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import {
  checkConfiguration,
  configure,
  deployedBasePath,
  resourceNames,
  type Template,
} from '../../../scripts/deploy/configuration.ts'
import { keepFile, readKept } from '../../../scripts/deploy/kept-file.ts'
import { findSecrets, fingerprint, secretsFile } from '../../../scripts/deploy/secrets.ts'
import type { Settings } from '../../../scripts/deploy/settings.ts'
import { ACCOUNT } from '../../support/cloudflare-api.ts'
import { startStandIn } from '../../support/stand-in.ts'

startStandIn()

describe('the configuration of a deployment', () => {
  const template: Template = {
    name: 'tessera',
    main: 'dist/worker/index.js',
    assets: { directory: 'dist/assets', binding: 'ASSETS' },
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
  const base = { name: 'live', account: ACCOUNT, databaseId: 'uuid', basePath: '', mailFrom: null }

  test('is named after it all through, and lies where wrangler finds everything', () => {
    const resources = resourceNames(template, 'live', null)
    expect(resources).toEqual({ database: 'live', queue: 'live-mail', deadLetters: 'live-mail-dead', events: null })
    const address = { host: 'auth.example.com', isDomain: true }
    expect(configure(template, { ...base, resources, address, mailFrom: 'a@example.com' })).toEqual({
      name: 'live',
      account_id: ACCOUNT,
      main: '../../dist/worker/index.js',
      assets: { directory: '../../dist/assets', binding: 'ASSETS' },
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

  test('takes a route of a host that an application has, and no host, where it is below a prefix', () => {
    const resources = resourceNames(template, 'live', null)
    const address = { host: 'app.example.com', isDomain: true }
    const basePath = deployedBasePath(template, { vars: { BASE_PATH: '/auth-service/' } })
    expect(configure(template, { ...base, resources, address, basePath })).toMatchObject({
      vars: { PUBLIC_URL: 'https://app.example.com' },
      routes: ['app.example.com/auth-service/*', 'app.example.com/.well-known/oauth-authorization-server/auth-service'],
      workers_dev: false,
    })
    const written = { ...template, vars: { BASE_PATH: '/auth' } }
    expect(deployedBasePath(written, { vars: { BASE_PATH: '/auth-service' } })).toBe('/auth')
    expect(deployedBasePath(template, null)).toBe('')
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
      events: null,
    })
  })

  test('has a queue of events of its own, where wrangler.toml has one', () => {
    const followed: Template = {
      ...template,
      queues: {
        ...template.queues,
        producers: [...(template.queues?.producers ?? []), { binding: 'EVENTS', queue: 'tessera-events' }],
      },
    }
    expect(resourceNames(followed, 'tessera', null).events).toBe('tessera-events')
    expect(resourceNames(followed, 'live', { ...worker, queues: { EVENTS: 'kept' } }).events).toBe('kept')
    const resources = resourceNames(followed, 'live', null)
    expect(resources.events).toBe('live-events')
    expect(configure(followed, { ...base, resources, address: null })).toMatchObject({
      queues: {
        producers: [
          { binding: 'MAIL_QUEUE', queue: 'live-mail' },
          { binding: 'MAIL_DEAD_LETTERS', queue: 'live-mail-dead' },
          { binding: 'EVENTS', queue: 'live-events' },
        ],
      },
    })
  })

  test('has the names that wrangler.toml has, whatever they are, where that is written for it', () => {
    // As the form of the Deploy button leaves it.
    const filled: Template = {
      ...template,
      name: 'auth',
      d1_databases: [{ binding: 'DB', database_name: 'people', database_id: 'made-by-the-form' }],
    }
    const names = { queue: 'tessera-mail', deadLetters: 'tessera-mail-dead', events: null }
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
      events: null,
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

  test('may sign with an RSA key that only the Worker has, and with none that nobody has', () => {
    const address = { host: 'auth.example.com', isDomain: true }
    const signing = { ...template, vars: { ...template.vars, ACCESS_TOKEN_ALG: 'RS256' } }
    const check = (secrets: readonly string[], known: object | null) => () => {
      checkConfiguration(signing, { address, mailFrom: null }, { ...worker, secrets, queues: {} }, known)
    }

    expect(check(['AUTH_SECRET', 'ACCESS_TOKEN_RSA_KEY'], null)).not.toThrow()
    expect(check(['AUTH_SECRET'], null)).toThrow(/^Configuration: ACCESS_TOKEN_RSA_KEY is needed by/)
    expect(check(['ACCESS_TOKEN_RSA_KEY'], { ACCESS_TOKEN_RSA_KEY: 'x' })).toThrow(
      /ACCESS_TOKEN_RSA_KEY must be an RSA/,
    )
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
    const noRsaKey = { ...CI, ACCESS_TOKEN_RSA_KEY: '', ACCESS_TOKEN_RSA_KEY_PREVIOUS: '' }
    expect(find([...BOTH, 'ACCESS_TOKEN_RSA_KEY', 'ACCESS_TOKEN_RSA_KEY_PREVIOUS'], noRsaKey).secrets).toEqual({
      ACCESS_TOKEN_RSA_KEY_PREVIOUS: '',
    })
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
