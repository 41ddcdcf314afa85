/**
 * Three accounts to try a local Tessera with. Their passwords are random and stand in .wrangler/demo-accounts.json, which
 * other scripts may read; they are written once, and a later start keeps what it finds.
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { writeNewFile } from './new-file.ts'
import { root } from './wrangler.ts'

export const KINDS = ['confirmed', 'unconfirmed', 'inactive'] as const

export interface DemoAccount {
  readonly guid: string
  readonly primary_email: string
  readonly password: string
}

export type DemoAccounts = Readonly<Record<(typeof KINDS)[number], DemoAccount>>

const file = join(root, '.wrangler/demo-accounts.json')

/** The demo accounts of this checkout, made up where the file does not have them. */
export function provideDemoAccounts(): DemoAccounts {
  const known = readAccounts()
  if (known !== undefined) return known
  const accounts = makeUp()
  const text = `${JSON.stringify(accounts, null, 2)}\n`
  // Another start may have written the file meanwhile: then these are its accounts.
  if (writeNewFile(file, text)) return accounts
  const others = readAccounts()
  if (others !== undefined) return others
  console.log('.wrangler/demo-accounts.json could not be read: here are new accounts.')
  writeFileSync(file, text, { mode: 0o600 })
  return accounts
}

/** Undefined when there is no such file, or it is not what was written. */
function readAccounts(): DemoAccounts | undefined {
  try {
    const accounts = JSON.parse(readFileSync(file, 'utf8')) as DemoAccounts
    const isWhole = KINDS.map((kind) => accounts[kind]).every(
      ({ guid, primary_email, password }) =>
        // The values go into SQL, and into a line to paste into a shell.
        /^[0-9a-f-]{36}$/.test(guid) && /^\w+@example\.com$/.test(primary_email) && /^[\w-]+$/.test(password),
    )
    return isWhole ? accounts : undefined
  } catch {
    return undefined
  }
}

function makeUp(): DemoAccounts {
  return {
    confirmed: newAccount('confirmed'),
    unconfirmed: newAccount('unconfirmed'),
    inactive: newAccount('inactive'),
  }
}

function newAccount(name: string): DemoAccount {
  return {
    guid: randomUUID(),
    primary_email: `${name}@example.com`,
    password: randomBytes(12).toString('base64url'),
  }
}

/** The SQL that inserts the accounts. It replaces those of an earlier file; rows with the same guid stay as they are. */
export async function demoAccountsSql(accounts: DemoAccounts): Promise<string> {
  const { createLocalPasswords } = await import('./local-passwords.ts')
  const passwords = await createLocalPasswords()
  const now = Math.floor(Date.now() / 1000)
  const rows = await Promise.all(
    KINDS.map(async (kind) => {
      const { guid, primary_email, password } = accounts[kind]
      const confirmedAt = kind === 'unconfirmed' ? 'null' : now
      const isActive = kind === 'inactive' ? 0 : 1
      // The values need no escaping: they are hex, base64 and fixed addresses.
      return `('${guid}', '${primary_email}', '${await passwords.hash(password)}', ${isActive}, ${confirmedAt}, ${now}, ${now})`
    }),
  )
  return `insert into users (guid, primary_email, password_hash, is_active, confirmed_at, created_at, updated_at)
values ${rows.join(',\n')}
on conflict (primary_email collate nocase) do update set guid = excluded.guid, password_hash = excluded.password_hash
where users.guid <> excluded.guid;\n`
}
