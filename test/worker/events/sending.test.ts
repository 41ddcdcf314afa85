/** From the rows of events to the queue: none is lost, those of one account stay in order, and no request waits or fails for it. */

import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'

import entryPoint from '../../../src/index.ts'
import type { EventMessage } from '../../../src/domain/events/event-message.ts'
import { GOOD_PASSWORD, registered } from '../../support/account-life.ts'
import { createAccount, emptyTables } from '../../support/accounts.ts'
import { at, stopClock, T0 } from '../../support/clock.ts'
import { faultyDatabase } from '../../support/faulty-bindings.ts'
import { eventQueue, type FollowedWorker, startFollowed } from '../../support/followed-worker.ts'
import { keepLog, linesOf } from '../../support/log.ts'
import { bearer } from '../../support/requests.ts'
import { openByGuid } from '../../support/sessions.ts'
import { HOME, ORIGIN, startWorker, type TestWorker, worker as unfollowed } from '../../support/worker.ts'

const HELD_SECONDS = 60

stopClock()
const logged = keepLog('warn')
afterEach(() => emptyTables(env.DB))

interface Row {
  readonly id: number
  readonly type: string
  readonly due_at: number | null
  readonly sent_at: number | null
}

async function rowsOf(userId: number): Promise<readonly Row[]> {
  const found = env.DB.prepare('SELECT id, type, due_at, sent_at FROM events WHERE user_id = ? ORDER BY id')
  return (await found.bind(userId).all<Row>()).results
}

async function idsOf(userId: number): Promise<readonly number[]> {
  return (await rowsOf(userId)).map(({ id }) => id)
}

/** The messages in the order in which each came for the first time. */
function firsts(messages: readonly EventMessage[]): readonly number[] {
  return [...new Set(messages.map(({ id }) => id))]
}

describe('an event', () => {
  test('is sent after the answer, and marked', async () => {
    const { id, guid } = await createAccount(env.DB)
    const { events, bindings } = startFollowed()
    const open = Promise.withResolvers<undefined>()
    events.before = () => open.promise
    const ctx = createExecutionContext()
    const request = new Request<unknown, IncomingRequestCfProperties>(`${ORIGIN}/${guid}`, {
      headers: { 'CF-Connecting-IP': HOME },
    })
    expect((await entryPoint.fetch(request, bindings, ctx)).status).toBe(200)
    expect(events.batches).toEqual([])
    open.resolve(undefined)
    await waitOnExecutionContext(ctx)
    expect(events.batches.map((batch) => batch.map(({ type }) => type))).toEqual([['signed_in']])
    expect(await rowsOf(id)).toEqual([
      { id: expect.any(Number) as number, type: 'signed_in', due_at: null, sent_at: T0 },
    ])
  })

  test('names the one before it, whatever other accounts do', async () => {
    const [one, other] = [await createAccount(env.DB), await createAccount(env.DB)]
    const follower = startFollowed()
    for (const { guid } of [one, other, one, other, one]) await openByGuid(guid, {}, follower)
    const chain = follower.messages().filter(({ user_id }) => user_id === one.id)
    expect(chain.map(({ previous }) => previous)).toEqual([null, chain[0]?.id, chain[1]?.id])
  })

  test('does not name one that was never sent, since nobody followed then', async () => {
    const { id, guid } = await createAccount(env.DB)
    const { access } = await openByGuid(guid, {}, unfollowed)
    await unfollowed.call('/auth/sessions', { method: 'DELETE', headers: bearer(access) })
    expect(await rowsOf(id)).toMatchObject([{ type: 'sessions_ended', due_at: null, sent_at: null }])
    const follower = startFollowed()
    await openByGuid(guid, {}, follower)
    await follower.scheduled()
    expect(follower.messages()).toMatchObject([{ type: 'signed_in', previous: null }])
  })
})

