/** The plan of a deploy: the answers, and what is there already, known before anything is changed. */

import { existsSync } from 'node:fs'

import { type Cloudflare, createCloudflare, findCredential, wranglerEnvironment } from './cloudflare.ts'
import { deployedBasePath, type ResourceNames, readTemplate, resourceNames, type Template } from './configuration.ts'
import { DEFAULT_GROUP } from '../../src/domain/accounts/account.ts'
import { accountFile, parseGroup } from './first-account.ts'
import type { Options } from './options.ts'
import type { Prompt } from './prompt.ts'
import * as questions from './questions.ts'
import { findDatabase } from './resources.ts'
import { keepSettings, knownNames, type Location, readSettings, type Settings, WORKERS_DEV } from './settings.ts'
import { type DeployedWorker, findWorker } from './worker.ts'

export interface Plan {
  readonly name: string
  readonly account: string
  readonly cloudflare: Cloudflare
  /** What wrangler is started with, to act as the same user. */
  readonly environment: Readonly<Record<string, string>>
  readonly template: Template
  readonly resources: ResourceNames
  /** The Worker as it was before this run. */
  readonly worker: DeployedWorker | null
  readonly databaseId: string | null
  readonly location: Location | undefined
  readonly basePath: string
  /** `null` leaves it to wrangler.toml and the dashboard. */
  readonly address: questions.Address | null
  readonly mailFrom: string | null
  readonly firstAccount: string | null
  readonly firstGroup: string
  /** `null`: made up. */
  readonly password: string | null
  readonly settings: Settings
}

/** Looks up what is there, and asks for the rest. Every answer is kept as soon as it is given. Throws `DeployProblem`. */
export async function makePlan(options: Options, prompt: Prompt | null): Promise<Plan> {
  // A build of a connected repository has its Worker already, and nobody to ask: settings without a flag stay as they are.
  const isBuild = process.env['WORKERS_CI'] === '1'
  const builtName = isBuild ? process.env['WRANGLER_CI_OVERRIDE_NAME'] : undefined
  const [template, credential] = await Promise.all([readTemplate(), findCredential()])
  const name = await questions.askName(
    prompt,
    { ...options, name: options.name ?? builtName },
    knownNames(),
    template.name,
  )
  const cloudflare = createCloudflare(credential)
  let settings = readSettings(name)
  const keep = (answers: Settings) => keepSettings(name, (settings = { ...settings, ...answers }))

  const account = await questions.askAccount(prompt, options, settings, cloudflare)
  const worker = await findWorker(cloudflare, account, name, name === builtName)
  const resources = resourceNames(template, name, worker)
  const databaseId =
    worker?.databaseId ?? (await findDatabase(cloudflare, account, resources.database, resources.databaseId))
  keep({ account })

  const basePath = deployedBasePath(template, worker)
  const domain = settings.domain ?? domainOf(worker?.vars['PUBLIC_URL'])
  const isLeft = isBuild && options.domain === undefined && settings.domain === undefined
  const address = isLeft
    ? null
    : await questions.askAddress(prompt, options, domain, { cloudflare, account, name, basePath })
  if (address !== null) keep({ domain: address.isDomain ? address.host : WORKERS_DEV })

  const isElsewhere =
    settings.location !== undefined && options.location !== undefined && options.location !== settings.location
  if (databaseId !== null && isElsewhere) console.log(`The database stays in ${settings.location}: it cannot be moved.`)
  const needsLocation = databaseId === null && !(isBuild && options.location === undefined)
  const location = needsLocation ? await questions.askLocation(prompt, options, settings.location) : undefined
  if (location !== undefined) keep({ location })

  const written = template.vars?.['MAIL_FROM']
  const senders = {
    kept: settings.mailFrom,
    deployed: worker?.vars['MAIL_FROM'],
    written: typeof written === 'string' ? written : undefined,
  }
  const mailFrom = await questions.askSender(prompt, options, senders, isBuild)
  keep({ mailFrom })

  // A Worker that is deployed already has accounts, so that no first one is asked for.
  const pending = settings.firstAccount ?? (worker === null ? settings.firstAccount : null)
  const firstAccount = await questions.askFirstAccount(prompt, options, pending)
  const firstGroup = parseGroup(options['first-group'] ?? settings.firstGroup ?? DEFAULT_GROUP)
  keep({ firstAccount, firstGroup })
  const isKept = firstAccount !== null && existsSync(accountFile(name, firstAccount))
  const password = firstAccount === null || isKept ? null : await questions.askPassword(prompt)

  const environment = wranglerEnvironment(credential)
  return {
    name,
    account,
    cloudflare,
    environment,
    template,
    resources,
    worker,
    databaseId,
    location,
    basePath,
    address,
    mailFrom,
    firstAccount,
    firstGroup,
    password,
    settings,
  }
}

/** The domain that a Worker was told to be at. */
function domainOf(publicUrl: string | undefined): string | undefined {
  if (publicUrl === undefined) return undefined
  const host = publicUrl.replace(/^https?:\/\//, '').replace(/\/.*$/, '')
  return host.endsWith(`.${WORKERS_DEV}`) ? WORKERS_DEV : host
}
