/**
 * The secrets of a deployment, `.deploy/NAME/secrets.json`. They are made once, go up with the first deploy, and stay known to
 * whoever deployed: a secret that nobody knows cannot be rotated. After that the file goes up when it was edited.
 */

import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'

import * as z from 'zod/mini'

import { keepFile, readKept } from './kept-file.ts'
import { DeployProblem } from './problem.ts'
import { folderOf } from './settings.ts'

const SECRET_BYTES = 32

const Secrets = z.strictObject({
  AUTH_SECRET: z.string(),
  AUTH_SECRET_PREVIOUS: z.optional(z.string()),
  SERVICE_KEY: z.optional(z.string()),
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
    `${secretsFile(name)} may hold AUTH_SECRET, AUTH_SECRET_PREVIOUS, SERVICE_KEY and MAIL_API_KEY, as text.`,
  )
}

/** Makes both secrets and keeps them, before anybody else gets to see them. */
export function makeSecrets(name: string): Secrets {
  return keepSecrets(name, { AUTH_SECRET: newSecret(), SERVICE_KEY: newSecret() })
}

/** The secrets that a build was given by its environment; it has no other place to keep them. */
export function secretsOfEnvironment(name: string, env: NodeJS.ProcessEnv): Secrets | null {
  const { AUTH_SECRET, SERVICE_KEY } = env
  if (AUTH_SECRET === undefined) return null
  return keepSecrets(name, { AUTH_SECRET, ...(SERVICE_KEY !== undefined && { SERVICE_KEY }) })
}

function keepSecrets(name: string, secrets: Secrets): Secrets {
  keepFile(secretsFile(name), secrets)
  return secrets
}

function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64')
}

/** Tells whether they were edited. It gives nothing away: what it is made of are random bytes. */
export function fingerprint(secrets: Secrets): string {
  return createHash('sha256').update(JSON.stringify(secrets)).digest('base64url')
}