describe('order', () => {
  test('is kept while one sender waits for the queue: another does not overtake it, and it sends what came meanwhile', async () => {
    const { id, guid } = await createAccount(env.DB)
    const events = eventQueue()
    const [one, other] = [startFollowed({}, events), startFollowed({}, events)]
    const arrived = Promise.withResolvers<undefined>()
    const open = Promise.withResolvers<undefined>()
    events.before = () => {
      arrived.resolve(undefined)
      return open.promise
    }
    const first = openByGuid(guid, {}, one)
    await arrived.promise
    events.before = async () => {}
    for (let i = 0; i < 3; i += 1) await openByGuid(guid, {}, other)
    await other.scheduled()
    expect(events.batches).toEqual([])
    open.resolve(undefined)
    await first
    expect(events.batches.map((batch) => batch.length)).toEqual([1, 3])
    expect(firsts(events.batches.flat())).toEqual(await idsOf(id))
  })

  test('is kept under 50 operations at once, from two isolates and the sweep', async () => {
    const { id, guid } = await createAccount(env.DB)
    const events = eventQueue()
    const senders = [startFollowed({}, events), startFollowed({}, events)]
    // The queue takes longer for some batches than for others: as long as so many round trips to D1.
    let calls = 0
    events.before = async () => {
      calls += 1
      for (let i = (calls * 7) % 5; i > 0; i -= 1) await env.DB.prepare('SELECT 1').run()
    }
    // Ten clients, each of which goes on as soon as it has its answer, so that events come while others are sent.
    const clients = Array.from({ length: 10 }, async (_, i) => {
      for (let left = 5; left > 0; left -= 1) await openByGuid(guid, {}, senders[i % 2])
      await senders[i % 2]?.scheduled()
    })
    await Promise.all(clients)
    const messages = events.batches.flat()
    expect(messages).toHaveLength(50)
    expect(messages.map((message) => message.id)).toEqual(await idsOf(id))
    expect(messages.slice(1).map(({ previous }) => previous)).toEqual(
      messages.slice(0, -1).map((message) => message.id),
    )
    expect((await rowsOf(id)).every(({ due_at, sent_at }) => due_at === null && sent_at === T0)).toBe(true)
  })

  test('is kept by the sweep, a hundred messages a call, past any number of accounts', async () => {
    const accounts = 130
    await env.DB.batch(
      Array.from({ length: accounts * 2 }, (_, i) =>
        env.DB.prepare(
          `INSERT INTO events (user_id, type, at, facts, due_at) VALUES (?, 'activated', ${T0}, '{}', 0)`,
        ).bind(1000 + (i % accounts)),
      ),
    )
    await env.DB.batch(
      Array.from({ length: accounts }, (_, i) =>
        env.DB.prepare('INSERT INTO users (id, guid, created_at, updated_at) VALUES (?, ?, 0, 0)').bind(
          1000 + i,
          crypto.randomUUID(),
        ),
      ),
    )
    const follower = startFollowed()
    await follower.scheduled()
    const messages = follower.messages()
    expect(messages).toHaveLength(accounts * 2)
    expect(Math.max(...follower.events.batches.map((batch) => batch.length))).toBe(100)
    for (let id = 1000; id < 1000 + accounts; id += 1) {
      const own = messages.filter(({ user_id }) => user_id === id)
      expect(own.map(({ previous }) => previous)).toEqual([null, own[0]?.id])
    }
  })
})

