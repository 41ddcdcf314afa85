/** The example that consumes events, over a database of its own: each event is taken in once and in its order, however the queue delivers. */

import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'

import follower, { takeIn } from '../../../examples/events-consumer/index.ts'
import type { EventMessage } from '../../../src/domain/events/event-message.ts'

const followed = env.FOLLOWED

beforeEach(async () => {
  await applyD1Migrations(followed, env.FOLLOWED_MIGRATIONS)
  await forget()
})

async function forget(): Promise<void> {
  await followed.batch(['accounts', 'sessions'].map((table) => followed.prepare(`DELETE FROM ${table}`)))
}

/** What the follower knows of an account. */
async function known(guid: string) {
  const account = await followed.prepare('SELECT state, last_id FROM accounts WHERE guid = ?').bind(guid).first()
  const sessions = followed.prepare('SELECT sid FROM sessions WHERE guid = ? ORDER BY opened_at, sid').bind(guid)
  const { results } = await sessions.all<{ sid: string }>()
  return { account, sids: results.map(({ sid }) => sid) }
}

/** A queue that gives messages in this order, and again where they come too early: how often that was. */
async function deliver(messages: readonly EventMessage[]): Promise<number> {
  let waiting = [...messages]
  let early = 0
  while (waiting.length > 0) {
    const again: EventMessage[] = []
    for (const message of waiting) if ((await takeIn(followed, message, new Date())) === 'early') again.push(message)
    if (again.length === waiting.length) throw new Error('nothing is taken in any more')
    early += again.length
    waiting = again
  }
  return early
}

describe('what it takes in', () => {
  const account = { guid: 'c0ffee00-0000-4000-8000-000000000001', user_id: 1, at: 1_800_000_000 }
  const client = { ip: '203.0.113.7', asn: null, country: 'IS', city: null, user_agent: null }
  const signedIn = { type: 'signed_in', reason: 'guid', client } as const
  const STORY = [
    { ...account, id: 3, previous: null, type: 'registered', reason: 'guid', group: 'user' },
    { ...account, id: 4, previous: 3, ...signedIn, sid: 'a' },
    { ...account, id: 7, previous: 4, ...signedIn, sid: 'b' },
    { ...account, id: 8, previous: 7, type: 'session_ended', reason: 'signed_out', sid: 'a' },
    { ...account, id: 9, previous: 8, ...signedIn, sid: 'c' },
    { ...account, id: 11, previous: 9, type: 'sessions_ended', reason: 'owner', ended_except: 'c' },
    { ...account, id: 12, previous: 11, ...signedIn, sid: 'd' },
    { ...account, id: 13, previous: 12, type: 'deactivated', ended_except: null },
    { ...account, id: 14, previous: 13, type: 'activated', ended_except: null },
    { ...account, id: 15, previous: 14, ...signedIn, sid: 'e' },
  ] as const satisfies readonly EventMessage[]
  const END = { account: { state: 'open', last_id: 15 }, sids: ['e'] }

  test('is the same in whatever order it comes, and however often', { timeout: 120_000 }, async () => {
    expect(await deliver(STORY)).toBe(0)
    expect(await known(account.guid)).toEqual(END)
    for (let seed = 1; seed <= 50; seed += 1) {
      await forget()
      const doubled = [...STORY, ...STORY]
      const shuffled = doubled
        .map((message, i) => [Math.imul((i + 1) * 2_654_435_761, seed * 40_503) >>> 0, message] as const)
        .toSorted(([a], [b]) => a - b)
        .map(([, message]) => message)
      await deliver(shuffled)
      expect(await known(account.guid), `order ${seed}`).toEqual(END)
    }
  })

  test('waits for an event that was overtaken, and no longer than half an hour', async () => {
    const [first, , third] = STORY
    expect(await takeIn(followed, first, new Date())).toBe('done')
    expect(await takeIn(followed, third, new Date())).toBe('early')
    expect((await known(account.guid)).sids).toEqual([])
    expect(await takeIn(followed, third, new Date(Date.now() - 1_801_000))).toBe('done')
    expect(await known(account.guid)).toEqual({ account: { state: 'open', last_id: 7 }, sids: ['b'] })
  })

  test('is acknowledged, message by message, and what is early comes again', async () => {
    const [first, , third] = STORY
    const settled: unknown[] = []
    const messages = [third, first].map((body) => ({
      id: String(body.id),
      timestamp: new Date(),
      attempts: 1,
      body,
      ack: () => void settled.push([body.id, 'ack']),
      retry: (options?: QueueRetryOptions) => void settled.push([body.id, 'retry', options]),
    }))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the example reads the messages alone
    await follower.queue({ messages } as unknown as MessageBatch<EventMessage>, { FOLLOWED: followed })
    expect(settled).toEqual([
      [first.id, 'ack'],
      [third.id, 'retry', { delaySeconds: 30 }],
    ])
  })

  test('is of an account that it had not heard of before: from the first event on, or the first that comes in time', async () => {
    const [, second] = STORY
    expect(await takeIn(followed, second, new Date())).toBe('early')
    expect(await takeIn(followed, { ...second, previous: null }, new Date())).toBe('done')
    expect((await known(account.guid)).sids).toEqual(['a'])
  })

  test('ends with the account: what comes late of it is dropped', async () => {
    await deliver(STORY.slice(0, 3))
    const left = { ...account, id: 20, previous: null, type: 'left', reason: 'owner', ended_except: null } as const
    expect(await takeIn(followed, left, new Date())).toBe('done')
    expect(await takeIn(followed, STORY[4], new Date())).toBe('done')
    expect(await known(account.guid)).toEqual({ account: { state: 'left', last_id: 20 }, sids: [] })
  })
})
