/**
 * Events out, as docs/events.md has them: the built Worker with the lines of wrangler.toml for it, and the example that consumes its queue,
 * each by its own configuration.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestHarness, type TestHarness } from 'wrangler'

import { takeIn } from '../../examples/events-consumer/index.ts'
import type { EventMessage } from '../../src/domain/events/event-message.ts'
import { createAccount, PASSWORD } from '../support/accounts.ts'
import { TEST_BINDINGS } from '../support/bindings.ts'

const root = join(import.meta.dirname, '../..')
const FOLLOWER = join(root, 'examples/events-consumer/wrangler.toml')
/** A queue of this machine delivers after 5 seconds at most. */
const DELIVERY = { timeout: 30_000 }

let harness: TestHarness
let tessera: URL
let accounts: D1Database
let followed: D1Database

/** wrangler.toml with the queue of events switched on, in a folder of its own. */
function followedConfiguration(): string {
  const toml = readFileSync(join(root, 'wrangler.toml'), 'utf8')
  const block = '# [[queues.producers]]\n# binding = "EVENTS"\n# queue = "tessera-events"\n'
  // A fork may have switched it on for good.
  expect(toml.includes(block) || toml.includes(block.replaceAll('# ', ''))).toBe(true)
  const folder = join(root, '.wrangler/events')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'wrangler.toml')
  writeFileSync(
    file,
    toml
      .replace(block, block.replaceAll('# ', ''))
      .replace('main = "', 'main = "../../')
      .replace('migrations_dir = "', 'migrations_dir = "../../'),
  )
  return file
}

beforeAll(async () => {
  harness = createTestHarness({
    workers: [{ configPath: followedConfiguration(), secrets: TEST_BINDINGS }, { configPath: FOLLOWER }],
  })
  tessera = (await harness.listen()).url
  const follower = harness.getWorker<{ FOLLOWED: D1Database }>('tessera-follower')
  await harness.getWorker<{ DB: D1Database }>('tessera').applyD1Migrations('DB')
  await follower.applyD1Migrations('FOLLOWED')
  accounts = (await harness.getWorker<{ DB: D1Database }>('tessera').getEnv()).DB
  followed = (await follower.getEnv()).FOLLOWED
}, 120_000)

afterAll(() => harness.close())

beforeEach(async () => {
  await followed.batch(['accounts', 'sessions'].map((table) => followed.prepare(`DELETE FROM ${table}`)))
})

function post(path: string, json: unknown): Promise<Response> {
  const headers = { 'Content-Type': 'application/json', 'CF-Connecting-IP': '203.0.113.7' }
  return fetch(new URL(path, tessera), { method: 'POST', headers, body: JSON.stringify(json) })
}

/** What the follower knows of an account. */
async function known(guid: string) {
  const account = await followed.prepare('SELECT state, last_id FROM accounts WHERE guid = ?').bind(guid).first()
  const sessions = followed.prepare('SELECT sid FROM sessions WHERE guid = ? ORDER BY opened_at, sid').bind(guid)
  const { results } = await sessions.all<{ sid: string }>()
  return { account, sids: results.map(({ sid }) => sid) }
}

function sidOf(token: string): string {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sid: string }
  return claims.sid
}

describe('the example that follows', () => {
  test('learns of a sign-in, and of its end', async () => {
    const { guid, email } = await createAccount(accounts)
    const signIn = { primary_email: email, password: PASSWORD }
    const first = (await (await post('/auth/token', signIn)).json()) as { access: string; refresh: string }
    const second = (await (await post('/auth/token', signIn)).json()) as { access: string; refresh: string }
    await expect
      .poll(async () => (await known(guid)).sids.toSorted(), DELIVERY)
      .toEqual([sidOf(first.access), sidOf(second.access)].toSorted())

    expect((await post('/auth/token/revoke', { token: first.refresh })).status).toBe(204)
    await expect.poll(async () => (await known(guid)).sids, DELIVERY).toEqual([sidOf(second.access)])
    const marked = accounts.prepare('SELECT count(*) AS n FROM events WHERE sent_at IS NOT NULL AND due_at IS NULL')
    expect(await marked.first('n')).toBe(3)
  }, 90_000)
})

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
    { ...account, id: 14, previous: 13, type: 'activated' },
    { ...account, id: 15, previous: 14, ...signedIn, sid: 'e' },
  ] as const satisfies readonly EventMessage[]
  const END = { account: { state: 'open', last_id: 15 }, sids: ['e'] }

  /** A queue that gives messages in this order, and again where they come too early. */
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- it reads beside the story that it delivers
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

  test('is the same in whatever order it comes, and however often', async () => {
    expect(await deliver(STORY)).toBe(0)
    expect(await known(account.guid)).toEqual(END)
    for (let seed = 1; seed <= 4; seed += 1) {
      await followed.batch(['accounts', 'sessions'].map((table) => followed.prepare(`DELETE FROM ${table}`)))
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
