/** The answers of a deployment, `.deploy/NAME/settings.json`: what was answered once is not asked again. */

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import * as z from 'zod/mini'

import { root } from '../wrangler.ts'
import { keepFile, readKept } from './kept-file.ts'
import { DeployProblem } from './problem.ts'

/** https://developers.cloudflare.com/d1/configuration/data-location/ */
export const LOCATIONS = {
  wnam: 'Western North America',
  enam: 'Eastern North America',
  weur: 'Western Europe',
  eeur: 'Eastern Europe',
  apac: 'Asia-Pacific',
  oc: 'Oceania',
} as const

export const Location = z.enum(['wnam', 'enam', 'weur', 'eeur', 'apac', 'oc'])
export type Location = z.infer<typeof Location>

/** The answer in place of a domain, for the address that Cloudflare gives to every Worker. */
export const WORKERS_DEV = 'workers.dev'

export const Settings = z.object({
  /** The Cloudflare account that this deployment lives in. */
  account: z.optional(z.string()),
  /** A host, or `WORKERS_DEV`. */
  domain: z.optional(z.string()),
  location: z.optional(Location),
  /** The sender of mails; `null`: decided later. */
  mailFrom: z.optional(z.nullable(z.string())),
  /** An e-mail address; `null`: nobody asked for one, or it exists. */
  firstAccount: z.optional(z.nullable(z.string())),
  /** The group that it gets. */
  firstGroup: z.optional(z.string()),
  /** The fingerprint of the secrets that were uploaded last. */
  uploadedSecrets: z.optional(z.string()),
})
export type Settings = z.infer<typeof Settings>

const folders = join(root, '.deploy')

/** Where the files of a deployment are kept. */
export function folderOf(name: string): string {
  return join(folders, name)
}

/** The names of the deployments that were begun from this checkout. */
export function knownNames(): readonly string[] {
  if (!existsSync(folders)) return []
  return readdirSync(folders).filter((name) => existsSync(settingsFile(name)))
}

/** The answers so far; none where there is no file. Throws `DeployProblem` for a file that cannot be read. */
export function readSettings(name: string): Settings {
  const result = Settings.safeParse(readKept(settingsFile(name)) ?? {})
  if (!result.success) throw new DeployProblem(`${settingsFile(name)} is not what this script writes: move it away.`)
  return result.data
}

export function keepSettings(name: string, settings: Settings): void {
  keepFile(settingsFile(name), settings)
}

function settingsFile(name: string): string {
  return join(folderOf(name), 'settings.json')
}
