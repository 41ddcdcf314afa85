/**
 * What an operation costs, in units that a noisy machine cannot blur: rows that D1 reads and writes, indexes that its
 * planner uses, and work that a warm isolate must not do again. Round trips: round-trips.test.ts.
 */

import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import * as z from 'zod/mini'

import { GOOD_PASSWORD, linkTo, OTHER_PASSWORD, pressPage } from '../../support/account-life.ts'
import { createAccount, HASHES, PASSWORD } from '../../support/accounts.ts'
import { countRoundTrips, type ObservedStatement } from '../../support/counting-database.ts'
import { admin } from '../../support/operators.ts'
import { onBehalfOf } from '../../support/requests.ts'
import { openByGuid } from '../../support/sessions.ts'
import { ELSEWHERE, HOME, pairOf, startWorker, type TestWorker } from '../../support/worker.ts'

const BACK_END = onBehalfOf(HOME)
const KEY = { Authorization: `Bearer ${env.SERVICE_KEY}` }

afterEach(() => {
  vi.restoreAllMocks()
})

/** Every operation once, in an order in which each works; `measure` sees its name and runs it. */
async function everyOperation(
  worker: TestWorker,
  measure: (name: string, operation: () => Promise<Response>) => Promise<Response>,
): Promise<void> {
  const account = await createAccount(env.DB)
  const credentials = { primary_email: account.email, password: PASSWORD }
  const post = (path: string, json: unknown, headers: HeadersInit = {}) =>
    worker.call(path, { method: 'POST', json, headers })

  await measure('GET /{guid}, a new one', () => worker.call(`/${crypto.randomUUID()}`, { headers: BACK_END }))
  let cookies = pairOf(await measure('GET /{guid}', () => worker.call(`/${account.guid}`, { headers: BACK_END })))
  const old = cookies
  cookies = pairOf(await measure('GET /refresh', () => worker.call('/refresh', { cookies })))
  await measure('GET /refresh, used', () => worker.call('/refresh', { cookies: old }))
  await measure('POST /auth/token, from a new place', () => post('/auth/token', credentials))
  const wrong = { ...credentials, password: 'wrong' }
  await measure('POST /auth/token, the first that fails', () => post('/auth/token', wrong))
  await measure('POST /auth/token, another that fails', () => post('/auth/token', wrong))
  await measure('POST /auth/token, after these', () => post('/auth/token', credentials))
  const signedIn = await measure('POST /auth/token', () => post('/auth/token', credentials))
  const refresh = await refreshOf(signedIn)
  const next = await measure('POST /auth/token/refresh', () => post('/auth/token/refresh', { refresh }))
  const token = await refreshOf(next)
  await measure('POST /auth/token/verify', () => post('/auth/token/verify', { token }))
  await measure('POST /auth/token/introspect', () => post('/auth/token/introspect', { token }, KEY))
  const bearer = { headers: { Authorization: `Bearer ${cookies.access_token}` } }
  await measure('GET /auth/me', () => worker.call('/auth/me', bearer))
  await measure('GET /auth/sessions', () => worker.call('/auth/sessions', bearer))
  await measure('GET /auth/places', () => worker.call('/auth/places', bearer))
  await measure('GET /.well-known/jwks.json', () => worker.call('/.well-known/jwks.json'))
  await measure('POST /auth/token/revoke', () => post('/auth/token/revoke', { token }))
  const browser = pairOf(await measure('POST /auth/session', () => post('/auth/session', credentials)))
  await measure('DELETE /auth/session', () => worker.call('/auth/session', { method: 'DELETE', cookies: browser }))
  await measure('DELETE /auth/sessions', () => worker.call('/auth/sessions', { method: 'DELETE', ...bearer }))
  await measure('GET /refresh, elsewhere', () => worker.call('/refresh', { cookies, ip: ELSEWHERE }))
  await everyOperationOfAccounts(worker, measure)
  await everyOperationOfOperators(worker, measure)
  await measure('cron', async () => {
    // The first run of a day: tables of fewer rows than a day has runs have none in its slice.
    await worker.scheduled(0)
    return new Response()
  })
}

let lives = 0

