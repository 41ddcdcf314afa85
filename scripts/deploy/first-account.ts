/**
 * An account to sign in with at once: registered, confirmed and active. Its row goes into the database with bound values, so
 * that neither its password nor its hash stands in an argument, a log, or a file on the way.
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'

import * as z from 'zod/mini'

import { isGroup, normalizeEmail } from '../../src/domain/accounts/account.ts'
import { createLocalPasswords } from '../local-passwords.ts'
import type { Cloudflare } from './cloudflare.ts'
import { keepFile, readKept } from './kept-file.ts'
import { DeployProblem } from './problem.ts'
import { folderOf } from './settings.ts'

export const MIN_PASSWORD_LENGTH = 12

/** What is kept of an account whose password was made up. It is the body of a sign-in, too, which ignores the guid. */
const KeptAccount = z.object({ primary_email: z.string(), password: z.string(), guid: z.string() })
export type KeptAccount = z.infer<typeof KeptAccount>

/** An address without slashes, since it is also the name of a file. */
const EMAIL = /^[^\s@/\\"'<>]+@[^\s@/\\"'<>]+\.[^\s@/\\"'<>]+$/

/** An e-mail address as accounts have it. Throws `DeployProblem`. */
export function parseEmail(text: string): string {
  const email = normalizeEmail(text)
  if (!EMAIL.test(email)) throw new DeployProblem(`${text} is no e-mail address.`)
  return email
}

/** A group as accounts have it. Throws `DeployProblem`. */
export function parseGroup(text: string): string {
  if (!isGroup(text)) throw new DeployProblem('A group has 1 to 32 characters, and no control characters.')
  return text
}

export function accountFile(name: string, email: string): string {
  return join(folderOf(name), `${email}.json`)
}

const Rows = z.array(z.object({ results: z.array(z.object({ guid: z.string() })) }))

export type Outcome = 'created' | 'exists'

/**
 * Creates the account, unless its address has one. A password that nobody typed is made up, and kept in `accountFile`
 * before the account exists, so that no run can create an account that nobody can sign in to.
 */
export async function createFirstAccount(
  cloudflare: Cloudflare,
  where: { readonly account: string; readonly databaseId: string; readonly name: string },
  { email, group }: { readonly email: string; readonly group: string },
  typedPassword: string | null,
): Promise<Outcome> {
  const query = async (sql: string, params: readonly unknown[]) => {
    const path = `/accounts/${where.account}/d1/database/${where.databaseId}/query`
    const [first] = await cloudflare.ask(Rows, path, { method: 'POST', body: { sql, params } })
    return first?.results[0]?.guid ?? null
  }
  const file = accountFile(where.name, email)
  const kept = typedPassword === null ? KeptAccount.safeParse(readKept(file)).data : undefined
  const existing = await query('SELECT guid FROM users WHERE primary_email = ? COLLATE NOCASE', [email])
  // An earlier run was killed after it had created this one.
  if (existing !== null && existing === kept?.guid) return 'created'
  if (existing !== null) {
    // The kept password is not that of the existing account.
    if (kept !== undefined) rmSync(file)
    return 'exists'
  }
  const made = kept ?? {
    primary_email: email,
    password: typedPassword ?? randomBytes(18).toString('base64url'),
    guid: randomUUID(),
  }
  if (typedPassword === null) keepFile(file, made)
  const hash = await (await createLocalPasswords()).hash(made.password)
  const now = Math.floor(Date.now() / 1000)
  const inserted = await query(
    `INSERT INTO users (guid, primary_email, password_hash, "group", is_active, confirmed_at, created_at, updated_at)
     VALUES (?, ?, ?, ?, 1, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING guid`,
    [made.guid, email, hash, group, now, now, now],
  )
  return inserted === null ? 'exists' : 'created'
}
