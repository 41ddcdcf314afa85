/** F5: F1, and one Argon2id hash by the same package, with the parameters of new passwords. */

import noSimd from 'argon2id/dist/no-simd.wasm'
import simd from 'argon2id/dist/simd.wasm'
import setupWasm from 'argon2id/lib/setup.js'
import { Hono } from 'hono'

const password = new TextEncoder().encode('correct horse battery staple')
const salt = new Uint8Array(16)
let argon2id: ReturnType<typeof setupWasm> | undefined

export default new Hono().get('/', async (c) => {
  argon2id ??= setupWasm(instantiate(simd), instantiate(noSimd))
  const params = { password, salt, memorySize: 19_456, passes: 2, parallelism: 1, tagLength: 32 }
  return c.text((await argon2id)(params).toHex())
})

function instantiate(module: WebAssembly.Module) {
  return async (imports: WebAssembly.Imports) => ({ instance: await WebAssembly.instantiate(module, imports), module })
}