/** The life of one account. */
async function everyOperationOfAccounts(
  worker: TestWorker,
  measure: (name: string, operation: () => Promise<Response>) => Promise<Response>,
): Promise<void> {
  // Not by chance: whether a subject is the last one in the index of `attempts` is one row that is read or not.
  const [email, next] = [`life${lives}@example.com`, `life${lives}.next@example.com`]
  lives += 1
  const credentials = { primary_email: email, password: GOOD_PASSWORD }
  const ask = (method: string, path: string, json: unknown, access?: string) =>
    worker.call(path, { method, json, ...(access !== undefined && { headers: { Authorization: `Bearer ${access}` } }) })
  const signIn = async (password: string) => {
    const response = await ask('POST', '/auth/token', { ...credentials, password })
    return (await response.json<{ access: string }>()).access
  }
  await measure('POST /auth/register', () => ask('POST', '/auth/register', credentials))
  await measure('POST /auth/confirm/resend', () => ask('POST', '/auth/confirm/resend', { primary_email: email }))
  const confirmation = await linkTo(email, 'confirm_address', 'confirm')
  await measure('POST /auth/confirm', () => ask('POST', '/auth/confirm', { token: confirmation }))
  await measure('POST /auth/register, taken', () => ask('POST', '/auth/register', credentials))
  const first = await signIn(GOOD_PASSWORD)
  await measure('POST /auth/password', () => {
    const passwords = { current_password: GOOD_PASSWORD, new_password: OTHER_PASSWORD }
    return ask('POST', '/auth/password', passwords, first)
  })
  await measure('POST /auth/email', () =>
    ask('POST', '/auth/email', { password: OTHER_PASSWORD, new_email: next }, first),
  )
  const move = await linkTo(next, 'confirm_email', 'confirm_email')
  await measure('POST /links/confirm-email', () => pressPage('/links/confirm-email', { token: move }, worker))
  const undo = await linkTo(email, 'email_changed', 'undo_email')
  await measure('POST /links/undo-email', () => pressPage('/links/undo-email', { token: undo }, worker))
  await measure('POST /auth/password/forgot', () => ask('POST', '/auth/password/forgot', { primary_email: email }))
  const token = await linkTo(email, 'reset_password', 'reset_password')
  await measure('POST /auth/password/reset', () =>
    ask('POST', '/auth/password/reset', { token, new_password: GOOD_PASSWORD }),
  )
  const last = await signIn(GOOD_PASSWORD)
  await measure('DELETE /auth/me', () => ask('DELETE', '/auth/me', { password: GOOD_PASSWORD }, last))
}

/** What operators do with one account. */
async function everyOperationOfOperators(
  worker: TestWorker,
  measure: (name: string, operation: () => Promise<Response>) => Promise<Response>,
): Promise<void> {
  const guid = crypto.randomUUID()
  const ask = (method: string, path: string, json?: unknown) => () => admin(method, path, json, worker)
  const user = { guid, primary_email: `${guid}@example.com`, external_id: guid, password_hash: HASHES.current }
  await measure('POST /admin/users', ask('POST', '/users', user))
  await measure('POST /admin/users, taken', ask('POST', '/users', user))
  await measure('GET /admin/users', ask('GET', '/users?limit=10'))
  await measure('GET /admin/users?email=', ask('GET', `/users?email=${guid}@example.com`))
  await measure('GET /admin/users?external_id=', ask('GET', `/users?external_id=${guid}`))
  await measure('GET /admin/users/{guid}', ask('GET', `/users/${guid}`))
  const { sid } = await openByGuid(guid)
  await openByGuid(guid)
  await measure('PATCH /admin/users/{guid}', ask('PATCH', `/users/${guid}`, { group: 'editors' }))
  await measure('PATCH /admin/users/{guid}, as it is', ask('PATCH', `/users/${guid}`, { group: 'editors' }))
  const credentials = { primary_email: `next.${guid}@example.com`, password_hash: HASHES.scrypt }
  await measure('PATCH /admin/users/{guid}, address and password', ask('PATCH', `/users/${guid}`, credentials))
  await openByGuid(guid)
  const { sid: last } = await openByGuid(guid)
  await measure('GET /admin/users/{guid}/sessions', ask('GET', `/users/${guid}/sessions`))
  await measure('DELETE …/sessions/{sid}', ask('DELETE', `/users/${guid}/sessions/${last}`))
  await measure('DELETE …/sessions/{sid}, ended', ask('DELETE', `/users/${guid}/sessions/${sid}`))
  await measure('DELETE /admin/users/{guid}/sessions', ask('DELETE', `/users/${guid}/sessions`))
  await measure('DELETE /admin/users/{guid}', ask('DELETE', `/users/${guid}`))
}

