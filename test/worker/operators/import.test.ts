/** Accounts that operators bring along: each line is made, there already, or refused by itself; what is sent again makes nothing twice. */

import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import { createAccount, dumpTables, emptyTables, GUID, HASHES, PASSWORD } from '../../support/accounts.ts'
import { answer, malformed, okJson, problem, UNAVAILABLE } from '../../support/answers.ts'
import { stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { FAULTS, faultyDatabase } from '../../support/faulty-bindings.ts'
import { interruptBefore } from '../../support/interrupted-database.ts'
import { keepLog } from '../../support/log.ts'
import { actsOn, eventsOf } from '../../support/operators.ts'
import { SERVICE, signInByJson } from '../../support/requests.ts'
import { pairOf, startWorker, type TestWorker, worker } from '../../support/worker.ts'

stopClock()
const log = keepLog('warn')
beforeEach(() => emptyTables(env.DB))

type Line = Readonly<Record<string, unknown>>

interface Imported {
  readonly results: readonly Readonly<{ line: number; status: string; guid?: string; errors?: unknown }>[]
  readonly created: number
  readonly exists: number
  readonly refused: number
}

function send(body: BodyInit, by: TestWorker = worker, type = 'application/x-ndjson') {
  return by.call('/admin/users/import', { method: 'POST', body, headers: { ...SERVICE, 'Content-Type': type } })
}

function toLines(lines: readonly Line[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

async function importAll(lines: readonly Line[], by?: TestWorker): Promise<Imported> {
  const response = await send(toLines(lines), by)
  expect(response.status).toBe(200)
  return response.json()
}

/** What became of each line: its status, or its errors. */
function fates({ results }: Imported): readonly unknown[] {
  return results.map(({ status, errors }) => errors ?? status)
}

function numbered(count: number, from = 1): readonly Line[] {
  return Array.from({ length: count }, (_, i) => ({
    primary_email: `user${from + i}@example.com`,
    external_id: `ext-${from + i}`,
    password_hash: HASHES.scrypt,
  }))
}

async function rows(table: string): Promise<number> {
  return Number(await env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first('n'))
}

/** How many accounts, acts and events there are. */
async function counts(): Promise<readonly number[]> {
  return [await rows('users'), await rows('audit'), await rows('events')]
}

describe('a line', () => {
  test('makes an account of all that it says, with its act and its event', async () => {
    const line = {
      primary_email: ' Somebody@Example.COM',
      password_hash: HASHES.scrypt,
      guid: GUID.toUpperCase(),
      external_id: '00123',
      group: '7',
      claims: { plan: 'pro', seats: [1, 2] },
      active: false,
      language: 'ru',
      time_zone: 'Europe/Kyiv',
      created_at: 1_500_000_000,
    }
    expect(await answer(await send(toLines([line])))).toEqual(
      okJson({ results: [{ line: 1, status: 'created', guid: GUID }], created: 1, exists: 0, refused: 0 }),
    )
    const row = await env.DB.prepare('SELECT * FROM users').first()
    expect(row).toEqual({
      id: row?.['id'],
      guid: GUID,
      primary_email: 'somebody@example.com',
      password_hash: HASHES.scrypt,
      group: '7',
      is_active: 0,
      confirmed_at: T0,
      failed_sign_ins: 0,
      locked_until: null,
      ended_before: null,
      ended_except: null,
      credentials_version: 0,
      language: 'ru',
      time_zone: 'Europe/Kyiv',
      left_at: null,
      created_at: 1_500_000_000,
      updated_at: T0,
      external_id: '00123',
      own_claims: '{"plan":"pro","seats":[1,2]}',
    })
    const id = Number(row?.['id'])
    expect(await actsOn(id)).toEqual([
      ['user_imported', { group: '7', active: false, confirmed: true, has_password: true }],
    ])
    expect(await eventsOf(id)).toMatchObject([{ type: 'registered', reason: 'imported', facts: '{"group":"7"}' }])
  })

  test('may be no more than one of its ids', async () => {
    const { results } = await importAll([{ primary_email: 'a@example.com' }, { guid: GUID }, { external_id: 'x' }])
    const { results: users } = await env.DB.prepare(
      'SELECT guid, primary_email, external_id, "group", is_active, confirmed_at, created_at FROM users ORDER BY id',
    ).all()
    const common = { group: 'user', is_active: 1, created_at: T0 }
    expect(users).toEqual([
      { guid: results[0]?.guid, primary_email: 'a@example.com', external_id: null, ...common, confirmed_at: T0 },
      { guid: GUID, primary_email: null, external_id: null, ...common, confirmed_at: null },
      { guid: results[2]?.guid, primary_email: null, external_id: 'x', ...common, confirmed_at: null },
    ])
  })

  test('may have been made at a time that the clock here has not reached, as far as clocks differ', async () => {
    expect(fates(await importAll([{ guid: GUID, created_at: T0 + 300 }]))).toEqual(['created'])
  })

  test('makes an account whose owner signs in as before, and gets no mail about it', async () => {
    const email = 'somebody@example.com'
    await importAll([{ primary_email: email, password_hash: HASHES.scrypt, created_at: 1_500_000_000 }])
    expect((await signInByJson(email, PASSWORD)).status).toBe(200)
    expect(await rows('notifications')).toBe(0)
  })

  test.each<[string, unknown, unknown]>([
    ['no JSON', '{"primary_email": "a@example.com"', { body: ['must be JSON'] }],
    ['no object', '["a@example.com"]', { body: ['Invalid input: expected object, received array'] }],
    ['null', 'null', { body: ['Invalid input: expected object, received null'] }],
    ['no id', {}, { primary_email: ['Or guid, or external_id: one is needed'] }],
    ['no address', { primary_email: 'a@b' }, { primary_email: ['Invalid email address'] }],
    [
      'a password in clear',
      { primary_email: 'a@example.com', password: PASSWORD },
      { password: ['is not taken by an import: give password_hash'] },
    ],
    [
      'a time in milliseconds',
      { primary_email: 'a@example.com', created_at: T0 * 1000 },
      { created_at: ['must not be in the future, in seconds since 1970'] },
    ],
    [
      'a time that is later than clocks differ',
      { primary_email: 'a@example.com', created_at: T0 + 301 },
      { created_at: ['must not be in the future, in seconds since 1970'] },
    ],
    ['a date', { guid: GUID, created_at: '2020' }, { created_at: ['Invalid input: expected number, received string'] }],
    ['a field that is not known', { guid: GUID, hash: 'x' }, { hash: ['is not known'] }],
    ['no guid', { guid: '7' }, { guid: ['Invalid GUID'] }],
    [
      'two things wrong',
      { guid: '7', group: '' },
      { guid: ['Invalid GUID'], group: ['must have 1 to 32 characters, and no control characters'] },
    ],
    ['a claim of Tessera', { guid: GUID, claims: { sub: 'x' } }, { claims: ['must not have sub, which is reserved'] }],
    ['half a character', '{"external_id": "\\ud800"}', { external_id: [expect.any(String)] }],
  ])('with %s is refused by itself, with what is wrong', async (_what, line, errors) => {
    const text = typeof line === 'string' ? line : JSON.stringify(line)
    const before = toLines(numbered(1))
    const response = await send(`${before}${text}\n${toLines(numbered(1, 2))}`)
    expect([response.status, await response.json<Imported>()]).toEqual([
      200,
      {
        results: [
          { line: 1, status: 'created', guid: expect.any(String) },
          { line: 2, status: 'refused', errors },
          { line: 3, status: 'created', guid: expect.any(String) },
        ],
        created: 2,
        exists: 0,
        refused: 1,
      },
    ])
    expect(await counts()).toEqual([2, 2, 2])
  })

  test('that is not UTF-8 is refused, and not taken for something else', async () => {
    const bytes = new TextEncoder().encode(toLines([{ primary_email: 'a@example.com', group: 'X' }]))
    const broken = bytes.map((byte) => (byte === 'X'.charCodeAt(0) ? 0xe4 : byte))
    const response = await send(broken)
    expect(fates(await response.json())).toEqual([{ body: ['must be UTF-8'] }])
    expect(await counts()).toEqual([0, 0, 0])
  })

  test('is counted where it stands: blank lines, line breaks of Windows and a mark at the beginning are none', async () => {
    const [a, b] = numbered(2).map((line) => JSON.stringify(line))
    const response = await send(`\uFEFF${a}\r\n\r\n   \n${b}`)
    const { results } = await response.json<Imported>()
    expect(results.map(({ line, status }) => [line, status])).toEqual([
      [1, 'created'],
      [4, 'created'],
    ])
  })
})

describe('an import', () => {
  test('that is sent again writes nothing, and says that all are there', async () => {
    const lines = [...numbered(3), { guid: GUID }, { external_id: 'alone' }, { primary_email: 'alone@example.com' }]
    const first = await importAll(lines)
    expect(first).toMatchObject({ created: 6, exists: 0, refused: 0 })
    const before = await dumpTables(env.DB)
    expect(await importAll(lines)).toEqual({
      results: first.results.map((result) => ({ ...result, status: 'exists' })),
      created: 0,
      exists: 6,
      refused: 0,
    })
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('tells an account that is there from one that has something of it', async () => {
    const one = { primary_email: 'one@example.com', external_id: 'one', guid: GUID }
    await importAll([
      one,
      { primary_email: 'two@example.com', external_id: 'two' },
      { primary_email: 'three@example.com' },
    ])
    const email = one.primary_email
    const cases: readonly (readonly [Line, unknown])[] = [
      [{ primary_email: email }, 'exists'],
      [{ primary_email: email.toUpperCase() }, 'exists'],
      [{ primary_email: email, external_id: 'one' }, 'exists'],
      [{ guid: one.guid, primary_email: email, external_id: 'one', group: 'other' }, 'exists'],
      [{ external_id: 'one' }, 'exists'],
      [{ primary_email: email, external_id: 'other' }, { primary_email: ['is taken'] }],
      [{ primary_email: 'other@example.com', external_id: 'one' }, { external_id: ['is taken'] }],
      [
        { primary_email: email, external_id: 'two' },
        { primary_email: ['is taken'], external_id: ['is taken'] },
      ],
      [{ primary_email: email, guid: crypto.randomUUID() }, { primary_email: ['is taken'] }],
      [{ primary_email: 'other@example.com', guid: one.guid }, { guid: ['is taken'] }],
      // The address has an account without an external id.
      [{ primary_email: 'three@example.com', external_id: 'three' }, { primary_email: ['is taken'] }],
      [{ primary_email: 'three@example.com' }, 'exists'],
    ]
    const before = await dumpTables(env.DB)
    expect(fates(await importAll(cases.map(([line]) => line)))).toEqual(cases.map(([, fate]) => fate))
    expect(await dumpTables(env.DB)).toEqual(before)
  })

  test('does not bring back an account whose owner left', async () => {
    const { id } = await createAccount(env.DB, { guid: GUID })
    await env.DB.prepare('UPDATE users SET primary_email = NULL, left_at = 1 WHERE id = ?').bind(id).run()
    expect(fates(await importAll([{ guid: GUID }, { guid: GUID, primary_email: 'new@example.com' }]))).toEqual([
      { guid: ['is taken'] },
      { guid: ['is taken'] },
    ])
  })

  test('finds an address that was written by SQL in another case', async () => {
    await createAccount(env.DB, { email: 'Some.Body@Example.com' })
    expect(fates(await importAll([{ primary_email: 'some.body@example.com' }]))).toEqual(['exists'])
  })

  test('judges its own lines as if they came one after the other', async () => {
    const [line = {}] = numbered(1)
    const lines = [
      line,
      line,
      { primary_email: line['primary_email'] },
      { ...line, external_id: 'other' },
      { primary_email: 'other@example.com', external_id: line['external_id'] },
      { guid: GUID, external_id: 'x' },
      { guid: GUID, external_id: 'y' },
      { guid: GUID.toUpperCase() },
    ]
    const imported = await importAll(lines)
    expect(fates(imported)).toEqual([
      'created',
      'exists',
      'exists',
      { primary_email: ['is taken'] },
      { external_id: ['is taken'] },
      'created',
      { guid: ['is taken'] },
      'exists',
    ])
    expect(imported).toMatchObject({ created: 2, exists: 3, refused: 3 })
    expect(await counts()).toEqual([2, 2, 2])
  })

  test('writes no secret and no address into the ledger and the events', async () => {
    await importAll(numbered(2))
    const { audit, events } = await dumpTables(env.DB)
    expect(JSON.stringify([audit, events])).not.toMatch(/@example|scrypt|ext-/)
    expect(log.mock.calls).toEqual([[{ event: 'users_imported', count: 2 }]])
  })
})

describe('the size of an import', () => {
  test('has at most 500 lines', async () => {
    const lines = numbered(501)
    expect(await answer(await send(toLines(lines)))).toEqual(malformed({ body: ['must have at most 500 lines'] }))
    expect(await counts()).toEqual([0, 0, 0])
    const { results, ...sums } = await importAll(lines.slice(0, 500))
    expect([sums, results.map(({ line }) => line)]).toEqual([
      { created: 500, exists: 0, refused: 0 },
      Array.from({ length: 500 }, (_, i) => i + 1),
    ])
    expect(await counts()).toEqual([500, 500, 500])
    // In the order of the lines.
    const { results: stored } = await env.DB.prepare('SELECT guid FROM users ORDER BY id').all()
    expect(stored.map(({ guid }) => guid)).toEqual(results.map(({ guid }) => guid))
  })

  test('is at most 512 KiB, of which every byte may be used', async () => {
    const claims = { note: 'é'.repeat(490) }
    const text = toLines(numbered(440).map((line) => ({ ...line, claims })))
    const bytes = new TextEncoder().encode(text).length
    const filled = (size: number) => `${text}${' '.repeat(size - bytes)}`
    expect(bytes).toBeGreaterThan(450_000)
    const tooLarge = problem(413, 'Content Too Large', 'Payload too large', 'payload_too_large')
    expect(await answer(await send(filled(512 * 1024 + 1)))).toEqual(tooLarge)
    const stream = new Blob([filled(512 * 1024 + 1)]).stream()
    expect(await answer(await send(stream))).toEqual(tooLarge)
    expect(await counts()).toEqual([0, 0, 0])
    expect(await (await send(new Blob([filled(512 * 1024)]).stream())).json()).toMatchObject({ created: 440 })
    expect(await env.DB.prepare('SELECT own_claims FROM users LIMIT 1').first('own_claims')).toBe(
      JSON.stringify(claims),
    )
  })

  test('may be nothing', async () => {
    expect(await answer(await send('\n'))).toEqual(okJson({ results: [], created: 0, exists: 0, refused: 0 }))
  })

  test.each(['application/json', 'text/plain', 'application/x-www-form-urlencoded'])('is not %s', async (type) => {
    expect(await answer(await send(toLines(numbered(1)), worker, type))).toEqual(
      problem(415, 'Unsupported Media Type', 'Unsupported media type', 'unsupported_media_type'),
    )
  })

  test('may be called JSON lines', async () => {
    expect((await send(toLines(numbered(1)), worker, 'application/jsonl; charset=utf-8')).status).toBe(200)
  })
})

describe('what an import costs', () => {
  test('is two round trips of as many statements, however many lines it has, and none scans a table', async () => {
    const counting = countRoundTrips(env.DB)
    const counted = startWorker({ DB: counting.database })
    await importAll(numbered(300, 1000))
    const costs: unknown[] = []
    for (const count of [1, 400]) {
      counting.reset()
      await importAll(numbered(count, count), counted)
      costs.push([counting.roundTrips(), counting.statements().length])
      for (const { sql, values } of counting.statements()) {
        expect(values.length).toBeLessThan(20)
        const plan = await env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
          .bind(...values)
          .all<{ detail: string }>()
        expect(
          plan.results.map(({ detail }) => detail).filter((detail) => /^SCAN (?!\w+ VIRTUAL)/.test(detail)),
        ).toEqual([])
      }
    }
    expect(costs).toEqual([
      [2, 6],
      [2, 6],
    ])
    counting.reset()
    await importAll(numbered(400, 400), counted)
    expect([counting.roundTrips(), counting.statements().length]).toEqual([1, 3])
  })

  test('of rows written is some of each account, and of rows read, too', async () => {
    const counting = countRoundTrips(env.DB)
    const counted = startWorker({ DB: counting.database })
    await importAll(numbered(500), counted)
    const sum = (name: 'rowsRead' | 'rowsWritten') =>
      counting.statements().reduce((total, statement) => total + statement[name], 0)
    // The account with three index entries, the act with three, the event with one, and a counter of ids for each table.
    expect(sum('rowsWritten')).toBe(500 * 10 + 3)
    expect(sum('rowsRead') / 500).toBeLessThan(20)
  })
})

describe('two imports at once', () => {
  test('make each account once', async () => {
    const lines = [...numbered(20), { guid: GUID }]
    const answers = await Promise.all([1, 2, 3].map(() => importAll(lines, startWorker())))
    expect(answers.map(({ created }) => created).toSorted((a, b) => a - b)).toEqual([0, 0, 21])
    expect(answers.map(({ exists }) => exists).toSorted((a, b) => a - b)).toEqual([0, 21, 21])
    expect(await counts()).toEqual([21, 21, 21])
  })

  test('agree on the guids, also where one came between the two round trips of the other', async () => {
    const lines = numbered(3)
    let first: Imported | undefined
    const interrupted = startWorker({
      DB: interruptBefore(env.DB, 2, async () => {
        first = await importAll(lines.slice(1, 2))
      }),
    })
    const second = await importAll(lines, interrupted)
    expect(fates(second)).toEqual(['created', 'exists', 'created'])
    expect(second.results[1]?.guid).toBe(first?.results[0]?.guid)
    expect(await counts()).toEqual([3, 3, 3])
  })

  test('and a session that is opened for a guid at the same moment', async () => {
    const interrupted = startWorker({
      DB: interruptBefore(env.DB, 2, async () => void pairOf(await worker.call(`/${GUID}`))),
    })
    expect(fates(await importAll([{ guid: GUID, primary_email: 'a@example.com' }], interrupted))).toEqual([
      { guid: ['is taken'] },
    ])
    expect(await rows('audit')).toBe(0)
  })

  test('end in a 503 where others take ids for ever; nothing is made, and sent again it is', async () => {
    const lines = numbered(4)
    let next = 0
    const take = () => importAll(lines.slice(next, (next += 1)))
    let database = env.DB
    for (const trip of [6, 4, 2]) database = interruptBefore(database, trip, take)
    expect(await answer(await send(toLines(lines), startWorker({ DB: database })))).toEqual(UNAVAILABLE)
    expect(await counts()).toEqual([3, 3, 3])
    expect(fates(await importAll(lines))).toEqual(['exists', 'exists', 'exists', 'created'])
  })
})

describe('an import whose D1 fails', () => {
  test.each(FAULTS.flatMap((fault) => [0, 1].map((trip) => [fault, trip] as const)))(
    '%s round trip %i is a 503, half of it is nowhere, and sent again it is whole',
    async (fault, trip) => {
      const d1 = faultyDatabase(env.DB)
      const failing = startWorker({ DB: d1.database })
      const lines = [...numbered(5), { guid: GUID }]
      await failing.call('/healthz')
      d1.fail(...Array<null>(trip).fill(null), fault)
      expect(await answer(await send(toLines(lines), failing))).toEqual(UNAVAILABLE)
      const isMade = fault === 'after' && trip === 1
      expect(await counts()).toEqual(isMade ? [6, 6, 6] : [0, 0, 0])
      d1.heal()
      expect(fates(await importAll(lines, failing))).toEqual(Array(6).fill(isMade ? 'exists' : 'created'))
      expect(await counts()).toEqual([6, 6, 6])
    },
  )

  test.each(['users', 'audit', 'events'])('to write into %s makes nothing at all', async (table) => {
    await env.DB.prepare(
      `CREATE TRIGGER refused BEFORE INSERT ON ${table} WHEN (SELECT count(*) FROM ${table}) = 2 BEGIN SELECT RAISE(ABORT, 'refused'); END`,
    ).run()
    try {
      expect(await answer(await send(toLines(numbered(5))))).toEqual(UNAVAILABLE)
      expect(await counts()).toEqual([0, 0, 0])
    } finally {
      await env.DB.prepare('DROP TRIGGER refused').run()
    }
  })
})
