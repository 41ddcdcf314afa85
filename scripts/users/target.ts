/**
 * Which Tessera a command speaks to, and with which service key. A key goes to the deployment that it belongs to, and over plain http
 * to this machine alone.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

import { isLoopback } from '../../src/domain/loopback.ts'
import { servedUrl } from '../serving.ts'
import { root } from '../wrangler.ts'
import { UsageProblem, UsersProblem } from './problem.ts'

export interface Target {
  /** The address, BASE_PATH included, without a slash at its end. */
  readonly url: string
  readonly key: string
  /** Whether it is the Tessera that `npm start` runs. */
  readonly isLocal: boolean
  /** Where the key came from, for the line about a wrong one. */
  readonly keySource: string
}

export interface Wanted {
  readonly remote: boolean
  /** The deployment, where this checkout knows several. */
  readonly name: string | undefined
  /** Overrides the address. */
  readonly url: string | undefined
}

/** For a command that asks nobody. */
export const NOWHERE: Target = { url: '', key: '', isLocal: true, keySource: '' }

/** The environment variable with the key of a deployment. */
export const KEY_VARIABLE = 'TESSERA_SERVICE_KEY'

/** Throws `UsersProblem` where no address or no key is known, and `UsageProblem` for an address that a key may not go to. */
export async function findTarget({ remote, name, url }: Wanted, env: Readonly<NodeJS.Dict<string>>): Promise<Target> {
  if (name !== undefined && !remote) throw new UsageProblem('--name is for --remote.')
  const given = url === undefined ? undefined : checkUrl(url)
  if (remote) return findRemote(name, given, env)
  const own = env[KEY_VARIABLE]
  if (given !== undefined && own !== undefined && own !== '') {
    return { url: given, key: own, isLocal: false, keySource: KEY_VARIABLE }
  }
  if (given !== undefined && !isLoopback(new URL(given).hostname)) {
    throw new UsersProblem(`No service key for ${given}: set ${KEY_VARIABLE}, or say --remote for the one of .deploy.`)
  }
  const key = await localKey()
  return { url: given ?? (await localUrl()), key, isLocal: true, keySource: '.dev.vars' }
}

/** An address without what may not be part of it. Throws `UsageProblem`. */
function checkUrl(text: string): string {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`)
  const isWeb = url !== null && (url.protocol === 'https:' || url.protocol === 'http:')
  if (!isWeb || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new UsageProblem(`${text} is no address: https://auth.example.com is one.`)
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new UsageProblem(`A service key is not sent over plain http: say https://${url.host}.`)
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

async function localUrl(): Promise<string> {
  const served = servedUrl()
  if (served !== undefined) return served
  // Loaded late, since wrangler, which reads the configuration, takes a second to load.
  const { checkConfiguration } = await import('../configuration.ts')
  const { port, basePath } = checkConfiguration([])
  return `http://localhost:${port}${basePath}`
}

async function localKey(): Promise<string> {
  let vars: NodeJS.Dict<string>
  try {
    vars = parseEnv(readFileSync(join(root, '.dev.vars'), 'utf8'))
  } catch {
    throw new UsersProblem(
      'There is no .dev.vars with a service key: `npm start` writes it. --remote asks the deployment.',
    )
  }
  const key = await administrationKey(vars)
  if (key !== undefined) return key
  throw new UsersProblem('.dev.vars has no service key that may administer accounts: set SERVICE_KEY there.')
}

async function findRemote(
  name: string | undefined,
  given: string | undefined,
  env: Readonly<NodeJS.Dict<string>>,
): Promise<Target> {
  const { findDeployment } = await import('../doctor/deployment.ts')
  const { readSecrets } = await import('../deploy/secrets.ts')
  let deployment
  let secrets
  try {
    deployment = findDeployment(name)
    secrets = readSecrets(deployment.name)
  } catch (error) {
    throw new UsersProblem(error instanceof Error ? error.message : String(error))
  }
  const url = given ?? (await publicUrl(deployment.vars))
  const own = env[KEY_VARIABLE]
  if (own !== undefined && own !== '') return { url, key: own, isLocal: false, keySource: KEY_VARIABLE }
  const key = await administrationKey(secrets ?? {})
  if (key !== undefined) return { url, key, isLocal: false, keySource: `.deploy/${deployment.name}/secrets.json` }
  throw new UsersProblem(`No service key of ${deployment.name} is known here: set ${KEY_VARIABLE}.`)
}

async function publicUrl(vars: Readonly<Record<string, unknown>>): Promise<string> {
  const { PUBLIC_URL: text } = vars
  if (typeof text !== 'string' || text === '') {
    throw new UsersProblem('PUBLIC_URL is not known here: say where it answers, --url https://…')
  }
  const { basePathOf } = await import('../../src/config.ts')
  return `${checkUrl(text)}${basePathOf(vars)}`
}

/** The first key that may administer: `SERVICE_KEY` may do everything, those of `SERVICE_KEYS` as far as they say. */
export async function administrationKey(vars: {
  readonly SERVICE_KEY?: string | undefined
  readonly SERVICE_KEYS?: string | undefined
}): Promise<string | undefined> {
  const unnamed = vars.SERVICE_KEY?.trim()
  if (unnamed !== undefined && unnamed !== '') return unnamed
  // Loaded late, since that takes longer than a command itself, and most have a SERVICE_KEY.
  const { list, NamedKey } = await import('../../src/setting-kinds.ts')
  return list(NamedKey)
    .safeParse(vars.SERVICE_KEYS)
    .data?.find(({ may }) => may.has('admin'))?.key
}
