/** GET /admin/users/{guid}/history: why each session ended, before and after the purge moved it, and for how long that is told. */

import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'

import { READ_ROWS } from '../../../src/db/operators/history.ts'
import { createPurge } from '../../../src/db/purge.ts'
import { EVENT_REASONS } from '../../../src/domain/events/event.ts'
import {
  changePassword,
  forgot,
  GOOD_PASSWORD,
  leave,
  linkTo,
  moveAddress,
  pressPage,
  reset,
} from '../../support/account-life.ts'
import { createAccount, dumpTables, PASSWORD, type TestAccount } from '../../support/accounts.ts'
import { answer, malformed, problem } from '../../support/answers.ts'
import { at, DAY_SECONDS, stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { block, FAR, FIREFOX, press } from '../../support/links.ts'
import { keepLog } from '../../support/log.ts'
import { refuseWrites } from '../../support/mailbox.ts'
import { addUser, admin, changeUser } from '../../support/operators.ts'
import { purgeAll } from '../../support/purge.ts'
import { post, refreshByJson, renew } from '../../support/requests.ts'
import { open, openByGuid, type OpenedByAccount } from '../../support/sessions.ts'
import { remove } from '../../support/short-answers.ts'
import { ELSEWHERE, startWorker, worker } from '../../support/worker.ts'

stopClock()
keepLog('warn')

interface Told extends Readonly<Record<string, unknown>> {
  readonly sid: string
}

interface History {
  readonly guid: string
  readonly sessions: readonly Told[]
  readonly events: readonly Readonly<Record<string, unknown>>[]
  readonly next: string | null
}

async function history(guid: string, query = '', by = worker): Promise<History> {
  const response = await admin('GET', `/users/${guid}/history${query}`, undefined, by)
  expect(response.status).toBe(200)
  return response.json<History>()
}

/** What is told of one session. */
async function toldOf({ guid, sid }: Pick<OpenedByAccount, 'guid' | 'sid'>) {
  return (await history(guid)).sessions.find((one) => one.sid === sid)
}

type Ending = (session: OpenedByAccount, account: TestAccount & { readonly email: string }) => Promise<unknown>

/** Every way in which a session ends, by the event and the reason that are told. */
const ENDINGS: Readonly<Record<string, Ending>> = {
  'session_ended location': ({ refresh }) => refreshByJson(refresh, { ip: ELSEWHERE }),
  async 'session_ended reuse'(session) {
    await renew(session)
    at(120)
    await refreshByJson(session.refresh)
  },
  async 'session_ended inactive'({ refresh, account }) {
    await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(account.id).run()
    await refreshByJson(refresh)
  },
  'session_ended signed_out': ({ cookies }) => worker.call('/auth/session', { method: 'DELETE', cookies }),
  'session_ended revoked': ({ refresh }) => post('/auth/token/revoke', { token: refresh }),
  'session_ended replaced': ({ account, cookies }) => open(account, { cookies }),
  'session_ended crowded_out': ({ account }) => open(account, {}, startWorker({ SESSIONS_MAX: '1' })),
  'session_ended operator': ({ guid, sid }) => admin('DELETE', `/users/${guid}/sessions/${sid}`),
  async 'sessions_ended owner'({ account }) {
    await remove('/auth/sessions', (await open(account)).access)
  },
  async 'sessions_ended link'({ account }) {
    await press('end_sessions', (await block(account)).end_sessions)
  },
  'sessions_ended operator': ({ guid }) => admin('DELETE', `/users/${guid}/sessions`),
  async 'password_changed changed'({ account }) {
    await changePassword((await open(account)).access, PASSWORD, GOOD_PASSWORD)
  },
  async 'password_changed reset'(_session, { email }) {
    await forgot(email)
    await reset(await linkTo(email, 'reset_password', 'reset_password'))
  },
  'password_changed operator': ({ guid }) => changeUser(guid, { password: GOOD_PASSWORD }),
  async 'email_changed undone'({ access }, { email }) {
    const token = await moveAddress(access, email, `${crypto.randomUUID()}@example.com`, PASSWORD)
    await pressPage('/links/undo-email', { token })
  },
  'email_changed operator': ({ guid }) => changeUser(guid, { primary_email: `${crypto.randomUUID()}@example.com` }),
  'deactivated deactivated': ({ guid }) => changeUser(guid, { active: false }),
  async 'activated activated'({ guid, account }) {
    await env.DB.prepare('UPDATE users SET is_active = 0 WHERE id = ?').bind(account.id).run()
    await changeUser(guid, { active: true })
  },
}

async function opened() {
  const { id, guid, group, email } = await createAccount(env.DB)
  const account = { id, guid, group, email: email ?? '' }
  return { account, session: await open(account) }
}

describe('a session that ended', () => {
  test('is told in every way that there is', () => {
    const { session_ended, sessions_ended, password_changed } = EVENT_REASONS
    const named = Object.entries({ session_ended, sessions_ended, password_changed }).flatMap(([event, reasons]) =>
      Object.keys(reasons).map((reason) => `${event} ${reason}`),
    )
    // Confirming another address ends nothing; of an account that was left no session is told.
    expect(Object.keys(ENDINGS)).toEqual([
      ...named,
      'email_changed undone',
      'email_changed operator',
      'deactivated deactivated',
      'activated activated',
    ])
  })

  test.each(Object.entries(ENDINGS))(
    'by %s says so, also after the purge has its row, and for 90 days from then',
    async (ending, end) => {
      const { account, session } = await opened()
      at(100)
      await end(session, account)
      const [by, reason] = ending.split(' ')
      const ended = { state: 'ended', ended_at: T0 + (reason === 'reuse' ? 120 : 100), ended_by: by, ended: reason }
      expect(await toldOf(session)).toMatchObject(ended)

      const before = await toldOf(session)
      at(12 * DAY_SECONDS)
      await purgeAll()
      const { sessions, past_sessions } = await dumpTables(env.DB)
      expect(sessions?.find(({ sid }) => sid === session.sid)).toBeUndefined()
      expect(past_sessions?.find(({ sid }) => sid === session.sid)).toBeDefined()
      expect(await toldOf(session)).toEqual(before)

      at(102 * DAY_SECONDS - 1)
      await purgeAll()
      // The mails about it are told for 30 days.
      expect(await toldOf(session)).toEqual({ ...before, mails: [] })
      at(102 * DAY_SECONDS)
      await purgeAll()
      expect(await history(account.guid)).toMatchObject({ events: [], next: null })
      expect(await toldOf(session)).toBeUndefined()
    },
  )

  test('is told with every kind of mail that is about it', async () => {
    const { session } = await opened()
    await renew(session)
    at(120)
    await refreshByJson(session.refresh)
    const copy = env.DB.prepare(
      `INSERT INTO notifications (id, kind, user_id, recipient, facts, dedupe_key, created_at, due_at)
       SELECT ?2 || id, ?2, user_id, recipient, facts, ?2 || ':' || ?1, ?3, due_at
       FROM notifications WHERE dedupe_key = 'token_reused:' || ?1`,
    )
    await copy.bind(session.sid, 'new_sign_in', T0).run()
    await copy.bind(session.sid, 'other_key', T0 + 60).run()
    expect(await toldOf(session)).toMatchObject({
      mails: [
        { kind: 'new_sign_in', at: T0 },
        { kind: 'other_key', at: T0 + 60 },
        { kind: 'token_reused', at: T0 + 120 },
      ],
    })
  })

  test('is told in whole: where it was, until when it was refreshed, and the mails about it', async () => {
    const account = await createAccount(env.DB)
    const from = { headers: { 'User-Agent': FIREFOX }, cf: FAR }
    const { sid, ...tokens } = await open(account, from)
    at(400)
    const next = await renew(tokens, from)
    at(700)
    await refreshByJson(next.refresh, { ip: ELSEWHERE })

    const session = {
      sid,
      opened_at: T0,
      refreshed_until: T0 + 400,
      expires_at: T0 + 400 + 10 * DAY_SECONDS,
      state: 'ended',
      ended_at: T0 + 700,
      ended_by: 'session_ended',
      ended: 'location',
      country: 'NZ',
      city: 'Nelson',
      network: 'Far Net',
      user_agent: FIREFOX,
      mails: [{ kind: 'location_blocked', at: T0 + 700, sent_at: expect.toBeOneOf([null, T0 + 700]), failed_at: null }],
    }
    expect(await history(account.guid)).toEqual({ guid: account.guid, sessions: [session], events: [], next: null })
  })

  test('by an end of all but one is told of the others alone', async () => {
    const { account, session } = await opened()
    const kept = await open(account)
    at(100)
    await remove('/auth/sessions', kept.access)
    at(200)
    const later = await open(account)
    expect(await toldOf(session)).toMatchObject({ ended_by: 'sessions_ended', ended: 'owner', ended_at: T0 + 100 })
    expect(await toldOf(kept)).toMatchObject({ state: 'live', ended_by: null, ended: null, ended_at: null })
    expect(await toldOf(later)).toMatchObject({ state: 'live' })
  })

  test('twice is told by the first end', async () => {
    const { account, session } = await opened()
    at(100)
    await admin('DELETE', `/users/${account.guid}/sessions`)
    at(200)
    await worker.call('/auth/session', { method: 'DELETE', cookies: session.cookies })
    at(300)
    await changeUser(account.guid, { password: GOOD_PASSWORD })
    expect(await toldOf(session)).toMatchObject({ ended_at: T0 + 100, ended_by: 'sessions_ended', ended: 'operator' })
  })

  test('twice is told by the first end as long as it is told, and what it ended with is gone with it', async () => {
    const { account, session } = await opened()
    at(DAY_SECONDS)
    await admin('DELETE', `/users/${account.guid}/sessions`)
    at(5 * DAY_SECONDS)
    await changeUser(account.guid, { password: GOOD_PASSWORD })
    // A sign-out changes the row of a session that had ended with the others.
    await worker.call('/auth/session', { method: 'DELETE', cookies: session.cookies })
    const ended = { ended_at: T0 + DAY_SECONDS, ended_by: 'sessions_ended', ended: 'operator' }
    for (const day of [12, 92, 101]) {
      at(day * DAY_SECONDS)
      await purgeAll()
      expect(await toldOf(session), `day ${day}`).toMatchObject(ended)
    }
    at(102 * DAY_SECONDS)
    await purgeAll()
    expect(await history(account.guid)).toMatchObject({ sessions: [], events: [] })
  })

  test('keeps what ended it, and one that lived on, or was opened later, does not', async () => {
    const { account } = await opened()
    const kept = await open(account)
    await remove('/auth/sessions', kept.access)
    at(100)
    const later = await open(account)
    // They expire later than the one that ended, as after a refresh.
    await env.DB.prepare('UPDATE sessions SET expires_at = ? WHERE sid IN (?, ?)')
      .bind(T0 + 60 * DAY_SECONDS, kept.sid, later.sid)
      .run()
    for (const day of [12, 103]) {
      at(day * DAY_SECONDS)
      await purgeAll()
    }
    expect(await history(account.guid)).toMatchObject({ sessions: [{ sid: later.sid }, { sid: kept.sid }], events: [] })
  })

  test.each([
    ['rows', READ_ROWS, 'NULL'],
    ['ends', 1000, T0 + 20],
  ])('before more %s than are read is told as an end of which no more is known', async (_what, rows, endedBefore) => {
    const { account, session } = await opened()
    at(10)
    await admin('DELETE', `/users/${account.guid}/sessions`)
    await env.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
       INSERT INTO events (user_id, type, reason, at, facts, ended_before)
       SELECT ?1, 'sessions_ended', 'owner', ${T0 - 1}, '{}', ${endedBefore} FROM n`,
    )
      .bind(account.id, rows)
      .run()
    at(30)
    if (endedBefore === 'NULL') await changeUser(account.guid, { password: GOOD_PASSWORD })
    expect(await toldOf(session)).toMatchObject({ state: 'ended', ended_at: null, ended_by: null, ended: null })
  })

  test('by hand, in SQL, is told as an end of which no more is known', async () => {
    const { account, session } = await opened()
    await env.DB.prepare('UPDATE users SET ended_before = ? WHERE id = ?')
      .bind(T0 + 1, account.id)
      .run()
    expect(await toldOf(session)).toMatchObject({ state: 'ended', ended_at: null, ended_by: null, ended: null })
  })
})

describe('a session that nobody ended', () => {
  test('lives until it expires, and is told as expired also once it was moved, whatever ended later', async () => {
    const { account, session } = await opened()
    expect(await toldOf(session)).toMatchObject({ state: 'live', expires_at: T0 + 10 * DAY_SECONDS })
    at(10 * DAY_SECONDS)
    const expired = { state: 'expired', ended_at: null, ended_by: null, ended: null }
    expect(await toldOf(session)).toMatchObject(expired)
    await admin('DELETE', `/users/${account.guid}/sessions`)
    expect(await toldOf(session)).toMatchObject(expired)
    at(12 * DAY_SECONDS)
    await purgeAll()
    expect(await toldOf(session)).toMatchObject(expired)
  })
})

/** When the events that are stored are to be sent; `null`: they need not be. */
async function dueTimes() {
  return (await dumpTables(env.DB))['events']?.map((row) => row['due_at'])
}

/** The events that are stored, and whose. */
async function keptEvents() {
  return (await dumpTables(env.DB))['events']?.map((row) => [row['user_id'], row['type']])
}

describe('the purge', () => {
  test('deletes no row of a session of which it cannot keep the history', async () => {
    const { session } = await opened()
    at(12 * DAY_SECONDS)
    const allow = await refuseWrites('INSERT ON past_sessions')
    await expect(purgeAll()).rejects.toThrow('Service unavailable')
    await allow()
    const rows = async (table: string) =>
      (await dumpTables(env.DB))[table]?.filter(({ sid }) => sid === session.sid).length
    expect([await rows('sessions'), await rows('past_sessions')]).toEqual([1, 0])
    await purgeAll()
    await purgeAll()
    expect([await rows('sessions'), await rows('past_sessions')]).toEqual([0, 1])
  })

  test('keeps nothing of a session whose account is gone, or was left', async () => {
    const [gone, left] = [await opened(), await opened()]
    await env.DB.batch([
      env.DB.prepare('DELETE FROM users WHERE id = ?').bind(gone.account.id),
      env.DB.prepare('UPDATE users SET left_at = 1 WHERE id = ?').bind(left.account.id),
    ])
    at(12 * DAY_SECONDS)
    await purgeAll()
    const { past_sessions } = await dumpTables(env.DB)
    const sids = new Set<unknown>([gone.session.sid, left.session.sid])
    expect(past_sessions?.filter(({ sid }) => sids.has(sid))).toEqual([])
  })

  test('finds an event that is over behind any number of those that still wait', async () => {
    await env.DB.prepare('DELETE FROM events').run()
    const insert = env.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?3)
       INSERT INTO events (user_id, type, at, facts, due_at) SELECT 1000000 + i, 'signed_in', ?1, '{}', ?2 FROM n`,
    )
    await env.DB.batch([insert.bind(T0, 0, 1001), insert.bind(T0, null, 2)])
    at(90 * DAY_SECONDS)
    await purgeAll()
    const due = await dueTimes()
    expect([due?.length, new Set(due)]).toEqual([1001, new Set([0])])
  })

  test('deletes what waits of an owner who left, once nobody follows any more', async () => {
    await env.DB.prepare('DELETE FROM events').run()
    const [left, stayed] = [await createAccount(env.DB), await createAccount(env.DB)]
    const insert = env.DB.prepare(
      'INSERT INTO events (user_id, type, at, facts, due_at) SELECT ?, value, ?, \'{}\', 0 FROM json_each(\'["signed_in", "left"]\')',
    )
    await env.DB.batch([
      ...[left, stayed].map(({ id }) => insert.bind(id, T0)),
      env.DB.prepare('UPDATE users SET left_at = 1 WHERE id = ?').bind(left.id),
    ])
    const others = [
      [left.id, 'left'],
      [stayed.id, 'signed_in'],
      [stayed.id, 'left'],
    ]
    await createPurge(env.DB, () => {}, { slices: 1, isFollowed: true })(T0, T0)
    expect(await keptEvents()).toEqual([[left.id, 'signed_in'], ...others])
    await createPurge(env.DB, () => {}, { slices: 1, isFollowed: false })(T0, T0)
    expect(await keptEvents()).toEqual(others)
  })

  test('leaves an event that nobody sent to its sender for half a year, and no longer', async () => {
    await env.DB.prepare('DELETE FROM events').run()
    await env.DB.prepare(
      "INSERT INTO events (user_id, type, at, facts, due_at) VALUES (1, 'signed_in', ?1, '{}', 0), (1, 'signed_in', ?1, '{}', NULL)",
    )
      .bind(T0)
      .run()
    at(90 * DAY_SECONDS - 1)
    await purgeAll()
    expect(await dueTimes()).toEqual([0, null])
    at(90 * DAY_SECONDS)
    await purgeAll()
    expect(await dueTimes()).toEqual([0])
    at(180 * DAY_SECONDS)
    await purgeAll()
    expect(await dueTimes()).toEqual([])
  })
})

