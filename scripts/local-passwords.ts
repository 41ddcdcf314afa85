/** Hashes passwords on this machine as the Worker does, for accounts that scripts write. */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import setupWasm from 'argon2id/lib/setup.js'

import { createPasswords, type Passwords } from '../src/domain/accounts/passwords.ts'

export async function createLocalPasswords(): Promise<Passwords> {
  const argon2id = await setupWasm(instantiate('simd.wasm'), instantiate('no-simd.wasm'))
  return createPasswords({
    argon2id: async (params) => argon2id(params),
    scrypt: unneeded,
    argon2: unneeded,
    pbkdf2: unneeded,
    bcrypt: unneeded,
  })
}

/** The accounts that scripts write have hashes of our own alone. */
function unneeded(): Promise<never> {
  return Promise.reject(new Error('not needed here'))
}

function instantiate(name: string) {
  const path = createRequire(import.meta.url).resolve(`argon2id/dist/${name}`)
  return (imports: WebAssembly.Imports) => WebAssembly.instantiate(readFileSync(path), imports)
}
