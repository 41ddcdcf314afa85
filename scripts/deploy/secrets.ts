/**
 * The secrets of a deployment, `.deploy/NAME/secrets.json`. They are made once, go up with the first deploy, and stay known to
 * whoever deployed: a secret that nobody knows cannot be rotated. After that the file goes up when it was edited. A CI has them
 * in its environment instead.
 */

import { createHash } from 'node:crypto'
import { join } from 'node:path'

import * as z from 'zod/mini'

import { newSecret } from '../new-secret.ts'
import { keepFile, readKept } from './kept-file.ts'
import { DeployProblem } from './problem.ts'
import { folderOf, type Settings } from './settings.ts'
import { shown } from './steps.ts'

const Secrets = z.strictObject({
  AUTH_SECRET: z.optional(z.string()),
  AUTH_SECRET_PREVIOUS: z.optional(z.string()),
  AUTH_SECRET_NEXT: z.optional(z.string()),
  SERVICE_KEY: z.optional(z.string()),
  SERVICE_KEYS: z.optional(z.string()),
  ACCESS_TOKEN_RSA_KEY: z.optional(z.string()),
  ACCESS_TOKEN_RSA_KEY_PREVIOUS: z.optional(z.string()),
  MAIL_API_KEY: z.optional(z.string()),
})
export type Secrets = z.infer<typeof Secrets>

export function secretsFile(name: string): string {
  return join(folderOf(name), 'secrets.json')
}

/** The secrets that this machine knows. Throws `DeployProblem` for a file that is something else. */
export function readSecrets(name: string): Secrets | null {
  const kept = readKept(secretsFile(name))
  if (kept === null) return null
  const result = Secrets.safeParse(kept)
  if (result.success) return result.data
  throw new DeployProblem(
    `${secretsFile(name)} may hold nothing but these, as text: ${Object.keys(Secrets.shape).join(', ')}.`,
  )
}

export interface Choice {
  /** `null`: this machine knows none. */
  readonly secrets: Secrets | null
  /** Whether they go up with the code. */
  readonly uploads: boolean
  readonly said: string
}

/**
 * Which secrets a deploy works with, given the names of those that its Worker has. Secrets that were made or given are written
 * to the file before they go up. Throws `DeployProblem`.
 */
export function findSecrets(
  name: string,
  deployed: readonly string[],
  settings: Settings,
  env: NodeJS.ProcessEnv,
): Choice {
  const kept = readSecrets(name)
  const isDeployed = deployed.includes('AUTH_SECRET')
  const isCi = env['CI'] !== undefined && !['', 'false'].includes(env['CI'])
  // A build at Cloudflare leaves to the dashboard what is set there.
  const isListening = isCi && !(env['WORKERS_CI'] === '1' && isDeployed)
  const given = isListening ? secretsOfEnvironment(env, [...deployed, ...Object.keys(kept ?? {})]) : {}
  if (Object.keys(given).length > 0) {
    const secrets = keepSecrets(name, { ...kept, ...given })
    const hint = isDeployed || secrets.AUTH_SECRET !== undefined ? '' : `; ${UNSET}`
    // They go up each time, since nobody can see whether the Worker has the same ones.
    return { secrets, uploads: true, said: `${Object.keys(given).join(' and ')} from the environment${hint}` }
  }
  if (kept !== null && (isDeployed || kept.AUTH_SECRET !== undefined)) {
    return { secrets: kept, uploads: needsUpload(kept, deployed, settings), said: shown(secretsFile(name)) }
  }
  if (isDeployed) return { secrets: null, uploads: false, said: 'kept as deployed; this machine does not know them' }
  // A build makes none, since they would be gone with its files.
  if (isCi) return { secrets: null, uploads: false, said: `none: ${UNSET}` }
  const made = { AUTH_SECRET: newSecret(), SERVICE_KEY: newSecret(), ...kept }
  return { secrets: keepSecrets(name, made), uploads: true, said: `made, in ${shown(secretsFile(name))}` }
}

const UNSET = 'until AUTH_SECRET is set, Tessera answers 500'

/**
 * The secrets in the environment of a CI. A secret that is not set there comes as an empty variable, which counts as none; but an
 * empty AUTH_SECRET_PREVIOUS, AUTH_SECRET_NEXT or ACCESS_TOKEN_RSA_KEY_PREVIOUS deletes one that is `known`.
 */
function secretsOfEnvironment(env: NodeJS.ProcessEnv, known: readonly string[]): Secrets {
  const names = Object.keys(Secrets.shape).filter((name) => {
    const value = env[name]
    return value === '' ? /_(PREVIOUS|NEXT)$/.test(name) && known.includes(name) : value !== undefined
  })
  return Object.fromEntries(names.map((name) => [name, env[name]]))
}

/** Whether secrets go up: not where this machine uploaded the same ones last, since the dashboard may have rotated them meanwhile. */
function needsUpload(secrets: Secrets, deployed: readonly string[], settings: Settings): boolean {
  const isThere = Object.keys(secrets).every((key) => deployed.includes(key))
  return !isThere || settings.uploadedSecrets !== fingerprint(secrets)
}

function keepSecrets(name: string, secrets: Secrets): Secrets {
  keepFile(secretsFile(name), secrets)
  return secrets
}

/** A hash that shows whether secrets were edited. It reveals none of them, since they are random. */
export function fingerprint(secrets: Secrets): string {
  return createHash('sha256').update(JSON.stringify(secrets)).digest('base64url')
}