describe('the history of an account', () => {
  test('has what happened to it beside its sessions, with its facts, and nothing twice', async () => {
    const { guid } = await addUser({ group: 'staff' })
    at(100)
    await changeUser(guid, { group: 'editors', active: false })
    const { sessions, events } = await history(guid)
    expect(sessions).toEqual([])
    const common = { sid: null, reason: null, at: T0 + 100 }
    expect(events).toHaveLength(3)
    expect(events).toContainEqual({ ...common, type: 'account_changed', fields: ['group'] })
    expect(events).toContainEqual({ ...common, type: 'deactivated' })
    expect(events.at(-1)).toEqual({ type: 'registered', reason: 'operator', at: T0, sid: null, group: 'staff' })
  })

  test('of one whose owner left is that alone, and no row keeps more', async () => {
    const { account, session } = await opened()
    await worker.call('/auth/session', { method: 'DELETE', cookies: session.cookies })
    at(12 * DAY_SECONDS)
    await purgeAll()
    const other = await open(account)
    await worker.call('/auth/session', { method: 'DELETE', cookies: other.cookies })
    await leave((await open(account)).access, PASSWORD)

    const left = { type: 'left', reason: 'owner', at: T0 + 12 * DAY_SECONDS, sid: null }
    expect(await history(account.guid)).toEqual({ guid: account.guid, sessions: [], events: [left], next: null })
    await purgeAll()
    const dump = await dumpTables(env.DB)
    for (const table of ['sessions', 'past_sessions']) {
      expect(dump[table]?.filter((row) => row['user_id'] === account.id)).toEqual([])
    }
    expect(dump['events']?.filter((row) => row['user_id'] === account.id)).toMatchObject([{ type: 'left' }])
  })

  test('is read page by page, each part once, in one order', async () => {
    const account = await createAccount(env.DB)
    for (const second of [0, 0, 1, 2, 2, 2, 3]) {
      at(second)
      const session = await open(account)
      if (second === 1) await post('/auth/token/revoke', { token: session.refresh })
      if (second === 2) await changeUser(account.guid, { group: String(Math.random()) })
    }
    await env.DB.prepare(
      `INSERT INTO past_sessions (sid, user_id, opened_at, last_used_at, expired_at, kept_at)
       SELECT 'past-' || value, ?1, ?2 + value, ?2 + value, ?2 + 9, ?2 + 9 FROM json_each('[0, 2, 4]')`,
    )
      .bind(account.id, T0)
      .run()
    const whole = await history(account.guid)
    expect([whole.sessions.length, whole.events.length, whole.next]).toEqual([10, 3, null])
    expect(whole.sessions.map((one) => Number(one['opened_at']) - T0)).toEqual([4, 3, 2, 2, 2, 2, 1, 0, 0, 0])

    for (const limit of [1, 2, 3, 5]) {
      const pages: History[] = []
      let next: string | null = ''
      while (next !== null && pages.length < 20) {
        const page: History = await history(account.guid, `?limit=${limit}${next && `&cursor=${next}`}`)
        pages.push(page)
        next = page.next
      }
      expect(pages.flatMap(({ sessions }) => sessions)).toEqual(whole.sessions)
      expect(pages.flatMap(({ events }) => events)).toEqual(whole.events)
      const sizes = pages.map(({ sessions, events }) => sessions.length + events.length)
      expect(sizes.slice(0, -1).every((size) => size === limit)).toBe(true)
    }
  })

  test('takes one round trip, and reads a bounded number of rows, however many there are', async () => {
    const [account, small] = [await createAccount(env.DB), await createAccount(env.DB)]
    const counting = countRoundTrips(env.DB)
    const by = startWorker({ DB: counting.database })
    await openByGuid(small.guid, {}, by)
    const many = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 15000)'
    await env.DB.batch(
      [
        `INSERT INTO sessions (sid, user_id, jti, issued_at, expires_at, created_at, ip) ${many} SELECT 'l' || i, ?, 'j', ?, 2e9, i, '' FROM n`,
        `INSERT INTO sessions (sid, user_id, jti, issued_at, expires_at, created_at, ip, revoked_at) ${many} SELECT 'e' || i, ?, 'j', ?, 2e9, 1, '', 2 FROM n`,
        `INSERT INTO past_sessions (sid, user_id, opened_at, last_used_at, expired_at, kept_at) ${many} SELECT 'p' || i, ?, ?, 1, 2e9, 3 FROM n`,
        `INSERT INTO events (user_id, type, at, facts, ended_before) ${many} SELECT ?, 'sessions_ended', ?, '{}', 1 FROM n`,
      ].map((sql) => env.DB.prepare(sql).bind(account.id, T0)),
    )
    counting.reset()
    await history(account.guid, '?limit=100', by)
    expect(counting.roundTrips()).toBe(1)
    const reads = () => counting.statements().reduce((sum, { rowsRead }) => sum + rowsRead, 0)
    // Each part reads an entry of its index and a row; events are read twice, and are counted once.
    expect(reads()).toBeLessThanOrEqual(9 * READ_ROWS + 1000)

    counting.reset()
    await history(small.guid, '', by)
    expect(reads()).toBeLessThanOrEqual(20)
  })

  test('is not there for a guid that nobody has, and for a cursor of nobody', async () => {
    const notFound = problem(404, 'Not Found', 'Not found', 'not_found')
    expect(await answer(await admin('GET', `/users/${crypto.randomUUID()}/history`))).toEqual(notFound)
    const { guid } = await createAccount(env.DB)
    for (const cursor of ['x', '1', '1.x.1', '1.e.', "1.s.'", `${'9'.repeat(16)}.e.1`]) {
      const got = await answer(await admin('GET', `/users/${guid}/history?cursor=${encodeURIComponent(cursor)}`))
      expect(got).toEqual(malformed({ cursor: ['must be the `next` of another page'] }))
    }
  })
})
