/** Where the secrets of a Tessera stand on this machine: `.dev.vars` of the local one, `.deploy/NAME/secrets.json` of a deployed one. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

import * as z from 'zod/mini'

import { keepFile, readKept, writeWhole } from '../deploy/kept-file.ts'
import { DeployProblem } from '../deploy/problem.ts'
import { readSecrets, secretsFile } from '../deploy/secrets.ts'
import type { RotatingSecrets, Served } from './rotation.ts'

const NAMES = ['AUTH_SECRET', 'AUTH_SECRET_NEXT', 'AUTH_SECRET_PREVIOUS'] as const

export interface Place {
  /** The file, as it is named to people. */
  readonly shown: string
  /** Throws `DeployProblem` where there is no such file, or no AUTH_SECRET in it. */
  readonly read: () => RotatingSecrets
  readonly write: (secrets: RotatingSecrets) => void
  /** What was seen served, and when. */
  readonly readSeen: () => Omit<Served, 'kids'>
  readonly writeSeen: (seen: Served) => void
}

const Times = z.record(z.string(), z.int())
const Seen = z.object({ listedSince: Times, signingSince: Times })

/** The local Tessera of a checkout. */
export function localPlace(root: string): Place {
  const file = join(root, '.dev.vars')
  return {
    shown: '.dev.vars',
    read() {
      if (!existsSync(file)) throw new DeployProblem('There is no .dev.vars: `npm start` writes it.')
      return pick(parseEnv(readFileSync(file, 'utf8')), '.dev.vars')
    },
    write: (secrets) => writeWhole(file, withVariables(readFileSync(file, 'utf8'), { ...secrets })),
    ...seenIn(join(root, '.wrangler/keys.json')),
  }
}

/** A deployment that `npm run deploy` made. */
export function deployedPlace(name: string, folder: string): Place {
  return {
    shown: `.deploy/${name}/secrets.json`,
    read() {
      const secrets = readSecrets(name)
      if (secrets === null) throw new DeployProblem(`This machine does not know the secrets of ${name}.`)
      return pick(secrets, `.deploy/${name}/secrets.json`)
    },
    write: (secrets) => keepFile(secretsFile(name), { ...readSecrets(name), ...secrets }),
    ...seenIn(join(folder, 'keys.json')),
  }
}

function pick(known: Readonly<Partial<Record<string, string>>>, file: string): RotatingSecrets {
  const [current, next, previous] = NAMES.map((name) => known[name]?.trim() ?? '')
  if (current === undefined || current === '') throw new DeployProblem(`${file} has no AUTH_SECRET.`)
  return { AUTH_SECRET: current, AUTH_SECRET_NEXT: next ?? '', AUTH_SECRET_PREVIOUS: previous ?? '' }
}

function seenIn(file: string): Pick<Place, 'readSeen' | 'writeSeen'> {
  return {
    readSeen() {
      const kept = Seen.safeParse(readKept(file) ?? {})
      return kept.success ? kept.data : { listedSince: {}, signingSince: {} }
    },
    writeSeen: ({ listedSince, signingSince }) => keepFile(file, { listedSince, signingSince }),
  }
}

/** The text of an env file with these variables: each in its line where it has one, at the end otherwise. Comments and other lines stay. */
export function withVariables(text: string, variables: Readonly<Record<string, string>>): string {
  const lines = text.replace(/\n$/, '').split('\n')
  for (const [name, value] of Object.entries(variables)) {
    const at = lines.findIndex((line) => new RegExp(`^\\s*(export\\s+)?${name}\\s*=`).test(line))
    if (at >= 0) lines[at] = `${name}=${value}`
    else if (value !== '') lines.push(`${name}=${value}`)
  }
  return `${lines.join('\n')}\n`
}
