/**
 * Accounts with a password hash of another system, in workerd: each signs in with the password that it always had, and has one of ours
 * from then on. The hashes are as strong as their tools make them, where they fit an isolate.
 */

import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'

import { readForeignHash } from '../../../src/domain/accounts/foreign-hash.ts'
import { createAccount } from '../../support/accounts.ts'
import { answer } from '../../support/answers.ts'
import { FOREIGN_HASHES, named, STRONG_HASHES } from '../../support/foreign-hashes.ts'
import { worker } from '../../support/worker.ts'

const OURS = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/

async function signIn(email: string | null, password: string): Promise<number> {
  const response = await worker.call('/auth/token', { method: 'POST', json: { primary_email: email, password } })
  const { status } = await answer(response)
  return status
}

async function storedHash(id: number): Promise<string | null> {
  return env.DB.prepare('SELECT password_hash FROM users WHERE id = ?').bind(id).first('password_hash')
}

/** An account whose hash was imported, with the form of it that is stored. */
async function importAccount(hash: string) {
  const read = readForeignHash(hash)
  if ('refused' in read) throw new Error(read.refused)
  return { ...(await createAccount(env.DB, { passwordHash: read.stored })), stored: read.stored }
}

test.each([...FOREIGN_HASHES, ...STRONG_HASHES])('a first sign-in replaces $name', async ({ hash, password }) => {
  const { id, email } = await importAccount(hash)

  expect(await signIn(email, password)).toBe(200)
  const replaced = await storedHash(id)
  expect(replaced).toMatch(OURS)
  expect(await signIn(email, password)).toBe(200)
  expect(await storedHash(id)).toBe(replaced)
})

test('a sign-in with another password replaces nothing', async () => {
  for (const name of ['Django: PBKDF2', 'Supabase: bcrypt', 'Argon2i', 'Firebase: scrypt']) {
    const { id, email, stored } = await importAccount(named(name).hash)
    expect(await signIn(email, 'wrong')).toBe(401)
    expect(await storedHash(id)).toBe(stored)
  }
})

test('a hash that was written by SQL as the other system had it is replaced as well', async () => {
  const { hash, password } = named('PHP, Laravel: bcrypt')
  const { id, email } = await createAccount(env.DB, { passwordHash: hash })
  expect(await signIn(email, password)).toBe(200)
  expect(await storedHash(id)).toMatch(OURS)
})
