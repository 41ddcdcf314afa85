/** What `npm run keys -- status` and `-- rotate` do. */

import { parseEnv } from 'node:util'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import * as z from 'zod/mini'

import { basePathOf } from '../../src/config.ts'
import { deriveKeys } from '../../src/domain/tokens/keys.ts'
import { DeployProblem } from '../deploy/problem.ts'
import { folderOf } from '../deploy/settings.ts'
import { findDeployment } from '../doctor/deployment.ts'
import { newSecret } from '../new-secret.ts'
import { servedUrl } from '../serving.ts'
import { minuteOf } from '../users/time.ts'
import { root } from '../wrangler.ts'
import { deployedPlace, localPlace, type Place } from './place.ts'
import { nextStep, note, type RotatingSecrets, type Served, type Step } from './rotation.ts'

export interface KeysOptions {
  readonly remote?: boolean | undefined
  readonly name?: string | undefined
  readonly url?: string | undefined
  readonly now: number
}

interface Subject {
  readonly place: Place
  /** Undefined where nobody knows. */
  readonly url: string | undefined
  readonly refreshTtlSeconds: number
  /** What brings a change of the file into force. */
  readonly deploys: string
}

/** As long as docs/configuration.md says that it is where nobody set it. */
const REFRESH_TTL_SECONDS = 864_000
const PATIENCE_MS = 10_000

const Jwks = z.object({ keys: z.array(z.object({ kty: z.string(), kid: z.string() })) })

/** Prints where a rotation is, and takes its next step if that was asked. Returns the exit code: 1 where it is not safe. Throws `DeployProblem`. */
export async function runKeys(asked: 'status' | 'rotate', options: KeysOptions): Promise<number> {
  const { place, url, refreshTtlSeconds, deploys } = findSubject(options)
  const { now } = options
  const secrets = place.read()
  const named = await nameKeys(secrets)
  const served = await look(place, url, now)
  const kids = new Map(named.map(({ secret, kid }) => [secret, kid]))
  const circumstances = { kidOf: (secret: string) => kids.get(secret) ?? '', served, refreshTtlSeconds, newSecret, now }
  const step = nextStep(secrets, circumstances)
  if (asked === 'status') {
    for (const line of describe(named, served)) console.log(line)
    console.log(`\n${sayNext(step)}`)
    return 0
  }
  if (step.kind !== 'change') {
    console.error(sayNext(step))
    return 1
  }
  place.write(step.secrets)
  console.log(`${place.shown}: ${step.did}\n${deploys}: ${step.effect}.`)
  return 0
}

function findSubject({ remote = false, name, url }: KeysOptions): Subject {
  if (!remote) {
    if (name !== undefined) throw new DeployProblem('--name is for --remote.')
    const file = join(root, '.dev.vars')
    const vars = existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {}
    const deploys = 'Stop `npm start` and start it again'
    return { place: localPlace(root), url: url ?? servedUrl(), refreshTtlSeconds: ttlOf(vars), deploys }
  }
  let deployment
  try {
    deployment = findDeployment(name)
  } catch (error) {
    throw new DeployProblem(error instanceof Error ? error.message : String(error))
  }
  const { vars } = deployment
  const { PUBLIC_URL: origin } = vars
  const known =
    typeof origin === 'string' && origin !== '' ? `${origin.replace(/\/+$/, '')}${basePathOf(vars)}` : undefined
  return {
    place: deployedPlace(deployment.name, folderOf(deployment.name)),
    url: url ?? known,
    refreshTtlSeconds: ttlOf(vars),
    deploys: 'Now run `npm run deploy`',
  }
}

function ttlOf({ REFRESH_TTL_SECONDS: text }: Readonly<Record<string, unknown>>): number {
  const seconds = Number(text)
  return Number.isInteger(seconds) && seconds > 0 ? seconds : REFRESH_TTL_SECONDS
}

/** Fetches the JWKS, and notes what it lists. RSA keys are another rotation. */
async function look(place: Place, url: string | undefined, now: number): Promise<Served | null> {
  if (url === undefined) return null
  const answer = await fetch(`${url}/.well-known/jwks.json`, { signal: AbortSignal.timeout(PATIENCE_MS) }).catch(
    () => null,
  )
  const jwks = Jwks.safeParse(answer?.ok === true ? await answer.json().catch(() => null) : null)
  if (!jwks.success) return null
  const kids = jwks.data.keys.filter(({ kty }) => kty === 'EC').map(({ kid }) => kid)
  const served = note(kids, place.readSeen(), now)
  place.writeSeen(served)
  return served
}

interface NamedKey {
  /** Of its variable. */
  readonly name: string
  readonly secret: string
  readonly kid: string
}

/** Every secret, by its variable, and the kid of its key. */
function nameKeys(secrets: RotatingSecrets): Promise<readonly NamedKey[]> {
  const all = Object.entries(secrets).flatMap(([name, text]: [string, string]) =>
    text.split(',').map((secret) => ({ name, secret: secret.trim() })),
  )
  const present = all.filter(({ secret }) => secret !== '')
  return Promise.all(
    present.map(async (one) => ({ ...one, kid: (await deriveKeys(one.secret, [])).jwks.keys[0]?.kid ?? '' })),
  )
}

function describe(named: readonly NamedKey[], served: Served | null): readonly string[] {
  return named.map(({ name, kid }) => `${name.padEnd(21)} ${kid}  ${stateOf(kid, served)}`)
}

function stateOf(kid: string, served: Served | null): string {
  if (served === null) return ''
  if (!served.kids.includes(kid)) return 'not listed'
  const isSigning = served.kids[0] === kid
  const since = isSigning ? served.signingSince[kid] : served.listedSince[kid]
  return `${isSigning ? 'signs' : 'listed'}, seen since ${minuteOf(since ?? 0)}`
}

function sayNext(step: Step): string {
  switch (step.kind) {
    case 'change':
      return `Next: \`npm run keys -- rotate\`, after which ${step.did}`
    case 'wait':
      return `Not before ${minuteOf(step.until)}: ${step.why}`
    case 'deploy':
      return `First bring this file into force: ${step.why}`
  }
}
