/** An event that the queue refuses, or a queue that is down: who waits for it, who does not, and when nobody asks any more. */

import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test } from 'vitest'

import document from '../../../docs/events.md?raw'
import type { EventMessage } from '../../../src/domain/events/event-message.ts'
import { BATCH, MAX_BATCHES, MAX_LOOKS, MAX_REFUSALS, ONE_BY_ONE_SECONDS } from '../../../src/event-queue.ts'
import { createAccount, emptyTables, type TestAccount } from '../../support/accounts.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { countRoundTrips } from '../../support/counting-database.ts'
import { type FollowedWorker, startFollowed } from '../../support/followed-worker.ts'
import { keepLog, linesOf } from '../../support/log.ts'
import { openByGuid } from '../../support/sessions.ts'

const HELD_SECONDS = 60

stopClock()
const logged = keepLog('warn')
afterEach(() => emptyTables(env.DB))

/** So many events of each account that wait to be sent; of one, all before the next one's. */
async function wait(accounts: readonly Pick<TestAccount, 'id'>[], each: number): Promise<void> {
  const insert = env.DB.prepare(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
     INSERT INTO events (user_id, type, at, facts, due_at) SELECT ?1, 'confirmed', ${T0}, '{}', 0 FROM n`,
  )
  await env.DB.batch(accounts.map(({ id }) => insert.bind(id, each)))
}

async function createAccounts(count: number): Promise<readonly TestAccount[]> {
  const accounts: TestAccount[] = []
  for (let left = count; left > 0; left -= 1) accounts.push(await createAccount(env.DB))
  return accounts
}

async function idsOf({ id }: Pick<TestAccount, 'id'>, where = '1'): Promise<readonly number[]> {
  const found = env.DB.prepare(`SELECT id FROM events WHERE user_id = ? AND ${where} ORDER BY id`).bind(id)
  return (await found.all<{ id: number }>()).results.map((row) => row.id)
}

/** The queue refuses every batch with a message of which this holds, as if it could never take that. Returns the sizes of what it was offered. */
function refuse({ events }: FollowedWorker, isRefused: (message: EventMessage) => boolean): readonly number[] {
  const offered: number[] = []
  events.before = async (messages) => {
    offered.push(messages.length)
    if (messages.some(isRefused)) throw new Error('Bad message')
  }
  return offered
}

function sentOf({ messages }: FollowedWorker, { id }: Pick<TestAccount, 'id'>): readonly number[] {
  return messages()
    .filter(({ user_id }) => user_id === id)
    .map((message) => message.id)
}

describe('an event that the queue refuses', () => {
  test('holds up those of its own account alone, is named in the log, and is tried again', async () => {
    const [first, bad, last] = (await createAccounts(3)) as [TestAccount, TestAccount, TestAccount]
    await wait([first, bad, last], 3)
    const [, refused] = await idsOf(bad)
    const follower = startFollowed()
    refuse(follower, ({ id }) => id === refused)

    await expect(follower.scheduled()).rejects.toThrow('Bad message')
    for (const account of [first, last]) {
      expect(sentOf(follower, account)).toEqual(await idsOf(account))
      expect(await idsOf(account, `due_at IS NULL AND sent_at = ${T0}`)).toEqual(await idsOf(account))
    }
    // What stands before it goes out, and nothing that stands behind.
    expect(sentOf(follower, bad)).toEqual((await idsOf(bad)).slice(0, 1))
    const line = { event: 'events_not_sent', error: 'Error: Bad message', guid: bad.guid, eventId: refused }
    expect(linesOf(logged, 'events_not_sent')).toEqual([line])

    at(HELD_SECONDS)
    await expect(follower.scheduled()).rejects.toThrow('Bad message')
    expect(linesOf(logged, 'events_not_sent')).toEqual([line, line])
    follower.events.before = async () => {}
    at(2 * HELD_SECONDS)
    await follower.scheduled()
    expect(sentOf(follower, bad)).toEqual(await idsOf(bad))
    expect(follower.messages()).toHaveLength(9)
  })

  test('is passed over by the statement of docs/events.md: the later ones go out, and do not name it', async () => {
    const account = await createAccount(env.DB)
    await wait([account], 3)
    const [before, refused, behind] = await idsOf(account)
    const follower = startFollowed()
    refuse(follower, ({ id }) => id === refused)
    await expect(follower.scheduled()).rejects.toThrow('Bad message')

    const statement = /"(UPDATE events SET [^"]+)"/.exec(document)?.[1] ?? ''
    expect(statement).toContain('1041')
    await env.DB.prepare(statement.replace('1041', String(refused))).run()
    at(HELD_SECONDS)
    await follower.scheduled()
    expect(follower.messages().map(({ id, previous }) => [id, previous])).toEqual([
      [before, null],
      [behind, before],
    ])
  })

  test('does not keep a request from sending what others have, later: the sweep does', async () => {
    const [bad, good] = (await createAccounts(2)) as [TestAccount, TestAccount]
    await wait([bad, good], 1)
    const follower = startFollowed()
    refuse(follower, ({ user_id }) => user_id === bad.id)
    await openByGuid(good.guid, {}, follower)
    expect(sentOf(follower, good)).toEqual(await idsOf(good))
    await openByGuid(bad.guid, {}, follower)
    expect(sentOf(follower, bad)).toEqual([])
  })
})

describe('a queue that is down', () => {
  test('is left alone after five refusals in a row, and what it took before is marked', async () => {
    const accounts = await createAccounts(MAX_REFUSALS + 4)
    await wait(accounts, 1)
    const follower = startFollowed()
    const offered = refuse(follower, ({ user_id }) => accounts.findIndex(({ id }) => id === user_id) > 1)

    await expect(follower.scheduled()).rejects.toThrow('Bad message')
    expect(offered).toEqual([accounts.length, 1, 1, ...Array.from({ length: MAX_REFUSALS }, () => 1)])
    expect(linesOf(logged, 'events_not_sent')).toHaveLength(MAX_REFUSALS)
    const marked = await Promise.all(accounts.map((account) => idsOf(account, 'sent_at IS NOT NULL')))
    expect(marked.map((ids) => ids.length)).toEqual(accounts.map((_account, i) => (i < 2 ? 1 : 0)))
  })

  test('is left alone, whatever else waits', async () => {
    await wait(await createAccounts(MAX_REFUSALS + 1), BATCH / MAX_REFUSALS)
    const follower = startFollowed()
    const offered = refuse(follower, () => true)
    await expect(follower.scheduled()).rejects.toThrow('Bad message')
    expect(offered).toEqual([BATCH, ...Array.from({ length: MAX_REFUSALS }, () => 1)])
  })

  test('is not, as long as it takes others in between', async () => {
    const accounts = await createAccounts(2 * MAX_REFUSALS + 2)
    await wait(accounts, 1)
    const bad = new Set(accounts.filter((_account, i) => i % 2 === 0).map(({ id }) => id))
    const follower = startFollowed()
    refuse(follower, ({ user_id }) => bad.has(user_id))

    await expect(follower.scheduled()).rejects.toThrow('Bad message')
    expect(new Set(follower.messages().map(({ user_id }) => user_id))).toEqual(
      new Set(accounts.map(({ id }) => id).filter((id) => !bad.has(id))),
    )
    expect(linesOf(logged, 'events_not_sent')).toHaveLength(bad.size)
  })

  test('and slow is not asked one by one for longer than a sender holds what it took', async () => {
    const accounts = await createAccounts(6)
    await wait(accounts, 1)
    const follower = startFollowed()
    let now = 0
    follower.events.before = async (messages) => {
      if (messages.length > 1) throw new Error('Bad message')
      now += ONE_BY_ONE_SECONDS / 2
      at(now)
    }
    await follower.scheduled()
    expect(follower.messages().map(({ user_id }) => user_id)).toEqual(accounts.slice(0, 2).map(({ id }) => id))
    const held = await Promise.all(accounts.map((account) => idsOf(account, `due_at = ${T0 + HELD_SECONDS}`)))
    expect(held.map((ids) => ids.length)).toEqual([0, 0, 1, 1, 1, 1])
  })
})

describe('who sends, sends so much and no more', () => {
  test('after a request, what it leaves being free for the sweep', async () => {
    const account = await createAccount(env.DB)
    await wait([account], MAX_BATCHES * BATCH + 1)
    const follower = startFollowed()
    await openByGuid(account.guid, {}, follower)
    expect(follower.events.batches.map((batch) => batch.length)).toEqual(
      Array.from({ length: MAX_BATCHES }, () => BATCH),
    )
    expect(await idsOf(account, 'due_at = 0')).toHaveLength(2)
    expect(await idsOf(account, 'sent_at IS NOT NULL')).toHaveLength(MAX_BATCHES * BATCH)
    await follower.scheduled()
    expect(sentOf(follower, account)).toEqual(await idsOf(account))
  })

  test('by the cron trigger, which looks once for accounts that another sender holds', async () => {
    const accounts = await createAccounts(2)
    await wait(accounts, 2)
    await env.DB.prepare(
      `UPDATE events SET due_at = ${T0 + HELD_SECONDS} WHERE id IN (SELECT min(id) FROM events GROUP BY user_id)`,
    ).run()
    const counting = countRoundTrips(env.DB)
    const follower = startFollowed({ DB: counting.database })
    await follower.scheduled()
    expect(follower.messages()).toEqual([])
    const looks = counting.statements().filter(({ sql }) => /^select .*from "events".*group by/i.test(sql))
    expect(looks).toHaveLength(2)
    expect(MAX_LOOKS).toBeGreaterThan(2)
  })
})
