/**
 * Password hashes of Firebase. An export has a hash and a salt for each account; the rest stands once for the project, in the console under
 * Authentication → Users → ⋮ → Password hash parameters.
 */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

import { UsersProblem } from '../users/problem.ts'

export interface FirebaseParameters {
  readonly signerKey: string
  readonly saltSeparator: string
  readonly rounds: number
  readonly memCost: number
}

/** Reads the parameters as the console shows them, or as JSON. Throws `UsersProblem`, without the key in its message. */
export function readFirebaseParameters(name: string, env: Readonly<NodeJS.Dict<string>>): FirebaseParameters {
  let text: string
  try {
    text = readFileSync(resolve(env['INIT_CWD'] ?? process.cwd(), name), 'utf8')
  } catch {
    throw new UsersProblem(`There is no file ${name}, or it may not be read by you.`)
  }
  const find = (key: string) => new RegExp(`\\b${key}"?\\s*[:=]\\s*"?([\\w+/=-]+)`).exec(text)?.[1]
  const [signerKey, rounds, memCost] = [find('base64_signer_key'), find('rounds'), find('mem_cost')]
  const missing = Object.entries({ base64_signer_key: signerKey, rounds, mem_cost: memCost })
    .filter(([, value]) => value === undefined)
    .map(([key]) => key)
  if (signerKey === undefined || missing.length > 0) {
    throw new UsersProblem(
      `${name} lacks ${missing.join(', ')}: paste the password hash parameters of the console into it.`,
    )
  }
  return {
    signerKey,
    saltSeparator: find('base64_salt_separator') ?? '',
    rounds: Number(rounds),
    memCost: Number(memCost),
  }
}

/** A hash of the project in the form of docs/password-hashes.md. */
export function firebaseHash(
  { signerKey, saltSeparator, rounds, memCost }: FirebaseParameters,
  salt: string,
  hash: string,
): string {
  return `$fbscrypt$v=1,n=${memCost},r=${rounds},p=1,ss=${saltSeparator},sk=${signerKey}$${salt}$${hash}`
}
