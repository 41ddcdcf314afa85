/**
 * Events out, as docs/events.md has them: the built Worker with the lines of wrangler.toml for it, and the example that consumes its queue,
 * each by its own configuration.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestHarness, type TestHarness } from 'wrangler'

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
      .replace('directory = "', 'directory = "../../')
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
}, 240_000)

afterAll(() => harness.close())

function post(path: string, json: unknown): Promise<Response> {
  const headers = { 'Content-Type': 'application/json', 'CF-Connecting-IP': '203.0.113.7' }
  return fetch(new URL(path, tessera), { method: 'POST', headers, body: JSON.stringify(json) })
}

/** The sessions that the follower knows of an account. */
async function known(guid: string): Promise<readonly string[]> {
  const sessions = followed.prepare('SELECT sid FROM sessions WHERE guid = ? ORDER BY sid').bind(guid)
  return (await sessions.all<{ sid: string }>()).results.map(({ sid }) => sid)
}

function sidOf(token: string): string {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sid: string }
  return claims.sid
}

test('the example that follows learns of a sign-in, and of its end', async () => {
  const { guid, email } = await createAccount(accounts)
  const signIn = { primary_email: email, password: PASSWORD }
  const first = (await (await post('/auth/token', signIn)).json()) as { access: string; refresh: string }
  const second = (await (await post('/auth/token', signIn)).json()) as { access: string; refresh: string }
  await expect.poll(() => known(guid), DELIVERY).toEqual([sidOf(first.access), sidOf(second.access)].toSorted())

  expect((await post('/auth/token/revoke', { token: first.refresh })).status).toBe(204)
  await expect.poll(() => known(guid), DELIVERY).toEqual([sidOf(second.access)])
  const marked = accounts.prepare('SELECT count(*) AS n FROM events WHERE sent_at IS NOT NULL AND due_at IS NULL')
  await expect.poll(() => marked.first('n'), DELIVERY).toBe(3)
}, 240_000)
