/** The adapter for Hono in a Worker that is bound to Tessera: keys come over the binding, once, and no request goes out for them. */

import { env, exports } from 'cloudflare:workers'
import { Hono } from 'hono'
import { expect, test, vi } from 'vitest'

import { tessera } from '../../../src/adapters/hono.ts'
import type { TokenServiceBinding } from '../../../src/rpc/contract.ts'
import { createAccount, PASSWORD } from '../../support/accounts.ts'
import { ORIGIN, worker } from '../../support/worker.ts'

/** The bindings of that Worker. */
interface Bound {
  readonly TESSERA: Pick<TokenServiceBinding, 'keys'>
}

test('lets in by tokens of its own Tessera, whose keys come over the binding once', async () => {
  const { TokenService } = exports as unknown as { TokenService: TokenServiceBinding }
  const fetched = vi.spyOn(globalThis, 'fetch')
  const asked = vi.fn(() => TokenService.keys())
  const app = new Hono<{ Bindings: Bound }>()
    .use(tessera({ issuer: ORIGIN, binding: ({ TESSERA }: Bound) => TESSERA }))
    .get('/orders', (c) => c.text(c.get('user').guid))
  const bindings = { TESSERA: { keys: asked } }

  const account = await createAccount(env.DB)
  const json = { primary_email: account.email, password: PASSWORD }
  const { access, refresh } = await (
    await worker.call('/auth/token', { method: 'POST', json })
  ).json<{
    access: string
    refresh: string
  }>()
  const ask = async (token: string) =>
    app.request('/orders', { headers: { Authorization: `Bearer ${token}` } }, bindings)
  for (let i = 0; i < 20; i++) expect(await (await ask(access)).text()).toBe(account.guid)
  expect((await ask(refresh)).status).toBe(401)
  expect([asked.mock.calls.length, fetched.mock.calls.length]).toEqual([1, 0])
})
