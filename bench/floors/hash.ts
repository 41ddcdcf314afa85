/** One Argon2id hash by the same package as Tessera's, with the parameters of new passwords. */

import noSimd from 'argon2id/dist/no-simd.wasm'
import simd from 'argon2id/dist/simd.wasm'
import setupWasm from 'argon2id/lib/setup.js'

const salt = new Uint8Array(16)
let argon2id: ReturnType<typeof setupWasm> | undefined

export async function hash(password: string): Promise<Uint8Array> {
  argon2id ??= setupWasm(instantiate(simd), instantiate(noSimd))
  const params = { password: new TextEncoder().encode(password), salt, memorySize: 19_456, passes: 2, parallelism: 1 }
  return (await argon2id)({ ...params, tagLength: 32 })
}

function instantiate(module: WebAssembly.Module) {
  return async (imports: WebAssembly.Imports) => ({ instance: await WebAssembly.instantiate(module, imports), module })
}
