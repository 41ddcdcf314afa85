/**
 * The configuration that is deployed: wrangler.toml, under the name of this deployment, with its own database, queues and
 * address. It stands in `.deploy/NAME/wrangler.json`, so a fork carries no ids, and two deployments share nothing.
 */

import { join } from 'node:path'

import type { Unstable_RawConfig } from 'wrangler'

import { basePathOf, parseConfig } from '../../src/config.ts'
import { newSecret } from '../new-secret.ts'
import { root } from '../wrangler.ts'
import { DeployProblem } from './problem.ts'
import type { DeployedWorker } from './worker.ts'

/** The content of wrangler.toml. */
export type Template = Unstable_RawConfig & { readonly name: string }

/** The binding of the queue of events, which wrangler.toml has or has not. */
const EVENTS = 'EVENTS'

/** From `.deploy/NAME` to the files that wrangler.toml names. */
const UP = '../../'

export async function readTemplate(): Promise<Template> {
  // wrangler is loaded here, since that takes a second.
  const { experimental_readRawConfig: readRawConfig } = await import('wrangler')
  const { rawConfig } = readRawConfig({ config: join(root, 'wrangler.toml') })
  return { ...rawConfig, name: rawConfig.name ?? 'tessera' }
}

export interface ResourceNames {
  readonly database: string
  /** The id in wrangler.toml, where the form of the Deploy button has written one. */
  readonly databaseId?: string | undefined
  readonly queue: string
  readonly deadLetters: string
  /** `null`: wrangler.toml has no queue of events. */
  readonly events: string | null
}

/**
 * The names of a deployment's resources: those of wrangler.toml for the name that stands there, and names derived from them for
 * any other. A Worker keeps the queues that it is bound to already.
 */
export function resourceNames(template: Template, name: string, worker: DeployedWorker | null): ResourceNames {
  const own = (text: string) => {
    if (name === template.name) return text
    return text.startsWith(template.name) ? name + text.slice(template.name.length) : `${name}-${text}`
  }
  const producer = (binding: string) => queueOf(template, binding) ?? template.name
  const events = queueOf(template, EVENTS)
  return {
    database: own(template.d1_databases?.[0]?.database_name ?? template.name),
    databaseId: name === template.name ? template.d1_databases?.[0]?.database_id : undefined,
    queue: worker?.queues['MAIL_QUEUE'] ?? own(producer('MAIL_QUEUE')),
    deadLetters: worker?.queues['MAIL_DEAD_LETTERS'] ?? own(producer('MAIL_DEAD_LETTERS')),
    events: events === undefined ? null : (worker?.queues[EVENTS] ?? own(events)),
  }
}

/** The queue that wrangler.toml gives to a binding. */
function queueOf(template: Template, binding: string): string | undefined {
  return template.queues?.producers?.find((candidate) => candidate.binding === binding)?.queue
}

export interface Deployment {
  readonly name: string
  readonly account: string
  readonly resources: ResourceNames
  readonly databaseId: string
  /** The address; `null` leaves it to wrangler.toml and to the dashboard. */
  readonly address: { readonly host: string; readonly isDomain: boolean } | null
  /** Below which it shares the host of an application, or `''`. */
  readonly basePath: string
  /** The sender of mails; `null` leaves it as the address. */
  readonly mailFrom: string | null
}

/** What stands before every path: wrangler.toml says it, or the dashboard, whose variables a deploy keeps. */
export function deployedBasePath(template: Template, worker: Pick<DeployedWorker, 'vars'> | null): string {
  return basePathOf({ ...worker?.vars, ...template.vars })
}

/** The whole configuration, as wrangler reads it from `.deploy/NAME`. */
export function configure(template: Template, deployment: Deployment): object {
  const { name, account, resources, databaseId, address, basePath } = deployment
  const queueNames = new Map<string | undefined, string>([
    [queueOf(template, 'MAIL_QUEUE'), resources.queue],
    [queueOf(template, 'MAIL_DEAD_LETTERS'), resources.deadLetters],
    ...(resources.events === null ? [] : [[queueOf(template, EVENTS), resources.events] as const]),
  ])
  const renamed = (queue: string | undefined) => queueNames.get(queue) ?? queue
  return {
    ...template,
    name,
    account_id: account,
    main: `${UP}${template.main ?? 'dist/worker/index.js'}`,
    ...(template.assets?.directory !== undefined && {
      assets: { ...template.assets, directory: `${UP}${template.assets.directory}` },
    }),
    vars: varsOf(template, deployment),
    d1_databases: template.d1_databases?.map((database) => ({
      ...database,
      database_name: resources.database,
      database_id: databaseId,
      migrations_dir: `${UP}${database.migrations_dir ?? 'migrations'}`,
    })),
    queues: {
      producers: template.queues?.producers?.map((producer) => ({ ...producer, queue: renamed(producer.queue) })),
      consumers: template.queues?.consumers?.map((consumer) => ({
        ...consumer,
        queue: renamed(consumer.queue),
        ...(consumer.dead_letter_queue !== undefined && { dead_letter_queue: renamed(consumer.dead_letter_queue) }),
      })),
    },
    ...(address && {
      routes: address.isDomain ? routesOf(address.host, basePath) : [],
      workers_dev: !address.isDomain,
      preview_urls: false,
    }),
  }
}

/**
 * A whole host of its own, or one part of the host of an application, whose zone wrangler finds: what is below the prefix, and where
 * RFC 8414 section 3.1 looks for the metadata of an issuer that has a path.
 */
function routesOf(host: string, basePath: string): readonly (object | string)[] {
  if (basePath === '') return [{ pattern: host, custom_domain: true }]
  return [`${host}${basePath}/*`, `${host}/.well-known/oauth-authorization-server${basePath}`]
}

function varsOf(template: Template, { address, mailFrom }: Pick<Deployment, 'address' | 'mailFrom'>): object {
  return {
    ...template.vars,
    ...(address && { PUBLIC_URL: `https://${address.host}` }),
    ...(mailFrom !== null && { MAIL_FROM: mailFrom }),
  }
}

/** Parses the configuration as the Worker will. Throws `DeployProblem` with the line that the Worker would log. */
export function checkConfiguration(
  template: Template,
  deployment: Pick<Deployment, 'address' | 'mailFrom'>,
  worker: DeployedWorker | null,
  secrets: object | null,
): void {
  // A random secret stands in for one that this machine does not know.
  const known = { AUTH_SECRET: newSecret(), ...secrets }
  const isKeyUnknown = worker?.secrets.includes('ACCESS_TOKEN_RSA_KEY') === true && !('ACCESS_TOKEN_RSA_KEY' in known)
  const taken = isKeyUnknown ? { ACCESS_TOKEN_ALG: 'ES256' } : {}
  try {
    parseConfig({ ...worker?.vars, ...varsOf(template, deployment), ...known, ...taken })
  } catch (error) {
    throw new DeployProblem(error instanceof Error ? error.message : String(error))
  }
}
