/** GET /admin/users: filters, search, and pages that neither lose nor repeat a user while others come. */

import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'

import { createAccount, dumpTables, emptyTables } from '../../support/accounts.ts'
import { answer, malformed, NOT_FOUND, okJson } from '../../support/answers.ts'
import { keepLog } from '../../support/log.ts'
import { addUser, admin, changeUser, type UserAnswer } from '../../support/operators.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { startWorker } from '../../support/worker.ts'

keepLog('warn')

interface Page {
  readonly users: readonly UserAnswer[]
  readonly next: string | null
}

async function page(query: Readonly<Record<string, string>> = {}): Promise<Page> {
  const response = await admin('GET', `/users?${new URLSearchParams(query).toString()}`)
  expect(response.status).toBe(200)
  return response.json<Page>()
}

/** Every page, and what happens between two of them. */
async function pages(query: Readonly<Record<string, string>>, between: () => Promise<unknown> = async () => {}) {
  const all: Page[] = [await page(query)]
  for (let next = all[0]?.next; typeof next === 'string'; next = all.at(-1)?.next) {
    await between()
    all.push(await page({ ...query, cursor: next }))
  }
  return all
}

async function found(query: Readonly<Record<string, string>>): Promise<readonly string[]> {
  return (await page(query)).users.map((user) => user.email)
}

describe('of a few accounts', () => {
  const users: Record<string, UserAnswer> = {}

  beforeAll(async () => {
    await emptyTables(env.DB)
    const anna = { primary_email: 'anna@example.com', external_id: 'CRM-Ä1', group: 'editors' }
    users['anna'] = await addUser({ ...anna, guid: 'aaaaaaaa-0000-0000-0000-000000000001' })
    users['bert'] = await addUser({ primary_email: 'bert@example.org', external_id: 'crm_2', active: false })
    users['carla'] = await addUser({ primary_email: 'carla_100%@example.com', confirmed: false })
    users['dora'] = await addUser({ primary_email: 'dora@example.com', group: 'editors', active: false })
    users['gone'] = await addUser({ primary_email: 'gone@example.com', external_id: 'crm-gone' })
    await admin('DELETE', `/users/${users['gone'].guid}`)
    // As SQL may have written it.
    await createAccount(env.DB, { email: 'Emil@Example.COM', guid: 'eeeeeeee-0000-0000-0000-000000000001' })
  })

  test('all of them are a page in the order of their ids, each as it is shown by itself', async () => {
    const { users: listed, next } = await page()
    expect(next).toBeNull()
    expect(listed.map((user) => user.email)).toEqual([
      'anna@example.com',
      'bert@example.org',
      'carla_100%@example.com',
      'dora@example.com',
      'Emil@Example.COM',
    ])
    for (const user of listed) {
      expect(await answer(await admin('GET', `/users/${user.guid.toUpperCase()}`))).toEqual(okJson({ user }))
    }
  })

  test.each([
    [{ email: ' ANNA@example.com' }, ['anna@example.com']],
    [{ email: 'emil@example.com' }, ['Emil@Example.COM']],
    [{ email: 'anna@example' }, []],
    [{ external_id: 'crm_2' }, ['bert@example.org']],
    [{ external_id: 'CRM_2' }, []],
    [{ email: 'bert@example.org', external_id: 'crm_2' }, ['bert@example.org']],
    [{ email: 'anna@example.com', external_id: 'crm_2' }, []],
    [{ email: 'bert@example.org', active: 'true' }, []],
    [{ group: 'editors' }, ['anna@example.com', 'dora@example.com']],
    [{ group: 'editors', active: 'false' }, ['dora@example.com']],
    [{ confirmed: 'false' }, ['carla_100%@example.com']],
    [{ active: 'true', confirmed: 'true' }, ['anna@example.com', 'Emil@Example.COM']],
    [{ search: 'EXAMPLE.org' }, ['bert@example.org']],
    [{ search: 'emil@' }, ['Emil@Example.COM']],
    [{ search: '100%@' }, ['carla_100%@example.com']],
    [{ search: '_1' }, ['carla_100%@example.com']],
    [{ search: 'crm-Ä' }, ['anna@example.com']],
    [{ search: 'CRM-Ä' }, ['anna@example.com']],
    [{ search: 'crm' }, ['anna@example.com', 'bert@example.org']],
    [{ search: 'AAAAAAAA-0' }, ['anna@example.com']],
    [{ search: '0000-0000' }, []],
    [{ search: '%' }, ['carla_100%@example.com']],
    [{ search: "' OR 1=1 --" }, []],
    [{ search: 'gone' }, []],
    [{ email: 'gone@example.com' }, []],
    [
      { search: '', group: '' },
      ['anna@example.com', 'bert@example.org', 'carla_100%@example.com', 'dora@example.com', 'Emil@Example.COM'],
    ],
  ] as const)('%j finds %j', async (query, emails) => {
    expect(await found(query as Record<string, string>)).toEqual(emails)
  })

  test('one whose owner left is there by left=true alone, and by its guid, and nothing of the owner is', async () => {
    const gone = users['gone']
    const nothing = {
      email: null,
      group: null,
      active: null,
      confirmed: null,
      has_password: null,
      external_id: null,
      claims: null,
      language: null,
      time_zone: null,
    }
    const { users: listed } = await page({ left: 'true' })
    expect(listed).toEqual([
      {
        guid: gone?.guid,
        user_id: gone?.user_id,
        ...nothing,
        created_at: gone?.['created_at'],
        updated_at: listed[0]?.['left_at'],
        left_at: listed[0]?.['left_at'],
      },
    ])
    expect(listed[0]?.['left_at']).toEqual(expect.any(Number))
    expect(await answer(await admin('GET', `/users/${gone?.guid}`))).toEqual(okJson({ user: listed[0] }))
  })

  test.each([
    [{ limit: '0' }, { limit: ['Too small: expected number to be >=1'] }],
    [{ limit: '101' }, { limit: ['Too big: expected number to be <=100'] }],
    [{ limit: 'many' }, { limit: ['must be a whole number'] }],
    [{ cursor: 'AAAA' }, { cursor: ['must be a whole number'] }],
    [{ active: 'yes' }, { active: ['Invalid option: expected one of "true"|"false"'] }],
    [{ emial: 'a@example.com' }, { emial: ['is not known'] }],
    [{ left: '1' }, { left: ['Invalid option: expected one of "true"|"false"'] }],
    [{ search: 'x'.repeat(257) }, { search: ['Too big: expected string to have <=256 characters'] }],
  ])('%j is refused by its name', async (query, errors) => {
    const response = await admin('GET', `/users?${new URLSearchParams(Object.entries(query)).toString()}`)
    expect(await answer(response)).toEqual(malformed(errors as unknown as Record<string, string[]>))
  })

  test('a guid that nobody has is not found', async () => {
    expect(await answer(await admin('GET', `/users/${crypto.randomUUID()}`))).toEqual(NOT_FOUND)
    expect(await answer(await admin('GET', '/users/me'))).toEqual(malformed({ guid: ['Invalid GUID'] }))
  })
})