async function refreshOf(response: Response): Promise<string> {
  return (await response.clone().json<{ refresh: string }>()).refresh
}

test('an operation reads and writes this many rows, index entries included', async () => {
  const counting = countRoundTrips(env.DB)
  const costs: Record<string, { read: number; written: number }> = {}
  // Other accounts and sessions, so that a scan would show.
  const filler = startWorker()
  for (let i = 0; i < 30; i += 1) await filler.call(`/${crypto.randomUUID()}`)

  await everyOperation(startWorker({ DB: counting.database }), async (name, operation) => {
    counting.reset()
    const response = await operation()
    const sum = (count: (statement: ObservedStatement) => number) =>
      counting.statements().reduce((total, statement) => total + count(statement), 0)
    costs[name] = { read: sum((statement) => statement.rowsRead), written: sum((statement) => statement.rowsWritten) }
    return response
  })

  expect(costs).toEqual({
    // An account is its row, two index entries and the counter of ids; a session its row and two index entries.
    'GET /{guid}, a new one': { read: 24, written: 7 },
    'GET /{guid}': { read: 24, written: 3 },
    // Its place is a row with an entry of its index, and the mail about it a row with three.
    'POST /auth/token, from a new place': { read: 25, written: 11 },
    // A failure is a row with an entry of its index, and then that row again, whose end is another one.
    'POST /auth/token, the first that fails': { read: 7, written: 2 },
    'POST /auth/token, another that fails': { read: 8, written: 1 },
    'POST /auth/token, after these': { read: 30, written: 4 },
    'POST /auth/token': { read: 27, written: 3 },
    // A rotation is its row: what D1 is billed by.
    'GET /refresh': { read: 4, written: 1 },
    'POST /auth/token/refresh': { read: 4, written: 1 },
    'GET /refresh, used': { read: 3, written: 0 },
    // A session that ends gets an entry in the index of those that ended.
    'GET /refresh, elsewhere': { read: 16, written: 6 },
    'POST /auth/token/verify': { read: 0, written: 0 },
    'GET /.well-known/jwks.json': { read: 0, written: 0 },
    'POST /auth/token/introspect': { read: 2, written: 0 },
    'POST /auth/token/revoke': { read: 3, written: 2 },
    'GET /auth/me': { read: 2, written: 0 },
    'GET /auth/sessions': { read: 11, written: 0 },
    'GET /auth/places': { read: 5, written: 0 },
    'POST /auth/session': { read: 27, written: 3 },
    'DELETE /auth/session': { read: 3, written: 2 },
    // One row of the account, however many sessions it ends, and its event.
    'DELETE /auth/sessions': { read: 16, written: 4 },
    // The count of its mails is a row with an entry of its index, a registration one with two, and the mail one with three.
    'POST /auth/register': { read: 7, written: 9 },
    'POST /auth/confirm/resend': { read: 13, written: 9 },
    // The account, its two index entries and the counter of ids, and the two registrations; an event is a row with an entry of its index,
    // and the counter of ids.
    'POST /auth/confirm': { read: 25, written: 9 },
    // As where there is no account, but for the count, which had its row.
    'POST /auth/register, taken': { read: 10, written: 8 },
    'POST /auth/password': { read: 27, written: 8 },
    'POST /auth/email': { read: 17, written: 6 },
    'POST /links/confirm-email': { read: 41, written: 12 },
    'POST /links/undo-email': { read: 69, written: 8 },
    'POST /auth/password/forgot': { read: 4, written: 6 },
    'POST /auth/password/reset': { read: 56, written: 11 },
    'DELETE /auth/me': { read: 49, written: 19 },
    // An account with three index entries, and the counter of ids; an act is a row with three entries and a counter.
    'POST /admin/users': { read: 16, written: 13 },
    'POST /admin/users, taken': { read: 3, written: 0 },
    'GET /admin/users': { read: 14, written: 0 },
    'GET /admin/users?email=': { read: 1, written: 0 },
    'GET /admin/users?external_id=': { read: 1, written: 0 },
    'GET /admin/users/{guid}': { read: 1, written: 0 },
    'PATCH /admin/users/{guid}': { read: 19, written: 11 },
    'PATCH /admin/users/{guid}, as it is': { read: 2, written: 0 },
    // Two mails and two events.
    'PATCH /admin/users/{guid}, address and password': { read: 36, written: 22 },
    'GET /admin/users/{guid}/sessions': { read: 9, written: 0 },
    'DELETE …/sessions/{sid}': { read: 11, written: 7 },
    'DELETE …/sessions/{sid}, ended': { read: 10, written: 0 },
    'DELETE /admin/users/{guid}/sessions': { read: 17, written: 9 },
    'DELETE /admin/users/{guid}': { read: 40, written: 22 },
    // Nothing to purge or to send.
    cron: { read: 28, written: 0 },
  })
}, 60_000)

