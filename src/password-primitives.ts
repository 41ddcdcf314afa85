/**
 * The functions behind password hashes, as this runtime has them: a package of WebAssembly, Node's own, and packages in JavaScript for
 * what an import brought. Each is loaded by the first password that needs it.
 */

import type setupWasm from 'argon2id/lib/setup.js'

import type { PasswordPrimitives } from './domain/accounts/password-engines.ts'

type Argon2id = Awaited<ReturnType<typeof setupWasm>>
let argon2id: Promise<Argon2id> | undefined

export const passwordPrimitives: PasswordPrimitives = {
  async argon2id(params) {
    // There is one instance an isolate, made with the first password: hashing never takes more than its 65 MiB.
    const engine = (argon2id ??= startArgon2id())
    try {
      return (await engine)(params)
    } catch (error) {
      // A failed instance is forgotten, so that the next password starts another one.
      if (argon2id === engine) argon2id = undefined
      throw error
    }
  },
  async scrypt(password, salt, keyLength, { N, r, p }) {
    const { scrypt } = await import('node:crypto')
    return new Promise((resolve, reject) => {
      const maxmem = 128 * r * (N + p + 2)
      scrypt(password, salt, keyLength, { N, r, p, maxmem }, (error, key) => {
        if (error) reject(error)
        else resolve(key)
      })
    })
  },
  bcrypt: async (...params) => (await import('./pure-hashes.ts')).bcrypt(...params),
  pbkdf2: async (...params) => (await import('./pure-hashes.ts')).pbkdf2(...params),
  argon2: async (...params) => (await import('./pure-hashes.ts')).argon2(...params),
}

async function startArgon2id(): Promise<Argon2id> {
  const [{ default: setup }, { default: simd }, { default: noSimd }] = await Promise.all([
    import('argon2id/lib/setup.js'),
    import('argon2id/dist/simd.wasm'),
    import('argon2id/dist/no-simd.wasm'),
  ])
  return setup(instantiate(simd), instantiate(noSimd))
}

function instantiate(module: WebAssembly.Module) {
  return async (imports: WebAssembly.Imports) => ({ instance: await WebAssembly.instantiate(module, imports), module })
}
