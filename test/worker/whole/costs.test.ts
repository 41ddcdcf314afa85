/**
 * What an operation costs, in units that a noisy machine cannot blur: rows that D1 reads and writes, indexes that its
 * planner uses, and work that a warm isolate must not do again. Round trips: round-trips.test.ts.
 */

import { env } from 'cloudflare:workers'
import { expect, test, vi } from 'vitest'
import * as z from 'zod/mini'

import { createAccount, PASSWORD } from '../../support/accounts.ts'
import { countRoundTrips, type ObservedStatement } from '../../support/counting-database.ts'
import { everyOperation, everyOperationOfDevices } from '../../support/every-operation.ts'
import { keepLog } from '../../support/log.ts'
import { startWorker } from '../../support/worker.ts'

keepLog('warn')

test('an operation reads and writes this many rows, index entries included', async () => {
  const counting = countRoundTrips(env.DB)
  const costs: Record<string, { read: number; written: number }> = {}
  // Other accounts and sessions, so that a scan would show.
  const filler = startWorker()
  for (let i = 0; i < 30; i += 1) await filler.call(`/${crypto.randomUUID()}`)

  const worker = startWorker({ DEVICE_BINDING: 'offer', DB: counting.database })
  const measure = async (name: string, operation: () => Promise<Response>) => {
    counting.reset()
    const response = await operation()
    const sum = (count: (statement: ObservedStatement) => number) =>
      counting.statements().reduce((total, statement) => total + count(statement), 0)
    costs[name] = { read: sum((statement) => statement.rowsRead), written: sum((statement) => statement.rowsWritten) }
    return response
  }
  await everyOperation(worker, measure)
  await everyOperationOfDevices(worker, measure)

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
    'POST /auth/device': { read: 3, written: 1 },
    'POST /refresh/device, without a proof': { read: 2, written: 0 },
    // The mail to its owner is a row with three entries of indexes.
    'POST /refresh/device, by another key': { read: 7, written: 4 },
    'GET /refresh, bound': { read: 3, written: 0 },
    'POST /refresh/device': { read: 4, written: 1 },
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
    'POST /links/undo-email': { read: 76, written: 8 },
    'POST /auth/password/forgot': { read: 4, written: 6 },
    'POST /auth/password/reset': { read: 57, written: 11 },
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
    // An account is ten rows, with its act and its event; a counter of ids for each table.
    'POST /admin/users/import': { read: 35, written: 21 },
    'POST /admin/users/import, again': { read: 8, written: 0 },
    // An act is a row with three entries of its indexes, and the counter of ids.
    'POST /admin/mails': { read: 9, written: 9 },
    'POST /admin/mails/{id}/requeue': { read: 8, written: 7 },
    'POST /admin/mails/requeue': { read: 14, written: 7 },
    // The rows of the list, or as many as are looked at.
    'GET /admin/mails': { read: 45, written: 0 },
    'GET /admin/mails?state=waiting': { read: 2, written: 0 },
    'GET /admin/mails?state=parked': { read: 2, written: 0 },
    'GET /admin/mails?state=sent': { read: 45, written: 0 },
    'GET /admin/mails?guid={guid}': { read: 45, written: 0 },
    'GET /admin/audit': { read: 31, written: 0 },
    'GET /admin/audit?actor=service': { read: 31, written: 0 },
    'GET /admin/audit?action=mail_asked': { read: 23, written: 0 },
    'GET /admin/audit?guid={guid}': { read: 10, written: 0 },
    // Nothing to purge or to send.
    // Of what is kept of sessions it reads the oldest rows, and of every other table a slice.
    cron: { read: 42, written: 0 },
  })
}, 60_000)

test('every query of a request uses an index', async () => {
  const counting = countRoundTrips(env.DB)
  await everyOperation(startWorker({ DB: counting.database }), (_name, operation) => operation())

  const queries = [...new Set(counting.statements().map(({ sql }) => sql))]
  expect(queries.length).toBeGreaterThan(10)
  // The purge looks at the oldest rows of a table, as they stand there, and at no others.
  const oldest = /select \*, rowid as row_id from "\w+" order by rowid limit \?/
  for (const query of queries.filter((one) => !oldest.test(one))) {
    const parameters = query.split('?').length - 1
    const plan = await env.DB.prepare(`EXPLAIN QUERY PLAN ${query}`)
      .bind(...Array<null>(parameters).fill(null))
      .all<{ detail: string }>()
    // A virtual table is the list that was bound. A part that SQLite runs beside, row by row, has its own lines in the plan.
    const beside = plan.results.flatMap(({ detail }) => /^CO-ROUTINE (\w+)$/.exec(detail)?.[1] ?? [])
    const scans = plan.results
      .filter(({ detail }) => /^SCAN (?!CONSTANT|\(subquery|\w+ VIRTUAL)/.test(detail))
      .filter(({ detail }) => !beside.some((name) => detail === `SCAN ${name}`))
      // An index of few rows may be read from one end.
      .filter(({ detail }) => !/ USING (COVERING )?INDEX notifications_parked$/.test(detail))
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