describe('nothing is lost', () => {
  test.each(['throws', 'lost'] as const)(
    'where the queue %s: the request does not notice, and the sweep sends it',
    async (fault) => {
      const { id, guid } = await createAccount(env.DB)
      const follower = startFollowed()
      follower.events.fail(fault)
      await openByGuid(guid, {}, follower)
      const [eventId] = await idsOf(id)
      expect(linesOf(logged, 'events_not_sent')).toEqual([
        { event: 'events_not_sent', error: expect.any(String) as string, guid, eventId },
      ])
      // The row is held, so that a queue in trouble is not asked again at once.
      expect(await rowsOf(id)).toMatchObject([{ due_at: T0 + HELD_SECONDS, sent_at: null }])

      follower.events.fail(null)
      await openByGuid(guid, {}, follower)
      await follower.scheduled()
      expect(follower.messages()).toHaveLength(fault === 'lost' ? 1 : 0)
      at(HELD_SECONDS)
      await follower.scheduled()
      expect(follower.events.batches.at(-1)?.map((message) => message.id)).toEqual(await idsOf(id))
      expect(firsts(follower.messages())).toEqual(await idsOf(id))
      expect((await rowsOf(id)).map(({ due_at }) => due_at)).toEqual([null, null])
    },
  )

  test('where the queue is silent: after 5 seconds nobody waits any more', async () => {
    const { id, guid } = await createAccount(env.DB)
    const follower = startFollowed()
    follower.events.fail('silent')
    const callAfter = globalThis.setTimeout
    const timers = vi
      .spyOn(globalThis, 'setTimeout')
      .mockImplementation((callback: () => void, milliseconds = 0) =>
        callAfter(callback, milliseconds === 5000 ? 0 : milliseconds),
      )
    await openByGuid(guid, {}, follower)
    expect(timers.mock.calls.map(([, milliseconds]) => milliseconds)).toContain(5000)
    const [eventId] = await idsOf(id)
    expect(linesOf(logged, 'events_not_sent')).toEqual([
      { event: 'events_not_sent', error: 'NoAnswer: after 5000 ms', guid, eventId },
    ])
    expect(await rowsOf(id)).toMatchObject([{ sent_at: null }])
  })

  test.each([
    ['before it takes the events', [null, 'before'], 0],
    ['once it has taken them, of which it does not hear', [null, 'after'], 0],
    ['between the queue and the mark', [null, null, 'before'], 1],
    ['behind the mark, of which it does not hear', [null, null, 'after'], 1],
  ] as const)('where a sender dies %s', async (_when, faults, sent) => {
    const { id, guid } = await createAccount(env.DB)
    const d1 = faultyDatabase(env.DB)
    const follower = startFollowed({ DB: d1.database })
    d1.fail(...faults)
    await openByGuid(guid, {}, follower)
    expect(follower.messages()).toHaveLength(sent)
    expect(linesOf(logged, 'events_not_sent')).toHaveLength(1)
    d1.heal()
    at(HELD_SECONDS)
    await openByGuid(guid, {}, follower)
    await follower.scheduled()
    expect(firsts(follower.messages())).toEqual(await idsOf(id))
    expect((await rowsOf(id)).every(({ due_at, sent_at }) => due_at === null && sent_at !== null)).toBe(true)
    // Twice at most, and in order both times.
    expect(follower.messages().length).toBeLessThanOrEqual(3)
  })

  test('where D1 does not say that it stored the event: the sweep sends it', async () => {
    const { id, guid } = await createAccount(env.DB)
    const d1 = faultyDatabase(env.DB)
    const follower = startFollowed({ DB: d1.database })
    d1.fail('after')
    expect((await follower.call(`/${guid}`)).status).toBe(503)
    expect(follower.messages()).toEqual([])
    await follower.scheduled()
    expect(follower.messages().map((message) => message.id)).toEqual(await idsOf(id))
  })

  test('where the sweep fails: the cron run counts as failed, and the next one goes on', async () => {
    const { id, guid } = await createAccount(env.DB)
    const follower = startFollowed()
    follower.events.fail('throws')
    await openByGuid(guid, {}, follower)
    at(HELD_SECONDS)
    await expect(follower.scheduled()).rejects.toThrow('Queue is overloaded')
    expect(linesOf(logged, 'events_not_sent')).toHaveLength(2)
    follower.events.fail(null)
    at(2 * HELD_SECONDS)
    await follower.scheduled()
    expect(follower.messages().map((message) => message.id)).toEqual(await idsOf(id))
  })

  test('where a transaction is rolled back, there is no event of it', async () => {
    const { id, guid } = await createAccount(env.DB)
    const d1 = faultyDatabase(env.DB)
    const follower = startFollowed({ DB: d1.database })
    d1.fail('during')
    expect((await follower.call(`/${guid}`)).status).toBe(503)
    expect(await rowsOf(id)).toEqual([])
  })
})

test.each([
  ['101 messages', Array.from({ length: 101 }, () => 'x')],
  ['288 kB and more', Array.from({ length: 100 }, () => 'x'.repeat(2900))],
  ['a message of 128 kB and more', ['x'.repeat(128_001)]],
])('the queue of these tests refuses %s in one call, as the real one does', async (_what, bodies) => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is the length that counts
  const batch = bodies.map((body) => ({ body: body as unknown as EventMessage }))
  await expect(env.REAL_EVENTS.sendBatch(batch)).rejects.toThrow('Error')
})