test('every query of a request uses an index', async () => {
  const counting = countRoundTrips(env.DB)
  await everyOperation(startWorker({ DB: counting.database }), (_name, operation) => operation())

  const queries = [...new Set(counting.statements().map(({ sql }) => sql))]
  expect(queries.length).toBeGreaterThan(10)
  for (const query of queries) {
    const parameters = query.split('?').length - 1
    const plan = await env.DB.prepare(`EXPLAIN QUERY PLAN ${query}`)
      .bind(...Array<null>(parameters).fill(null))
      .all<{ detail: string }>()
    // `json_each` is the list that was bound, not a table.
    const scans = plan.results.filter(({ detail }) => /^SCAN (?!CONSTANT|\(subquery|json_each VIRTUAL)/.test(detail))
    expect(scans, query).toEqual([])
  }
}, 60_000)

test('a warm isolate imports no key, reads no configuration and prepares no statement', async () => {
  const reads: string[] = []
  const prepared: string[] = []
  const database = new Proxy(env.DB, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (name === 'prepare') prepared.push('prepare')
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
  const configuration: Record<string, PropertyDescriptor> = {}
  for (const [key, value] of Object.entries(env)) {
    if (typeof value !== 'string') continue
    configuration[key] = { enumerable: true, get: () => (reads.push(key), value) }
  }
  const worker = startWorker({ DB: database }, configuration)
  const imports = (['importKey', 'deriveBits', 'deriveKey', 'generateKey', 'exportKey'] as const).map((name) =>
    vi.spyOn(crypto.subtle, name),
  )
  await everyOperation(worker, (_name, operation) => operation())
  expect(reads).toContain('AUTH_SECRET')
  expect(imports[0]).toHaveBeenCalled()
  expect(prepared).not.toEqual([])

  reads.length = 0
  prepared.length = 0
  for (const spy of imports) spy.mockClear()
  await everyOperation(worker, (_name, operation) => operation())
  expect(reads).toEqual([])
  expect(prepared).toEqual([])
  for (const spy of imports) expect(spy).not.toHaveBeenCalled()
}, 60_000)

test('a request constructs no schema', async () => {
  const define = vi.spyOn(Object, 'defineProperty')
  // Every schema and every check of zod defines this property of itself.
  const constructed = () => define.mock.calls.filter(([, name]) => name === '_zod').length
  z.object({ some: z.string() })
  expect(constructed()).toBe(2)
  // What is loaded when it is met makes its schemas once.
  await everyOperation(startWorker(), (_name, operation) => operation())
  await everyOperation(startWorker(), async (_name, operation) => {
    define.mockClear()
    const response = await operation()
    expect(constructed()).toBe(0)
    return response
  })
}, 60_000)

test('a warm isolate hashes in the one instance of WebAssembly that it has, so memory is bounded', async () => {
  const worker = startWorker()
  const { email } = await createAccount(env.DB)
  const signIn = () =>
    worker.call('/auth/token', { method: 'POST', json: { primary_email: email, password: PASSWORD } })
  expect((await signIn()).status).toBe(200)
  const instantiate = vi.spyOn(WebAssembly, 'instantiate')

  expect((await signIn()).status).toBe(200)
  expect(instantiate).not.toHaveBeenCalled()
})

test('a start that failed is tried again at the next request', async () => {
  const worker = startWorker({ AUTH_SECRET: '' })
  vi.spyOn(console, 'error').mockReturnValue()
  expect((await worker.call('/.well-known/jwks.json')).status).toBe(500)

  Object.assign(worker.bindings, { AUTH_SECRET: env.AUTH_SECRET })
  expect((await worker.call('/.well-known/jwks.json')).status).toBe(200)
})
