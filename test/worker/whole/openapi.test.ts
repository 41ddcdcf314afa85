/**
 * The OpenAPI document, held against the Worker: every answer is as it says, whatever was asked, and every refusal that it names is met
 * where it names it.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { documentOf } from '../../../src/http/openapi/document.ts'
import { confirm, forgot, linkTo, OTHER_PASSWORD, register } from '../../support/account-life.ts'
import { createAccount, insertPlace, PASSWORD } from '../../support/accounts.ts'
import { answer, COMMON } from '../../support/answers.ts'
import { createProvingClient } from '../../support/dpop.ts'
import { everyOperation, everyOperationOfDevices } from '../../support/every-operation.ts'
import { faultyDatabase } from '../../support/faulty-bindings.ts'
import { keepLog } from '../../support/log.ts'
import { codesOf, differences, ISSUER, type Problem, routeOf, routes } from '../../support/openapi.ts'
import { admin } from '../../support/operators.ts'
import { post, SERVICE } from '../../support/requests.ts'
import { open } from '../../support/sessions.ts'
import {
  type CallOptions,
  ORIGIN,
  type Overrides,
  setCookies,
  startWorker,
  type TestWorker,
  worker,
} from '../../support/worker.ts'

keepLog('warn')

/** A Worker, and in what its answers differ from the document. Pages of people are not in it. */
function watch(overrides: Overrides = {}) {
  const found: string[] = []
  const met = new Set<string>()
  const watched = startWorker(overrides)
  const call: TestWorker['call'] = async (path, options = {}) => {
    const response = await watched.call(path, options)
    const { method = 'GET' } = options
    if (/^\/(account|links)\b/.test(path)) return response
    const route = routeOf(method, path)
    if (route !== undefined && response.ok) met.add(`${route.method} ${route.path}`)
    found.push(...(await differences(method, path, response)))
    return response
  }
  return { worker: { ...watched, call }, found, met }
}

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
  const watched = watch({ DEVICE_BINDING: 'offer' })
  const by = watched.worker
  await everyOperation(by, run)
  await everyOperationOfDevices(by, run)
  await everyOperationBeside(by)

  expect(watched.found).toEqual([])
  expect(routes.map(({ method, path }) => `${method} ${path}`).filter((route) => !watched.met.has(route))).toEqual([])
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

const down = faultyDatabase(env.DB)
down.failForGood('before')
const FULL = { limit: () => Promise.resolve({ success: false }) }

/** Requests that are refused for one thing, whichever operation they are of. `sent` is what its body may be. */
const PROBES: Readonly<Record<string, { readonly overrides?: Overrides; readonly options: CallOptions }>> = {
  'nothing but the request': { options: {} },
  'junk for a bearer token': { options: { headers: { Authorization: 'Bearer junk' } } },
  'junk for cookies': { options: { cookies: { access_token: 'junk', refresh_token: 'junk' } } },
  'a cookie twice': { options: { headers: { Cookie: 'access_token=a; access_token=b; refresh_token=c' } } },
  'a page of another site': { options: { headers: { 'Sec-Fetch-Site': 'cross-site' } } },
  'a wrong key that names a client': {
    options: { headers: { Authorization: 'Bearer junk', 'Tessera-Client-IP': '203.0.113.7' } },
  },
  'the key, and a client that cannot be read': { options: { headers: { ...SERVICE, 'Tessera-Client-IP': 'junk' } } },
  'the key, and a client without an address': { options: { headers: { ...SERVICE, 'Tessera-Client-City': 'Austin' } } },
  'junk for a proof': { options: { headers: { DPoP: 'junk' } } },
  'the key': { options: { headers: SERVICE } },
  'the key, and no address of the client': { options: { headers: SERVICE, ip: null } },
  'no address of the client': { options: { ip: null } },
  'too many requests': { overrides: { RATE_BY_ADDRESS: FULL, RATE_BY_ACCOUNT: FULL }, options: {} },
  'another host': { overrides: { PUBLIC_URL: ISSUER, ISSUE_ACCESS: 'service' }, options: {} },
  'nobody who may issue': { overrides: { ISSUE_ACCESS: 'off' }, options: { headers: SERVICE } },
  'only back ends that may issue': { overrides: { ISSUE_ACCESS: 'service' }, options: {} },
  'nobody who may register': { overrides: { REGISTRATION: 'closed' }, options: { headers: SERVICE } },
  'a database that is down': { overrides: { DB: down.database }, options: {} },
  'the key, and a database that is down': { overrides: { DB: down.database }, options: { headers: SERVICE } },
}

/** Bodies of every media type that any operation takes, none of which says anything. */
const BODIES: readonly (readonly [string, CallOptions])[] = [
  ['no body', {}],
  ['an empty object', { json: {} }],
  ['text', { body: 'x', headers: { 'Content-Type': 'text/plain' } }],
  ['a form', { body: 'token=x', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }],
  ['lines', { body: '{}\n', headers: { 'Content-Type': 'application/x-ndjson' } }],
  ['a large body', { json: { filler: 'x'.repeat(17 * 1024) } }],
  ['large lines', { body: ' '.repeat(513 * 1024), headers: { 'Content-Type': 'application/jsonl' } }],
]