test('a hundred of the longest messages are one call that the queue takes', async () => {
  const { id } = await createAccount(env.DB)
  const user_agent = '"'.repeat(256)
  const client = {
    ip: '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff',
    asn: 4_294_967_295,
    country: 'NZ',
    city: '\u0800'.repeat(128),
    user_agent,
  }
  const insert = env.DB.prepare(
    `INSERT INTO events (user_id, type, at, sid, reason, facts, due_at) VALUES (?, 'signed_in', ${T0}, ?, 'password', ?, 0)`,
  )
  await env.DB.batch(
    Array.from({ length: 100 }, () => insert.bind(id, crypto.randomUUID(), JSON.stringify({ client }))),
  )
  const follower = startFollowed()
  await follower.scheduled()
  expect(follower.events.batches.map((batch) => batch.length)).toEqual([100])
  // What a call may have as Cloudflare documents it; the local queue takes more.
  expect(new TextEncoder().encode(JSON.stringify(follower.messages())).length).toBeLessThan(256_000)
})

test('a row that was damaged by hand keeps no other from being sent', async () => {
  const { id, guid } = await createAccount(env.DB)
  await env.DB.prepare(
    `INSERT INTO events (user_id, type, at, facts, due_at) VALUES (?, 'activated', 1, 'not JSON', 0)`,
  )
    .bind(id)
    .run()
  const follower = startFollowed()
  await openByGuid(guid, {}, follower)
  expect(follower.messages().map(({ type }) => type)).toEqual(['activated', 'signed_in'])
})

/** An account has an event that its queue did not take, and leaves, by that Worker. What comes back is its id. */
async function leaveWithWaiting(follower: FollowedWorker, by: TestWorker): Promise<number> {
  const { id, access } = await registered(undefined, follower)
  follower.events.fail('throws')
  const guid = String(await env.DB.prepare('SELECT guid FROM users WHERE id = ?').bind(id).first('guid'))
  await openByGuid(guid, {}, follower)
  const leaving = { method: 'DELETE', json: { password: GOOD_PASSWORD }, headers: bearer(access) }
  expect((await by.call('/auth/me', leaving)).status).toBe(204)
  return id
}

describe('an account that left', () => {
  test('has no event but that, once it is sent: neither one that was sent before nor one that was not', async () => {
    const follower = startFollowed()
    const id = await leaveWithWaiting(follower, follower)
    expect((await rowsOf(id)).map(({ type }) => type)).toEqual(['signed_in', 'left'])

    follower.events.fail(null)
    at(HELD_SECONDS)
    await follower.scheduled()
    expect(follower.messages().map(({ type }) => type)).toEqual(['registered', 'signed_in', 'signed_in', 'left'])
    expect((await rowsOf(id)).map(({ type }) => type)).toEqual(['left'])
  })
})

describe('an account that leaves when nobody follows any more', () => {
  test('leaves no event behind but that: what still waited was of its owner', async () => {
    const id = await leaveWithWaiting(startFollowed(), unfollowed)
    expect((await rowsOf(id)).map(({ type, due_at }) => [type, due_at])).toEqual([['left', null]])
  })
})

describe('without a queue of events', () => {
  test('what happens to a session is no row, and what ends several is one, which nobody sends', async () => {
    const { id, guid } = await createAccount(env.DB)
    const { access, cookies } = await openByGuid(guid, {}, unfollowed)
    await openByGuid(guid, { cookies }, unfollowed)
    expect(await rowsOf(id)).toEqual([])
    const again = await openByGuid(guid, {}, unfollowed)
    expect(access).not.toBe(again.access)
    await unfollowed.call('/auth/sessions', { method: 'DELETE', headers: bearer(again.access) })
    const row = await env.DB.prepare('SELECT * FROM events WHERE user_id = ?').bind(id).first()
    expect(row).toEqual({
      id: expect.any(Number) as number,
      user_id: id,
      type: 'sessions_ended',
      at: T0,
      sid: null,
      reason: 'owner',
      facts: '{}',
      ended_before: T0,
      ended_except: again.sid,
      due_at: null,
      sent_at: null,
    })
  })

  test('what was to be sent when there was one stays, and is sent when there is one again', async () => {
    const { guid } = await createAccount(env.DB)
    const follower = startFollowed()
    follower.events.fail('throws')
    await openByGuid(guid, {}, follower)
    at(HELD_SECONDS)
    await startWorker().scheduled()
    follower.events.fail(null)
    await follower.scheduled()
    expect(follower.messages()).toHaveLength(1)
  })
})