describe('pages', () => {
  test.each([1, 2, 3, 7, 8])(
    'of %i have every account once, while others are made, changed and deleted',
    async (limit) => {
      await emptyTables(env.DB)
      const made: UserAnswer[] = []
      for (let i = 0; i < 7; i += 1) made.push(await addUser())
      let later = 0
      const all = await pages({ limit: String(limit) }, async () => {
        later += 1
        if (later > 3) return
        await addUser({ primary_email: `later${limit}-${later}@example.com` })
        await changeUser(made[6]?.guid ?? '', { group: `group ${later}` })
      })
      const listed = all.flatMap(({ users }) => users.map(({ user_id: id }) => id))
      expect(new Set(listed).size).toBe(listed.length)
      expect(listed).toEqual(listed.toSorted((a, b) => a - b))
      for (const { user_id: id } of made) expect(listed).toContain(id)
      for (const { users, next } of all) expect(next === null || users.length === limit).toBe(true)
      expect(all.at(-1)?.next).toBeNull()
    },
  )

  test('are as small as what fits, and say where the next one begins, which a reader follows to the end', async () => {
    await emptyTables(env.DB)
    // 25,000 accounts, and behind a gap another: ids that SQL chose.
    await insertAccounts(25_000, 0)
    await insertAccounts(1, 9_000_000)
    const { database, statements, roundTrips, reset } = countRoundTrips(env.DB)
    const counted = startWorker({ DB: database })

    const costs: { found: readonly string[]; read: number; trips: number }[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      reset()
      const response = await admin('GET', `/users?search=r25000@&cursor=${cursor}`, undefined, counted)
      const { users, next }: Page = await response.json<Page>()
      const read = statements().reduce((sum, { rowsRead }) => sum + rowsRead, 0)
      costs.push({ found: users.map(({ email }) => email), read, trips: roundTrips() })
      cursor = next
    }

    expect(costs.map((one) => one.found)).toEqual([[], [], ['user25000@example.com'], []])
    expect(costs.every(({ trips }) => trips === 1)).toBe(true)
    for (const { read } of costs) expect(read).toBeLessThan(10_010)
    // A page that is full reads no further, and an exact address reads one row.
    reset()
    await admin('GET', '/users?limit=10', undefined, counted)
    expect(statements().reduce((sum, { rowsRead }) => sum + rowsRead, 0)).toBeLessThan(20)
    reset()
    await admin('GET', '/users?email=user777@example.com', undefined, counted)
    expect(statements().reduce((sum, { rowsRead }) => sum + rowsRead, 0)).toBeLessThan(4)
  }, 30_000)

  test('have the one account that stands behind the rows of a page', async () => {
    await emptyTables(env.DB)
    await insertAccounts(10_001, 0)
    const emails = (await pages({ search: 'r10001@' })).map(({ users }) => users.map(({ email }) => email))
    expect(emails).toEqual([[], ['user10001@example.com']])
  })
})

/** Inserts accounts whose ids begin behind `after`. */
async function insertAccounts(count: number, after: number): Promise<void> {
  const sql = `WITH RECURSIVE n(i) AS (SELECT ?1 + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + ?2)
    INSERT INTO users (id, guid, primary_email, created_at, updated_at)
    SELECT i, printf('00000000-0000-0000-0000-%012d', i), printf('user%d@example.com', i), 0, 0 FROM n`
  await env.DB.prepare(sql).bind(after, count).run()
}

test('reading writes nothing', async () => {
  const before = await dumpTables(env.DB)
  await pages({ limit: '100' })
  expect(await dumpTables(env.DB)).toEqual(before)
})
