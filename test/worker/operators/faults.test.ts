/**
 * What operators do while D1 fails: the change, its row of the ledger, its event and its mail are all there or none of them is, the answer is
 * a 503, and the same request can be sent again.
 */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { GOOD_PASSWORD, OTHER_PASSWORD } from '../../support/account-life.ts'
import { dumpTables } from '../../support/accounts.ts'
import { startCheapWorker } from '../../support/cheap-passwords.ts'
import { type Fault, FAULTS } from '../../support/faulty-bindings.ts'
import { createRig, mailApi, range, type Rig, settleMails, startWell } from '../../support/faulty-worker.ts'
import { addUser, admin } from '../../support/operators.ts'
import { openByGuid } from '../../support/sessions.ts'

startWell()

interface Doing {
  readonly name: string
  /** Round trips of a request that goes well. The last one is the only one that may write. */
  readonly trips: number
  readonly status: number
  /** The answer to a second request, where the first one was done, and what the ledger has more than after one. */
  readonly again: number
  readonly actsAgain: readonly string[]
  readonly acts: readonly string[]
  readonly mails: readonly string[]
  readonly prepare: () => Promise<(by: Rig) => Promise<Response>>
}

const READ = { status: 200, again: 200, acts: [], actsAgain: [], mails: [] }

const DOINGS: readonly Doing[] = [
  {
    name: 'making an account',
    trips: 1,
    status: 201,
    again: 409,
    acts: ['user_created'],
    actsAgain: [],
    mails: [],
    prepare: async () => asking('POST', '/users', { primary_email: email(), password: GOOD_PASSWORD }),
  },
  {
    name: 'making an account that there is',
    trips: 2,
    status: 409,
    again: 409,
    acts: [],
    actsAgain: [],
    mails: [],
    prepare: async () => asking('POST', '/users', { primary_email: (await addUser()).email }),
  },
  { ...READ, name: 'listing accounts', trips: 1, prepare: async () => asking('GET', '/users') },
  {
    ...READ,
    name: 'showing an account',
    trips: 1,
    prepare: async () => asking('GET', `/users/${(await addUser()).guid}`),
  },
  {
    name: 'changing a group',
    trips: 2,
    status: 200,
    again: 200,
    acts: ['user_changed'],
    actsAgain: [],
    mails: [],
    prepare: async () => asking('PATCH', `/users/${(await addUser()).guid}`, { group: 'editors' }),
  },
  {
    name: 'changing everything',
    trips: 2,
    status: 200,
    again: 200,
    acts: ['user_changed', 'user_deactivated'],
    // A password is another one each time.
    actsAgain: ['user_changed'],
    mails: ['email_changed', 'password_changed'],
    async prepare() {
      const { guid } = await addUser()
      await openByGuid(guid)
      const all = { primary_email: email(), password: OTHER_PASSWORD, claims: { a: 1 }, active: false, language: 'ru' }
      return asking('PATCH', `/users/${guid}`, all)
    },
  },
  {
    name: 'deleting an account',
    trips: 2,
    status: 204,
    again: 404,
    acts: ['user_deleted'],
    actsAgain: [],
    mails: ['account_left'],
    async prepare() {
      const { guid } = await addUser()
      await openByGuid(guid)
      return asking('DELETE', `/users/${guid}`)
    },
  },
  {
    ...READ,
    name: 'listing sessions',
    trips: 1,
    prepare: async () => asking('GET', `/users/${(await addUser()).guid}/sessions`),
  },
  {
    name: 'ending all sessions',
    trips: 1,
    status: 204,
    again: 204,
    acts: ['sessions_ended'],
    actsAgain: ['sessions_ended'],
    mails: [],
    async prepare() {
      const { guid } = await addUser()
      await openByGuid(guid)
      return asking('DELETE', `/users/${guid}/sessions`)
    },
  },
  {
    name: 'ending a session',
    trips: 1,
    status: 204,
    again: 404,
    acts: ['session_ended'],
    actsAgain: [],
    mails: [],
    async prepare() {
      const { guid } = await addUser()
      const { sid } = await openByGuid(guid)
      return asking('DELETE', `/users/${guid}/sessions/${sid}`)
    },
  },
]

const rig = createRig({ MAIL_TRANSPORT: 'api', MAIL_API_URL: 'https://mail.example.net/emails' }, startCheapWorker)

function asking(method: string, path: string, json?: unknown) {
  return (by: Rig) => admin(method, path, json, by)
}

function email(): string {
  return `${crypto.randomUUID()}@example.com`
}

type Dump = Awaited<ReturnType<typeof dumpTables>>

/** What a table has now and had not before, in the order in which it came. */
async function since(before: Dump, table: string, column: string): Promise<readonly unknown[]> {
  const known = new Set(before[table]?.map(({ id }) => id))
  const { results } = await env.DB.prepare(`SELECT * FROM ${table} ORDER BY rowid`).all()
  return results.filter(({ id }) => !known.has(id)).map((row) => row[column])
}

const ROWS = DOINGS.flatMap((doing) =>
  range(doing.trips).flatMap((trip) => {
    const faults: readonly Fault[] = trip === doing.trips - 1 ? [...FAULTS, 'overloaded'] : ['before']
    return faults.map((fault) => ({ ...doing, trip, nth: trip + 1, fault }))
  }),
)

describe('when D1 fails', () => {
  test.each(ROWS)('$fault round trip $nth of $trips, $name is a 503, and can be repeated', async (row) => {
    const ask = await row.prepare()
    mailApi()
    await settleMails(rig)
    const before = await dumpTables(env.DB)
    rig.d1.fail(...range(row.trip).map(() => null), row.fault)
    const { status, headers } = await ask(rig)
    expect([status, headers.get('Retry-After')]).toEqual([503, '1'])
    rig.d1.heal()

    const isDone = row.fault === 'after' && row.trip === row.trips - 1
    if (isDone) expect(await since(before, 'audit', 'action')).toEqual(row.acts)
    else expect(await dumpTables(env.DB)).toEqual(before)
    expect((await ask(rig)).status).toBe(isDone ? row.again : row.status)
    expect(await since(before, 'audit', 'action')).toEqual([...row.acts, ...(isDone ? row.actsAgain : [])])
    const mails = (await since(before, 'notifications', 'kind')).slice(0, row.mails.length)
    expect(mails).toEqual(row.mails)
    await settleMails(rig)
    expect(await env.DB.prepare('SELECT count(*) AS n FROM notifications WHERE sent_at IS NULL').first('n')).toBe(0)
  })

  test.each(DOINGS)('to answer at all, $name is a 503 in time, and nothing has changed', async ({ prepare, trips }) => {
    const ask = await prepare()
    const before = await dumpTables(env.DB)
    rig.d1.fail(...range(trips - 1).map(() => null), 'silent')
    expect((await ask(rig)).status).toBe(503)
    expect(await dumpTables(env.DB)).toEqual(before)
  })
})

test('when the queue fails, the mail is in the outbox, and goes out later', async () => {
  const user = await addUser({ password: GOOD_PASSWORD })
  rig.messages.fail('throws')
  expect((await admin('PATCH', `/users/${user.guid}`, { password: OTHER_PASSWORD }, rig)).status).toBe(200)
  rig.messages.fail(null)
  const calls = mailApi()
  await settleMails(rig)
  expect(calls).toHaveLength(1)
})
