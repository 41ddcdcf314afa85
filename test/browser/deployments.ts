/**
 * Tesseras behind https names, each with settings of its own, in one workerd: which one is asked is decided by routes, as Cloudflare has
 * them. Each has a database of its own, with one account.
 */

import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createTestHarness } from 'wrangler'

import { bundleModules, ENTRY } from '../../scripts/bundle.ts'
import { createAccount, PASSWORD } from '../support/accounts.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'

export interface Deployment {
  readonly database: D1Database
  /** Of its account. */
  readonly guid: string
  readonly email: string
}

export interface Deployments {
  /** Where all of them listen on this machine. */
  readonly port: number
  readonly all: readonly Deployment[]
  readonly close: () => Promise<void>
}

type Settings = Readonly<Partial<Record<keyof typeof TEST_BINDINGS, string>>>

export { PASSWORD }
export const SERVICE_KEY = TEST_BINDINGS.SERVICE_KEY

const root = join(import.meta.dirname, '../..')
/** The Worker as a deploy uploads it. */
const built = join(root, '.wrangler/test-deployments')

/** Starts one for each of the settings; their `PUBLIC_URL` and `BASE_PATH` say where it is reached. Takes some seconds. */
export async function startDeployments(settings: readonly Settings[]): Promise<Deployments> {
  // Wrangler would ask the internet where it is.
  process.env['CLOUDFLARE_CF_FETCH_ENABLED'] = 'false'
  const workers = settings.map((one, index) => ({ config: configOf(one, index) }))
  await bundleModules('src/index.ts', built)
  // A developer's own .dev.vars would go before these settings, if their folder were the root.
  const harness = createTestHarness({ root: tmpdir(), workers })
  const { url } = await harness.listen()
  const all = await Promise.all(
    settings.map(async (_one, index) => {
      const worker = harness.getWorker<Env>(nameOf(index))
      await worker.applyD1Migrations('DB')
      const { DB: database } = await worker.getEnv()
      const { guid, email } = await createAccount(database)
      return { database, guid, email: email ?? '' }
    }),
  )
  return { port: Number(url.port), all, close: () => harness.close() }
}

function nameOf(index: number): string {
  return `tessera-${index}`
}

/** What wrangler.toml says, without what a second Worker of one workerd cannot share. */
function configOf(settings: Settings, index: number) {
  const { PUBLIC_URL = '', BASE_PATH = '' } = settings
  const name = nameOf(index)
  return {
    name,
    main: join(built, ENTRY),
    no_bundle: true,
    rules: [{ type: 'ESModule' as const, globs: ['*.js'] }],
    compatibility_date: '2026-10-01',
    routes: [`${new URL(PUBLIC_URL).host}${BASE_PATH}/*`],
    vars: { ...TEST_BINDINGS, ISSUE_ACCESS: 'service', ...settings },
    d1_databases: [{ binding: 'DB', database_name: name, database_id: name, migrations_dir: join(root, 'migrations') }],
    queues: {
      producers: [
        { binding: 'MAIL_QUEUE', queue: `${name}-mail` },
        { binding: 'MAIL_DEAD_LETTERS', queue: `${name}-dead` },
      ],
    },
    send_email: [{ name: 'EMAIL' }],
  }
}
