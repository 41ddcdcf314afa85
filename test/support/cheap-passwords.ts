/**
 * The Worker with the real Argon2id at a thousandth of its memory, for tests of many tries: each costs what its round trips cost. The hash of
 * every account that such a Worker knows, and the decoy, are made in the same way.
 */

import noSimd from 'argon2id/dist/no-simd.wasm'
import simd from 'argon2id/dist/simd.wasm'
import setupWasm from 'argon2id/lib/setup.js'
import { env } from 'cloudflare:workers'

import { createApp, setCommonHeaders } from '../../src/app.ts'
import { createPasswords, type Passwords } from '../../src/domain/accounts/passwords.ts'
import type { Services } from '../../src/domain/services.ts'
import entryPoint from '../../src/index.ts'
import { runtimeFor } from '../../src/services.ts'
import { createAccount, PASSWORD, type TestAccount } from './accounts.ts'
import { type Overrides, startWorker, type TestWorker } from './worker.ts'

const engine = setupWasm(instantiate(simd), instantiate(noSimd))

function instantiate(module: WebAssembly.Module) {
  return async (imports: WebAssembly.Imports) => ({ instance: await WebAssembly.instantiate(module, imports), module })
}

const unneeded = () => Promise.reject(new Error('no hash of another system here'))

/** Passwords of which one costs so much memory, in KiB, whatever its hash says. */
export function cheapPasswords(memorySize = 16): Passwords {
  return createPasswords({
    argon2id: async (params) => (await engine)({ ...params, memorySize, passes: 1 }),
    scrypt: unneeded,
    argon2: unneeded,
    pbkdf2: unneeded,
    bcrypt: unneeded,
  })
}

const cheap = cheapPasswords()

/** Inserts an account as `createAccount` does, whose password is cheap. */
export async function createCheapAccount(
  options: Parameters<typeof createAccount>[1] = {},
  passwords = cheap,
): Promise<TestAccount> {
  return createAccount(env.DB, { passwordHash: await passwords.hash(PASSWORD), ...options })
}

const app = createApp()

/** A Worker whose passwords are cheap. */
export function startCheapWorker(overrides: Overrides = {}, services: Partial<Services> = {}): TestWorker {
  return startWorker(
    overrides,
    {},
    {
      ...entryPoint,
      async fetch(request, bindings, ctx) {
        const runtime = await runtimeFor(bindings)
        const answer = await app.fetch(request, { ...runtime.services, passwords: cheap, ...services }, ctx)
        return setCommonHeaders(answer, request)
      },
    },
  )
}
