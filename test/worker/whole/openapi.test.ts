/** The OpenAPI document, as it is served, and held against what every operation answers when it works. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { documentOf } from '../../../src/http/openapi/document.ts'
import { createAccount, insertPlace, PASSWORD } from '../../support/accounts.ts'
import { answer, COMMON } from '../../support/answers.ts'
import { createProvingClient } from '../../support/dpop.ts'
import { everyOperation, everyOperationOfDevices } from '../../support/every-operation.ts'
import { keepLog } from '../../support/log.ts'
import { routes } from '../../support/openapi.ts'
import { admin } from '../../support/operators.ts'
import { post, SERVICE } from '../../support/requests.ts'
import { open } from '../../support/sessions.ts'
import { watch } from '../../support/watched-worker.ts'
import { ORIGIN, startWorker, type TestWorker, worker } from '../../support/worker.ts'

keepLog('warn')

describe('GET /openapi.json', () => {
  test('is for every reader and every cache, and names the deployment that was asked', async () => {
    expect(await answer(await worker.call('/openapi.json', { ip: null }))).toEqual({
      status: 200,
      headers: {
        ...COMMON,
        'access-control-allow-origin': '*',
        'cache-control': 'public, max-age=300',
        'content-type': 'application/json',
        'cross-origin-resource-policy': 'cross-origin',
      },
      body: JSON.stringify(documentOf(ORIGIN)),
    })
  })

  test('has PUBLIC_URL and BASE_PATH in its server, whoever asks', async () => {
    const below = startWorker({ PUBLIC_URL: ORIGIN, BASE_PATH: '/auth-service' })
    const { servers } = await (await below.call('/auth-service/openapi.json')).json<{ servers: unknown }>()
    expect(servers).toEqual([{ url: `${ORIGIN}/auth-service`, description: 'This deployment' }])
  })
})

test('every operation that works answers as the document says', async () => {
  const by = watch()
  await everyOperation(by, run)
  await everyOperationOfDevices(by, run)
  await everyOperationBeside(by)

  expect(by.found).toEqual([])
  expect(routes.map(({ method, path }) => `${method} ${path}`).filter((route) => !by.answered.has(route))).toEqual([])
})

function run(_name: string, operation: () => Promise<Response>): Promise<Response> {
  return operation()
}

/** What the operations that tests count the costs of leave out. */
async function everyOperationBeside(by: TestWorker): Promise<void> {
  for (const path of ['/healthz', '/openapi.json', '/.well-known/openid-configuration']) await by.call(path)
  await by.call('/.well-known/oauth-authorization-server')
  const { account, guid, cookies, access } = await open()
  const { sid } = await open(account)
  const headers = { Authorization: `Bearer ${access}` }
  await insertPlace(env.DB, account, '198.51.100.23/32', { createdAt: 0, expiresAt: 9e9 })
  const [place] = await (await by.call('/auth/places', { headers })).json<readonly { id: number }[]>()
  await by.call(`/auth/places/${place?.id}`, { method: 'DELETE', headers })
  await by.call(`/auth/sessions/${sid}`, { method: 'DELETE', headers })
  const ticket = await post('/auth/tickets', { guid, to: '/inbox' }, { headers: SERVICE }, by)
  const { url } = await ticket.json<{ url: string }>()
  await by.call(url.slice(ORIGIN.length))
  await by.call('/refresh', { method: 'POST', cookies })
  await admin('GET', `/users/${guid}/history`, undefined, by)
  // A session that is bound to a key, and tells so.
  const { email } = await createAccount(env.DB)
  const { prove } = await createProvingClient()
  const DPoP = await prove('POST', `${ORIGIN}/auth/token`, Math.floor(Date.now() / 1000))
  const bound = await post('/auth/token', { primary_email: email, password: PASSWORD }, { headers: { DPoP } }, by)
  const { access: token, token_type: type } = await bound.json<Record<'access' | 'token_type', string>>()
  expect(type).toBe('DPoP')
  await post('/auth/token/introspect', { token }, { headers: SERVICE }, by)
  await admin('DELETE', '/sessions', undefined, by)
}
