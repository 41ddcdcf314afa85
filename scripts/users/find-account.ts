/** Finds the account that an operator names: by its address, its guid or its external id. */

import * as z from 'zod/mini'

import { OneUser, User } from './answers.ts'
import { type Client, Refusal } from './client.ts'
import { UsersProblem } from './problem.ts'

const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i

/** How much of a guid the ledger shows. */
const SHORT = 8
const BEGINNING = /^[\da-f]{8}$/i

const Found = z.object({ users: z.array(User), next: z.nullable(z.string()) })

/** Throws `UsersProblem` where there is none. An external id may look like an address or a guid, and is tried last. */
export async function findAccount(client: Client, name: string): Promise<User> {
  const found =
    (BEGINNING.test(name) ? await byBeginning(client, name.toLowerCase()) : null) ??
    (GUID.test(name) ? await byGuid(client, name) : null) ??
    (name.includes('@') ? await by(client, { email: name }) : null) ??
    (await by(client, { external_id: name }))
  if (found !== null) return found
  const what = GUID.test(name) ? 'guid' : name.includes('@') ? 'address' : 'external id'
  throw new UsersProblem(`No account has the ${what} ${name}. \`npm run users -- list PART\` searches.`)
}

/** What people call an account: its address, or what else is known. */
export function nameOf({ email, external_id, guid }: Pick<User, 'email' | 'external_id' | 'guid'>): string {
  return email ?? external_id ?? guid
}

/** As much of a guid as a list shows. */
export function shortGuid(guid: string): string {
  return guid.slice(0, SHORT)
}

/** The only account whose guid begins so. An account that is called like that elsewhere goes before it. */
async function byBeginning(client: Client, beginning: string): Promise<User | null> {
  const named = await by(client, { external_id: beginning })
  if (named !== null) return named
  const { users } = await client.ask(Found, 'GET', '/users', { query: { search: beginning, limit: 100 } })
  const [only, ...others] = users.filter(({ guid }) => guid.startsWith(beginning))
  return only !== undefined && others.length === 0 ? only : null
}

async function byGuid(client: Client, guid: string): Promise<User | null> {
  try {
    return (await client.ask(OneUser, 'GET', `/users/${guid.toLowerCase()}`)).user
  } catch (error) {
    if (error instanceof Refusal && error.code === 'not_found') return null
    throw error
  }
}

async function by(client: Client, query: Readonly<Record<string, string>>): Promise<User | null> {
  const { users } = await client.ask(Found, 'GET', '/users', { query: { ...query, limit: 2 } })
  return users[0] ?? null
}
