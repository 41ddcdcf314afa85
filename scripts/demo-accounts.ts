/**
 * Three accounts to try a local Tessera with. Their passwords are random and stand in .wrangler/demo-accounts.json, which
 * other scripts may read; they are written once, and a later start keeps what it finds.
 */

import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import setupWasm from 'argon2id/lib/setup.js'

import { createPasswords } from '../src/domain/passwords.ts'
import { root } from './wrangler.ts'

export const KINDS = ['confirmed', 'unconfirmed', 'inactive'] as const

export interface DemoAccount {
  readonly guid: string
  readonly primary_email: string
  readonly password: string
}

export type DemoAccounts = Readonly<Record<(typeof KINDS)[number], DemoAccount>>

const file = join(root, '.wrangler/demo-accounts.json')

/** The demo accounts of this checkout, made up on first use, and the SQL that puts them into a database. */
export async function prepareDemoAccounts(): Promise<{ accounts: DemoAccounts; sql: string }> {
  const isNew = !existsSync(file)
  const accounts = isNew ? makeUp() : (JSON.parse(readFileSync(file, 'utf8')) as DemoAccounts)
  if (isNew) {
    mkdirSync(join(root, '.wrangler'), { recursive: true })
    writeFileSync(file, `${JSON.stringify(accounts, null, 2)}\n`, { mode: 0o600 })
  }
  return { accounts, sql: await insertion(accounts, isNew) }
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

/** New accounts replace those of an older file; known ones are left as their database has them. */
async function insertion(accounts: DemoAccounts, isNew: boolean): Promise<string> {
  const passwords = createPasswords({
    argon2id: await setupWasm(instantiate('simd.wasm'), instantiate('no-simd.wasm')).then(
      (argon2id) => async (params) => argon2id(params),
    ),
    scrypt: () => Promise.reject(new Error('not needed here')),
  })
  const now = Math.floor(Date.now() / 1000)
  const rows = await Promise.all(
    KINDS.map(async (kind) => {
      const { guid, primary_email, password } = accounts[kind]
      const confirmedAt = kind === 'unconfirmed' ? 'null' : now
      const isActive = kind === 'inactive' ? 0 : 1
      // All of it is of our own making: hex, base64 and fixed addresses.
      return `('${guid}', '${primary_email}', '${await passwords.hash(password)}', ${isActive}, ${confirmedAt}, ${now}, ${now})`
    }),
  )
  const replacement =
    'on conflict (primary_email collate nocase) do update set guid = excluded.guid, password_hash = excluded.password_hash'
  return `insert into users (guid, primary_email, password_hash, is_active, confirmed_at, created_at, updated_at)
values ${rows.join(',\n')}
${isNew ? replacement : 'on conflict do nothing'};\n`
}

function instantiate(name: string) {
  const path = createRequire(import.meta.url).resolve(`argon2id/dist/${name}`)
  return (imports: WebAssembly.Imports) => WebAssembly.instantiate(readFileSync(path), imports)
}