/** What an address, a password or a token may be, in whatever field an operation reads it. */
const SENT = {
  primary_email: 'somebody@example.com',
  password: 'seven quiet herons upstream',
  new_password: 'seven quiet herons upstream',
  current_password: 'seven quiet herons upstream',
  new_email: 'next@example.com',
  token: 'junk',
  refresh: 'junk',
  guid: crypto.randomUUID(),
}

async function codeOf(answered: Promise<Response>): Promise<string> {
  return (await (await answered).json<Problem>()).code
}

describe('every operation that refuses', () => {
  const met = new Map<string, Set<string>>()

  async function probe(by: ReturnType<typeof watch>, options: CallOptions) {
    for (const { method, path } of routes) {
      const url = path.replace('{guid}', crypto.randomUUID()).replace('{id}', '1').replace('{sid}', 'nothing')
      const { body: _body, json: _json, ...bare } = options
      const response = await by.worker.call(url, { ...(method === 'GET' ? bare : options), method })
      const name = `${method} ${path}`
      const codes = met.get(name) ?? new Set()
      met.set(name, codes)
      if (response.headers.get('Content-Type') === 'application/problem+json') {
        codes.add((await response.json<Problem>()).code)
      }
    }
  }

  test.each(Object.entries(PROBES))('answers as the document says: %s', async (_name, { overrides = {}, options }) => {
    const by = watch(overrides)
    // Every operation says in JSON why it refuses, where that is asked for.
    const headers = { Accept: 'application/json', ...(options.headers as Record<string, string>) }
    for (const body of [{}, { json: SENT }]) await probe(by, { ...options, headers, ...body })
    await probe(by, options)

    expect(by.found).toEqual([])
  })

  test.each(BODIES)('answers as the document says, with %s', async (_name, options) => {
    const { headers, ...rest } = options
    const by = watch()
    for (const credentials of [{}, SERVICE]) {
      await probe(by, {
        ...rest,
        headers: { Accept: 'application/json', ...(headers as Record<string, string>), ...credentials },
      })
    }

    expect(by.found).toEqual([])
  })

  test.each([
    ['nothing else', {}],
    ['the key, and a client that cannot be read', { ...SERVICE, 'Tessera-Client-IP': 'junk' }],
  ])('answers as the document says, to whoever is signed in and has %s', async (_name, headers) => {
    const by = watch()
    for (const body of [{}, { json: SENT }]) {
      const { cookies } = await open()
      await probe(by, { cookies, headers: { Accept: 'application/json', ...headers }, ...body })
    }

    expect(by.found).toEqual([])
  })

  test('answers as the document says, to whoever has the token of a link', async () => {
    const [by, closed] = [watch(), watch({ REGISTRATION: 'closed' })]
    const email = `${crypto.randomUUID()}@example.com`
    await register(email)
    const confirmation = await linkTo(email, 'confirm_address', 'confirm')
    const codes = [await codeOf(post('/auth/confirm', { token: confirmation }, {}, closed.worker))]
    met.get('POST /auth/confirm')?.add('forbidden')
    await confirm(confirmation)
    await forgot(email)
    const reset = { token: await linkTo(email, 'reset_password', 'reset_password'), new_password: OTHER_PASSWORD }
    for (const key of [SERVICE, { Authorization: 'Bearer junk' }]) {
      const headers = { ...key, 'Tessera-Client-IP': 'junk' }
      codes.push(await codeOf(post('/auth/password/reset', reset, { headers }, by.worker)))
    }
    met.get('POST /auth/password/reset')?.add('forbidden')

    expect([codes, by.found, closed.found]).toEqual([['forbidden', 'client_not_valid', 'forbidden'], [], []])
  })

  test('answers as the document says, to a browser that comes back again and again', async () => {
    const by = watch()
    const { cookies } = await open()
    let jar: Readonly<Record<string, string>> = cookies
    const statuses: number[] = []
    for (let returns = 0; returns < 3; returns += 1) {
      const response = await by.worker.call('/refresh?to=/inbox', { cookies: jar })
      statuses.push(response.status)
      const set = Object.entries(setCookies(response)).map(([name, { value }]) => [name, value])
      jar = { ...jar, ...Object.fromEntries(set) }
    }

    expect([statuses, by.found]).toEqual([[303, 303, 429], []])
    met.get('GET /refresh')?.add('too_many_requests')
  })

  test('is refused for each of these where the document says so, and nowhere else', () => {
    const PROBED = [
      'payload_too_large',
      'unsupported_media_type',
      'misdirected',
      'too_many_requests',
      'client_not_valid',
      'not_authenticated',
      'forbidden',
    ]
    const named = routes.map(({ method, path, operation }) => [
      `${method} ${path}`,
      PROBED.filter((code) => codesOf(operation).has(code)),
    ])
    const answered = routes.map(({ method, path }) => [
      `${method} ${path}`,
      PROBED.filter((code) => met.get(`${method} ${path}`)?.has(code)),
    ])

    expect(Object.fromEntries(answered)).toEqual(Object.fromEntries(named))
  })
})
